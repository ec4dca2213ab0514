/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/audit_line.h"

#include "common/text.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

#define IDENTIFIER "smbd_audit"
#define FIELDS_MAX 9 /* one more than any line has */

enum field { FIELD_USER, FIELD_ADDRESS, FIELD_MACHINE, FIELD_SHARE, FIELD_OP, FIELD_RESULT };
#define FIELD_PATH 6
#define FIELD_TO   7

/* Behind "smbd_audit: " or "smbd_audit[17]: ", if that stands before the first field's end. */
static char *skip_head(char *line)
{
	char *bar = strchr(line, '|'), *head = strstr(line, IDENTIFIER), *p;

	if (!bar || !head || head > bar)
		return line + strspn(line, " ");
	p = head + strlen(IDENTIFIER);
	if (*p == '[') {
		p += 1 + strspn(p + 1, "0123456789");
		if (*p++ != ']')
			return line;
	}
	return strncmp(p, ": ", 2) == 0 ? p + 2 : line;
}

/* Cuts LINE at each bar; what is behind the last field that there is room for stays with it. */
static size_t split(char *line, char **fields)
{
	size_t n = 0;

	fields[n++] = line;
	while (n < FIELDS_MAX && (line = strchr(line, '|'))) {
		*line++ = '\0';
		fields[n++] = line;
	}
	return n;
}

static bool has_control(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			return true;
	return false;
}

/* What is shown to people, and given to a command, as it is. */
static bool is_user(const char *user)
{
	struct buf shown = BUF_INIT(4 * AUDIT_USER_MAX);
	size_t len = strlen(user);
	bool same;

	/* Hardly any name has one of these; the head of a line that we do not know has. */
	if (len == 0 || len >= AUDIT_USER_MAX || *user == '-' || *user == ' ' ||
		user[len - 1] == ' ' || user[strcspn(user, AUDIT_NOT_IN_USER)])
		return false;
	same = text_printable(&shown, user, len) == 0 && strcmp(buf_str(&shown), user) == 0;
	buf_done(&shown);
	return same;
}

static bool is_address(const char *address)
{
	static const char scope_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789.-_";
	char plain[AUDIT_ADDRESS_MAX];
	unsigned char bytes[16];
	size_t len = strlen(address), n = strcspn(address, "%");

	if (len >= AUDIT_ADDRESS_MAX)
		return false;
	if (len == 0)
		return true;
	memcpy(plain, address, n);
	plain[n] = '\0';
	if (n == len && inet_pton(AF_INET, plain, bytes) == 1)
		return true;
	if (n < len && strspn(address + n + 1, scope_chars) != len - n - 1)
		return false;
	return inet_pton(AF_INET6, plain, bytes) == 1;
}

static bool is_path(const char *path)
{
	return *path == '/' && strlen(path) < PATH_MAX;
}

bool audit_line_parse(char *line, size_t len, struct audit_record *ret)
{
	char *f[FIELDS_MAX];
	bool renamed, deleted;
	size_t n;

	if (has_control(line, len))
		return false;
	n = split(skip_head(line), f);
	if (n <= FIELD_PATH || strcmp(f[FIELD_RESULT], "ok") != 0)
		return false;
	deleted = !strcmp(f[FIELD_OP], "unlinkat") || !strcmp(f[FIELD_OP], "unlink");
	renamed = !strcmp(f[FIELD_OP], "renameat") || !strcmp(f[FIELD_OP], "rename");
	if (!(deleted && n == FIELD_PATH + 1) && !(renamed && n == FIELD_TO + 1))
		return false;
	if (!is_user(f[FIELD_USER]) || !is_address(f[FIELD_ADDRESS]) || !is_path(f[FIELD_PATH]) ||
		(renamed && !is_path(f[FIELD_TO])))
		return false;
	*ret = (struct audit_record){
		.user = f[FIELD_USER],
		.address = f[FIELD_ADDRESS],
		.path = f[FIELD_PATH],
		.to = renamed ? f[FIELD_TO] : NULL,
	};
	return true;
}

/* A line is over. */
static void end_line(struct audit_lines *l, audit_handler *handler, void *userdata)
{
	struct audit_record r;

	l->line[l->len] = '\0';
	if (!l->skip && audit_line_parse(l->line, l->len, &r))
		handler(&r, userdata);
	l->len = 0;
	l->skip = false;
}

void audit_lines_add(
	struct audit_lines *l, const char *data, size_t len, audit_handler *handler, void *userdata)
{
	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) : len;

		if (n >= sizeof(l->line) - l->len)
			l->skip = true;
		if (!l->skip) {
			memcpy(l->line + l->len, data, n);
			l->len += n;
		}
		if (newline)
			end_line(l, handler, userdata);
		n += newline != NULL;
		data += n;
		len -= n;
	}
}
