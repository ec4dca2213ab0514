/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a command says of itself. */
#include "runner/progress.h"

#include "wire/claim.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX  4096
#define DATAGRAMS_MAX 64 /* in one go: a flood must not keep the runner from its other work */
#define STATUS        "STATUS="
#define DISC          "X_FLAGMAN_DISC="

_Static_assert(PROGRESS_RECORD_MAX == CLAIM_RECORD_MAX, "a record fits into the claim");

/* Length of the well-formed UTF-8 character at S (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *s, size_t len)
{
	size_t n = *s < 0x80                 ? 1
		   : *s >= 0xc2 && *s < 0xe0 ? 2
		   : *s >= 0xe0 && *s < 0xf0 ? 3
		   : *s >= 0xf0 && *s < 0xf5 ? 4
					     : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
		(*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Control characters become spaces (but KEEP), bytes that are no UTF-8 question marks; cut between
 * characters. */
static void copy_line(char *out, size_t size, const char *data, size_t len, char keep)
{
	const unsigned char *s = (const unsigned char *)data;
	size_t used = 0;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(s + i, len - i);
		size_t take = n ? n : 1;
		if (used + take >= size)
			break;
		if (n > 1)
			memcpy(out + used, data + i, n);
		else
			out[used] = n == 0                        ? '?'
				    : data[i] == keep             ? keep
				    : s[i] < 0x20 || s[i] == 0x7f ? ' '
								  : data[i];
		used += take;
		i += take;
	}
	out[used] = '\0';
}

/* "42%", "42.5%", "100 %"; UINT32_MAX when it does not begin so. */
static uint32_t parse_percent(const char *s, size_t len)
{
	uint32_t value = 0;
	size_t i = 0;

	for (; i < len && i < 3 && s[i] >= '0' && s[i] <= '9'; i++)
		value = value * 10 + (uint32_t)(s[i] - '0');
	if (i == 0 || value > 100)
		return UINT32_MAX;
	if (i < len && (s[i] == '.' || s[i] == ','))
		for (i++; i < len && s[i] >= '0' && s[i] <= '9'; i++)
			;
	if (i < len && s[i] == ' ')
		i++;
	return i < len && s[i] == '%' ? value : UINT32_MAX;
}

bool progress_parse(struct progress *p, const char *data, size_t len)
{
	bool found = false;

	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t line = end ? (size_t)(end - data) : len, key = strlen(STATUS);
		if (line >= key && !memcmp(data, STATUS, key)) {
			copy_line(p->text, sizeof(p->text), data + key, line - key, ' ');
			p->percent = parse_percent(data + key, line - key);
			found = true;
		}
		key = strlen(DISC);
		if (p->takes_record && line >= key && !memcmp(data, DISC, key)) {
			copy_line(p->record, sizeof(p->record), data + key, line - key, '\t');
			found = true;
		}
		data += line + (end != NULL);
		len -= line + (end != NULL);
	}
	return found;
}

static bool is_welcome(const struct ucred *c, uid_t uid, pid_t session)
{
	return c && (c->uid == uid || c->uid == 0 || (c->pid > 0 && getsid(c->pid) == session));
}

/* The sender's credentials.  Descriptors that came along are closed, at once (sd_notify_barrier(3)
 * waits for that), and such a datagram is nobody's. */
static const struct ucred *take_control(struct msghdr *m)
{
	const struct ucred *found = NULL;
	bool alone = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			found = (const struct ucred *)(const void *)CMSG_DATA(c);
		alone &= c->cmsg_type != SCM_RIGHTS;
		for (size_t at = 0;
			c->cmsg_type == SCM_RIGHTS && at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0);
			at += sizeof(int)) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			close(fd);
		}
	}
	return alone ? found : NULL;
}

bool progress_receive(struct progress *p, int fd, uid_t uid, pid_t session)
{
	char data[DATAGRAM_MAX];
	bool changed = false;

	for (unsigned i = 0; i < DATAGRAMS_MAX && !*p->record; i++) {
		union {
			char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(16 * sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
		struct msghdr m = {.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.space,
			.msg_controllen = sizeof(control.space)};
		ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		const struct ucred *sender;
		if (n < 0)
			break;
		sender = take_control(&m);
		if (n > 0 && !(m.msg_flags & MSG_TRUNC) && is_welcome(sender, uid, session))
			changed |= progress_parse(p, data, (size_t)n);
	}
	return changed;
}
