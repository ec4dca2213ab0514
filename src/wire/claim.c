/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The status is a sequence lock in a file: write(2) and read(2) of a page are not atomic against
 * each other, so both sides take the sequence before and after.
 */
#include "wire/claim.h"

#include "common/buf.h"
#include "common/fd.h"
#include "wire/spec.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES 8

static int pwrite_whole(int fd, const void *data, size_t len, off_t offset)
{
	ssize_t n;

	do {
		n = pwrite(fd, data, len, offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int write_sequence(int fd, uint32_t sequence)
{
	return pwrite_whole(
		fd, &sequence, sizeof(sequence), offsetof(struct claim_status, sequence));
}

static int read_sequence(int fd, uint32_t *ret)
{
	return pread_all(fd, ret, sizeof(*ret), offsetof(struct claim_status, sequence));
}

int claim_status_write(int fd, struct claim_status *s)
{
	uint32_t next = (s->sequence | 1) + 1;
	int r;

	if (next == 0)
		next = 2; /* wrapped round: 0 is a new file */
	s->version = CLAIM_VERSION;
	s->sequence2 = next;
	if (s->sequence == 0) {
		s->sequence = next;
		return pwrite_whole(fd, s, sizeof(*s), 0);
	}
	s->sequence |= 1;
	r = write_sequence(fd, s->sequence);
	if (r == 0)
		r = pwrite_whole(fd, s, sizeof(*s), 0);
	/* On failure it stays odd: readers then say -EAGAIN and keep what they had. */
	s->sequence = r == 0 ? next : s->sequence;
	return r < 0 ? r : write_sequence(fd, next);
}

static int try_read(int fd, struct claim_status *s)
{
	uint32_t before = 1, after = 0;
	int r = read_sequence(fd, &before);

	if (r == 0)
		r = pread_all(fd, s, sizeof(*s), 0);
	if (r == 0)
		r = read_sequence(fd, &after);
	if (r == -EIO)
		return -EAGAIN; /* still empty: its first write is under way */
	if (r < 0)
		return r;
	return before % 2 == 0 && s->sequence == before && s->sequence2 == before && after == before
		       ? 0
		       : -EAGAIN;
}

int claim_status_read(int fd, struct claim_status *ret)
{
	struct claim_status s = {0};
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		if (i > 0)
			sched_yield();
		r = try_read(fd, &s);
	}
	if (r < 0)
		return r;
	if (s.version != CLAIM_VERSION || !memchr(s.text, '\0', sizeof(s.text)))
		return -EBADMSG;
	*ret = s;
	return 0;
}

_Static_assert(CLAIM_RESULT_AT + sizeof(struct claim_result) <= CLAIM_RECORD_AT &&
		       CLAIM_RECORD_AT + sizeof(struct claim_record) <= CLAIM_BLOCK,
	"the parts of the block don't overlap");

int claim_record_write(int fd, const struct token *t, const char *text)
{
	struct claim_record c = {.version = CLAIM_VERSION, .token = *t};

	snprintf(c.text, sizeof(c.text), "%s", text);
	int r = pwrite_whole(fd, &c, sizeof(c), CLAIM_RECORD_AT);
	return r < 0 ? r : fdatasync(fd) < 0 ? -errno : 0;
}

int claim_record_read(int fd, const struct token *t, char text[CLAIM_RECORD_MAX])
{
	struct claim_record c;
	int r = pread_all(fd, &c, sizeof(c), CLAIM_RECORD_AT);

	if (r < 0)
		return r;
	if (c.version != CLAIM_VERSION || !token_equal(&c.token, t) ||
		!memchr(c.text, '\0', sizeof(c.text)))
		return -ENOENT;
	memcpy(text, c.text, sizeof(c.text));
	return 0;
}

/* Appends LEN bytes at OFFSET of the output. */
static int add_from_file(int fd, struct buf *out, uint64_t offset, uint64_t len)
{
	char chunk[8192];

	while (len > 0) {
		size_t n = len < sizeof(chunk) ? (size_t)len : sizeof(chunk);
		int r = pread_all(fd, chunk, n, (off_t)(CLAIM_OUTPUT_AT + offset));

		if (r == 0)
			r = buf_add(out, chunk, n);
		if (r < 0)
			return r;
		offset += n;
		len -= n;
	}
	return 0;
}

/* Appends bytes FROM..TO of the command's output: they are in the head, in the ring, or across. */
static int add_output(
	int fd, const struct claim_status *s, struct buf *out, uint64_t from, uint64_t to)
{
	while (from < to) {
		uint64_t offset = from, len = to - from, until_wrap;
		int r;

		if (from < s->output_head) {
			until_wrap = s->output_head - from;
		} else {
			uint64_t in_ring = (from - s->output_head) % s->output_ring;

			offset = s->output_head + in_ring;
			until_wrap = s->output_ring - in_ring;
		}
		if (len > until_wrap)
			len = until_wrap;
		r = add_from_file(fd, out, offset, len);
		if (r < 0)
			return r;
		from += len;
	}
	return 0;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t room(const struct buf *b)
{
	return b->len < b->max ? b->max - b->len : 0;
}

int claim_output_read(int fd, const struct claim_status *s, struct buf *head, struct buf *tail,
	uint64_t *ret_left_out)
{
	uint64_t total = s->output_total, kept, from_head, from_tail;
	int r;

	/* Sizes that no file has would wrap the sums below. */
	if (s->output_head > INT64_MAX / 4 || s->output_ring > INT64_MAX / 4)
		return -EBADMSG;
	kept = s->output_head + s->output_ring;
	from_head = min_u64(min_u64(total, s->output_head), room(head));
	/* Where bytes are lost between head and ring, the tail can't reach over the gap. */
	from_tail = min_u64(total > kept ? s->output_ring : total - from_head, room(tail));
	r = add_output(fd, s, head, 0, from_head);
	if (r == 0)
		r = add_output(fd, s, tail, total - from_tail, total);
	if (r == 0)
		*ret_left_out = total - from_head - from_tail;
	return r;
}
