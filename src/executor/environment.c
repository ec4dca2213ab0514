/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command's environment, made from nothing. */
#include "executor/environment.h"

#include "common/fd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (64 * 1024)

void environment_done(struct environment *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->items[i]);
	free(e->items);
	*e = (struct environment){0};
}

/* Takes over PAIR, which has a '='. */
static void put_owned(struct environment *e, char *pair)
{
	size_t name = (size_t)(strchr(pair, '=') - pair) + 1;

	for (size_t i = 0; i < e->n; i++)
		if (!strncmp(e->items[i], pair, name)) {
			free(e->items[i]);
			e->items[i] = pair;
			return;
		}
	if (e->n + 1 >= e->capacity) {
		size_t capacity = e->capacity ? 2 * e->capacity : 32;
		char **items = realloc(e->items, capacity * sizeof(*items));
		if (!items) {
			free(pair);
			e->error = -ENOMEM;
			return;
		}
		e->items = items;
		e->capacity = capacity;
	}
	e->items[e->n++] = pair;
	e->items[e->n] = NULL;
}

void environment_set(struct environment *e, const char *name, const char *value)
{
	char *pair;

	if (asprintf(&pair, "%s=%s", name, value) < 0)
		e->error = -ENOMEM;
	else
		put_owned(e, pair);
}

void environment_put(struct environment *e, const char *pair)
{
	char *copy = strchr(pair, '=') ? strdup(pair) : NULL;

	if (copy)
		put_owned(e, copy);
	else
		e->error = e->error ? e->error : -ENOMEM;
}

static const char *skip_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

/* One line without its end; false when it is wrong. */
static bool parse_line(struct environment *e, const char *p, const char *end)
{
	const char *name, *name_end, *value;
	char *pair;

	while (end > p && isspace((unsigned char)end[-1]))
		end--;
	p = skip_blank(p, end);
	if (p == end || *p == '#' || *p == ';')
		return true;
	for (name = p; p < end && (isalnum((unsigned char)*p) || *p == '_'); p++)
		;
	name_end = p;
	p = skip_blank(p, end);
	if (name == name_end || isdigit((unsigned char)*name) || p == end || *p != '=' ||
		memchr(p, '\0', (size_t)(end - p)))
		return false;
	value = skip_blank(p + 1, end);
	if (value < end && (*value == '"' || *value == '\'')) {
		if (end - value < 2 || end[-1] != *value)
			return false;
		value++;
		end--;
	}
	if (asprintf(&pair, "%.*s=%.*s", (int)(name_end - name), name, (int)(end - value), value) <
		0)
		e->error = -ENOMEM;
	else
		put_owned(e, pair);
	return true;
}

unsigned environment_parse(struct environment *e, const char *text, size_t len)
{
	const char *end = text + len;

	for (unsigned line = 1; text < end; line++) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		if (!parse_line(e, text, nl ? nl : end))
			return line;
		text = nl ? nl + 1 : end;
	}
	return 0;
}

static int read_trusted(int fd, uid_t uid, char *text, size_t *ret_len)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (st.st_mode & 022 || (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != uid))
		return -EPERM;
	n = pread(fd, text, FILE_MAX + 1, 0);
	if (n < 0)
		return -errno;
	if (n > FILE_MAX)
		return -EFBIG;
	*ret_len = (size_t)n;
	return 0;
}

int environment_load(struct environment *e, const char *path, uid_t uid)
{
	bool optional = *path == '-';
	_cleanup_close_ int fd =
		open(path + optional, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	if (fd < 0)
		return optional && errno == ENOENT ? 0 : -errno;
	text = malloc(FILE_MAX + 1);
	if (!text)
		return -ENOMEM;
	r = read_trusted(fd, uid, text, &len);
	if (r < 0)
		return r;
	return environment_parse(e, text, len) ? -EBADMSG : e->error;
}
