/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing byte buffer that cannot grow without end: its maximum is given when it is made, and
 * what would pass it is refused.  Errors stick: append as you like, look at buf.error once.
 *
 *	_cleanup_(buf_done) struct buf b = BUF_INIT(64 * 1024);
 *	buf_addf(&b, "%s\r\n", line);
 *	if (b.error) ...
 */
#ifndef FLAGMAN_BUF_H
#define FLAGMAN_BUF_H

#include <stddef.h>

struct buf {
	char *data; /* always NUL-terminated once something was added; owned */
	size_t len;
	size_t cap;
	size_t max;
	int error; /* 0, -ENOMEM or -E2BIG; sticks */
};

/* clang-format off */
#define BUF_INIT(maximum) {.max = (maximum)}
/* clang-format on */

void buf_done(struct buf *b);  /* frees; b may be used again */
void buf_reset(struct buf *b); /* empties, keeps the memory, clears the error */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_adds(struct buf *b, const char *s);
int buf_addc(struct buf *b, char c);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *buf_str(const struct buf *b); /* "" when empty */

#endif
