/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A claim's file, which a runner writes and the agent reads: status, record, output. */
#include "fuzz.h"

#include "common/buf.h"
#include "wire/claim.h"
#include "wire/spec.h"

#define ROOM 3000

static void output(int fd, const struct claim_status *s)
{
	_cleanup_(buf_done) struct buf head = BUF_INIT(ROOM);
	_cleanup_(buf_done) struct buf tail = BUF_INIT(ROOM);
	uint64_t left_out = 0;

	if (claim_output_read(fd, s, &head, &tail, &left_out) < 0)
		return;
	CHECK(head.len <= ROOM && tail.len <= ROOM);
	CHECK(head.len + tail.len + left_out == s->output_total);
}

static void status(int fd)
{
	struct claim_status s, again;
	int r = claim_status_read(fd, &s);

	CHECK(r == 0 || r == -EAGAIN || r == -EBADMSG);
	if (r < 0)
		return;
	CHECK(memchr(s.text, '\0', sizeof(s.text)));
	output(fd, &s);
	CHECK(claim_status_write(fd, &s) == 0 && claim_status_read(fd, &again) == 0);
	CHECK(again.percent == s.percent && strcmp(again.text, s.text) == 0);
	CHECK(again.sequence == s.sequence && s.sequence % 2 == 0);
}

static void record(int fd)
{
	char text[CLAIM_RECORD_MAX], again[CLAIM_RECORD_MAX];
	struct token t = {.b = {0}};
	int r;

	(void)!pread(fd, &t, sizeof(t), CLAIM_RECORD_AT + 8);
	r = claim_record_read(fd, &t, text);
	CHECK(r == 0 || r == -ENOENT || r == -EIO);
	if (r < 0)
		return;
	CHECK(memchr(text, '\0', sizeof(text)));
	CHECK(claim_record_write(fd, &t, text) == 0 && claim_record_read(fd, &t, again) == 0);
	CHECK(strcmp(again, text) == 0);
	t.b[0] ^= 1;
	CHECK(claim_record_read(fd, &t, again) == -ENOENT);
}

static void claim(const void *data, size_t size, off_t whole)
{
	int fd = fuzz_file(data, size, 0);

	if (whole > (off_t)size)
		CHECK(ftruncate(fd, whole) == 0);
	status(fd);
	record(fd);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct claim_status s;
	uint8_t *copy;

	claim(data, size, 0);
	if (size < sizeof(s))
		return 0;
	/* One that was written to its end, and an output that is there. */
	copy = malloc(size);
	CHECK(copy);
	memcpy(copy, data, size);
	memcpy(&s, data, sizeof(s));
	s.version = CLAIM_VERSION;
	s.sequence = s.sequence2 &= ~1U;
	s.output_head &= 0xffff;
	s.output_ring &= 0xffff;
	memcpy(copy, &s, sizeof(s));
	claim(copy, size, CLAIM_OUTPUT_AT + 2 * 0x10000);
	free(copy);
	return 0;
}
