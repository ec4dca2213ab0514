/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/buf.h"
#include "common/fd.h"
#include "wire/claim.h"
#include "wire/spec.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int file;

static int set_up(void **state)
{
	(void)state;
	file = memfd_create("claim", MFD_CLOEXEC);
	return file < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(file);
	return 0;
}

static void test_status_round_trip(void **state)
{
	struct claim_status s = {.output_total = 5, .percent = 40, .text = "burning"}, back;

	(void)state;
	for (int i = 0; i < 5; i++) {
		s.output_total++;
		assert_int_equal(claim_status_write(file, &s), 0);
		assert_int_equal(claim_status_read(file, &back), 0);
		assert_memory_equal(&back, &s, sizeof(s));
		assert_int_equal(back.version, CLAIM_VERSION);
		assert_int_equal(back.sequence, back.sequence2);
		assert_int_equal(back.sequence, 2 * (i + 1));
	}
}

static void test_sequence_wraps(void **state)
{
	struct claim_status s = {.sequence = UINT32_MAX - 1}, back;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(claim_status_write(file, &s), 0);
		assert_int_equal(claim_status_read(file, &back), 0);
		assert_int_not_equal(back.sequence, 0); /* that says "new file" */
	}
	assert_int_equal(back.sequence, 6);
}

static void test_status_that_is_not_there_yet(void **state)
{
	struct claim_status s = {0}, back = {.percent = 7};

	(void)state;
	assert_int_equal(claim_status_read(file, &back), -EAGAIN);
	assert_int_equal(claim_status_write(file, &s), 0);
	assert_int_equal(ftruncate(file, sizeof(s) - 1), 0);
	assert_int_equal(claim_status_read(file, &back), -EAGAIN);
	assert_int_equal(claim_status_read(-1, &back), -EBADF);
	assert_int_equal(back.percent, 7); /* untouched */
}

/* As a writer leaves it that dies in the middle. */
static void test_half_written_status(void **state)
{
	struct claim_status s = {0}, back;

	(void)state;
	assert_int_equal(claim_status_write(file, &s), 0);
	s.sequence = 3;
	assert_int_equal(pwrite(file, &s, sizeof(s), 0), sizeof(s));
	assert_int_equal(claim_status_read(file, &back), -EAGAIN);
	s.sequence = 4; /* sequence2 is still 2 */
	assert_int_equal(pwrite(file, &s, sizeof(s), 0), sizeof(s));
	assert_int_equal(claim_status_read(file, &back), -EAGAIN);
	/* A new writer that takes over makes it whole. */
	s.sequence = 3;
	assert_int_equal(claim_status_write(file, &s), 0);
	assert_int_equal(claim_status_read(file, &back), 0);
	assert_int_equal(back.sequence, 4);
}

static void test_status_that_is_wrong(void **state)
{
	struct claim_status s = {0}, back;

	(void)state;
	memset(s.text, 'x', sizeof(s.text));
	assert_int_equal(claim_status_write(file, &s), 0);
	assert_int_equal(claim_status_read(file, &back), -EBADMSG);
	s.text[0] = '\0';
	assert_int_equal(claim_status_write(file, &s), 0);
	assert_int_equal(claim_status_read(file, &back), 0);
	s.version++;
	assert_int_equal(pwrite(file, &s, sizeof(s), 0), sizeof(s));
	assert_int_equal(claim_status_read(file, &back), -EBADMSG);
}

