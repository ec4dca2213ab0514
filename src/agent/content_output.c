/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/content_output.h"
#include "common/text.h"

#include <inttypes.h>
#include <string.h>

#define CHARACTER_MAX 4 /* bytes of UTF-8 */

struct span {
	const char *data;
	size_t len;
};

static struct span span_of(const struct buf *b)
{
	return (struct span){b ? b->data : NULL, b && b->data ? b->len : 0};
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes of a character that was begun at the end of S and is not whole; 0 for none. */
static size_t begun(struct span s)
{
	size_t n = 0;

	while (n < s.len && n < CHARACTER_MAX && is_continuation(s.data[s.len - 1 - n]))
		n++;
	if (n >= s.len || n == CHARACTER_MAX)
		return 0;
	unsigned char first = (unsigned char)s.data[s.len - 1 - n];
	size_t whole = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
	return first < 0xf8 && n + 1 < whole ? n + 1 : 0;
}

/* Bytes at the beginning of S that belong to a character whose beginning is elsewhere. */
static size_t orphaned(struct span s)
{
	size_t n = 0;

	while (n < s.len && n < CHARACTER_MAX - 1 && is_continuation(s.data[n]))
		n++;
	return n;
}

static void end_line(struct buf *out)
{
	if (out->len == 0 || out->data[out->len - 1] != '\n')
		buf_adds(out, "\r\n");
}

void content_output(struct buf *out, const struct buf *head, const struct buf *tail,
	uint64_t left_out, bool live)
{
	struct span h = span_of(head), t = span_of(tail);

	if (left_out) { /* the cut went through bytes: mend the two characters beside it */
		size_t end = begun(h), start = orphaned(t);
		h.len -= end;
		t.data += start;
		t.len -= start;
		left_out += end + start;
	}
	if (live) {
		struct span *last = t.len ? &t : &h;
		last->len -= begun(*last);
	}
	if (h.len)
		text_output(out, h.data, h.len);
	if (left_out) {
		end_line(out);
		buf_addf(out, "--- %" PRIu64 " bytes left out here ---\r\n", left_out);
	}
	if (t.len)
		text_output(out, t.data, t.len);
	end_line(out);
}