/* A writer at full speed, a reader at full speed: what is read is whole. */
static void test_readers_never_see_a_half(void **state)
{
	struct claim_status s = {0};
	unsigned whole = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(claim_status_write(file, &s), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (uint32_t i = 0;; i++) {
			s.output_total = s.output_head = s.output_ring = i;
			s.percent = i;
			memset(s.text, (int)('a' + i % 26), sizeof(s.text) - 1);
			if (claim_status_write(file, &s) < 0)
				_exit(1);
		}
	}
	for (int i = 0; i < 20000; i++) {
		int r = claim_status_read(file, &s);

		if (r == -EAGAIN)
			continue;
		assert_int_equal(r, 0);
		whole++;
		assert_int_equal(s.output_total, s.output_ring);
		assert_int_equal(s.output_total, s.percent);
		assert_int_equal(strspn(s.text, (char[]){s.text[0], '\0'}), strlen(s.text));
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(whole > 0);
}

/* The runner's way: byte number N of the output, head and then ring. */
static char byte_of(uint64_t n)
{
	return (char)('a' + n * 7 % 26);
}

static struct claim_status write_output(uint64_t total, uint64_t head, uint64_t ring)
{
	struct claim_status s = {.output_total = total, .output_head = head, .output_ring = ring};

	assert_int_equal(ftruncate(file, 0), 0);
	for (uint64_t i = 0; i < total; i++) {
		char c = byte_of(i);

		if (i >= head && ring == 0)
			break;
		assert_int_equal(pwrite(file, &c, 1,
					 (off_t)(CLAIM_OUTPUT_AT +
						 (i < head ? i : head + (i - head) % ring))),
			1);
	}
	return s;
}

/* Whatever the sizes: the head is the beginning, the tail the end, and the rest is counted. */
static void check_output(
	uint64_t total, uint64_t head, uint64_t ring, size_t head_room, size_t tail_room)
{
	_cleanup_(buf_done) struct buf h = BUF_INIT(head_room + 2), t = BUF_INIT(tail_room);
	struct claim_status s = write_output(total, head, ring);
	uint64_t left_out = 99, want_head, want_tail;

	buf_adds(&h, "> "); /* what was there stays, and counts */
	assert_int_equal(claim_output_read(file, &s, &h, &t, &left_out), 0);
	want_head = total < head ? total : head;
	want_head = want_head < head_room ? want_head : head_room;
	want_tail = total <= head + ring ? total - want_head : ring;
	want_tail = want_tail < tail_room ? want_tail : tail_room;
	assert_int_equal(h.len, want_head + 2);
	assert_int_equal(t.len, want_tail);
	assert_int_equal(left_out, total - want_head - want_tail);
	for (uint64_t i = 0; i < want_head; i++)
		assert_int_equal(h.data[i + 2], byte_of(i));
	for (uint64_t i = 0; i < want_tail; i++)
		assert_int_equal(t.data[i], byte_of(total - want_tail + i));
}

static void test_output(void **state)
{
	static const uint64_t totals[] = {0, 1, 9, 10, 11, 14, 15, 16, 17, 20, 21, 100, 103};
	static const uint64_t heads[] = {0, 1, 10, 200}, rings[] = {0, 1, 5, 7};
	static const size_t rooms[] = {0, 1, 3, 10, 1000};

	(void)state;
	for (size_t i = 0; i < N_OF(totals); i++)
		for (size_t h = 0; h < N_OF(heads); h++)
			for (size_t r = 0; r < N_OF(rings); r++)
				for (size_t a = 0; a < N_OF(rooms); a++)
					for (size_t b = 0; b < N_OF(rooms); b++)
						check_output(totals[i], heads[h], rings[r],
							rooms[a], rooms[b]);
}

static void test_output_larger_than_a_chunk(void **state)
{
	(void)state;
	check_output(60000, 20000, 30000, 1 << 20, 1 << 20);
	check_output(45001, 20000, 30000, 1 << 20, 1 << 20);
}

static void test_output_that_cannot_be(void **state)
{
	_cleanup_(buf_done) struct buf h = BUF_INIT(100), t = BUF_INIT(100);
	struct claim_status s = {.output_total = 50, .output_head = 100};
	uint64_t left_out = 99;

	(void)state;
	/* The file does not have what the status says. */
	assert_int_equal(claim_output_read(file, &s, &h, &t, &left_out), -EIO);
	s = (struct claim_status){
		.output_total = UINT64_MAX, .output_head = UINT64_MAX, .output_ring = 2};
	assert_int_equal(claim_output_read(file, &s, &h, &t, &left_out), -EBADMSG);
	s = (struct claim_status){.output_total = UINT64_MAX, .output_ring = UINT64_MAX};
	assert_int_equal(claim_output_read(file, &s, &h, &t, &left_out), -EBADMSG);
	assert_int_equal(left_out, 99); /* untouched */
}

static void test_record(void **state)
{
	struct token a = token_new(), b = token_new();
	char text[CLAIM_RECORD_MAX], longer[CLAIM_RECORD_MAX + 100];

	(void)state;
	assert_int_equal(claim_record_read(file, &a, text), -EIO); /* an empty file */
	assert_return_code(ftruncate(file, CLAIM_BLOCK), errno);
	assert_int_equal(claim_record_read(file, &a, text), -ENOENT);
	assert_int_equal(claim_record_write(file, &a, "verb=burn\tx=y"), 0);
	assert_int_equal(claim_record_read(file, &a, text), 0);
	assert_string_equal(text, "verb=burn\tx=y");
	assert_int_equal(claim_record_read(file, &b, text), -ENOENT); /* another run's */
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(claim_record_write(file, &a, longer), 0);
	assert_int_equal(claim_record_read(file, &a, text), 0);
	assert_int_equal(strlen(text), CLAIM_RECORD_MAX - 1);
	/* one whose end was lost */
	memset(longer, 'x', sizeof(longer));
	assert_int_equal(pwrite(file, longer, CLAIM_RECORD_MAX,
				 CLAIM_RECORD_AT + (off_t)offsetof(struct claim_record, text)),
		CLAIM_RECORD_MAX);
	assert_int_equal(claim_record_read(file, &a, text), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status_round_trip),
		TEST(test_sequence_wraps),
		TEST(test_status_that_is_not_there_yet),
		TEST(test_half_written_status),
		TEST(test_status_that_is_wrong),
		TEST(test_readers_never_see_a_half),
		TEST(test_output),
		TEST(test_output_larger_than_a_chunk),
		TEST(test_output_that_cannot_be),
		TEST(test_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
