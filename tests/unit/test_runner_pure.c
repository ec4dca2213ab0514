/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The runner's output ring and what it makes of notifications. */
#include "runner/output.h"
#include "runner/progress.h"

#include "common/buf.h"
#include "common/fd.h"
#include "wire/claim.h"
#include "wire/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Writes TOTAL bytes in pieces of PIECE and reads them as the agent does. */
static void check_ring(uint64_t limit, size_t total, size_t piece)
{
	_cleanup_close_ int fd = memfd_create("output", MFD_CLOEXEC);
	_cleanup_(buf_done) struct buf head = BUF_INIT(1 << 20), tail = BUF_INIT(1 << 20);
	_cleanup_free_ char *data = malloc(total + 1);
	struct claim_status s = {0};
	struct output o;
	struct stat st;
	uint64_t left_out;
	size_t kept = total < limit ? total : (size_t)limit;

	for (size_t i = 0; i < total; i++)
		data[i] = (char)(i * 7 + i / 251);
	output_init(&o, fd, limit);
	for (size_t at = 0; at < total; at += piece)
		output_add(&o, data + at, total - at < piece ? total - at : piece);
	assert_int_equal(o.total, total);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((uint64_t)st.st_size <= CLAIM_OUTPUT_AT + limit);
	s.output_total = o.total;
	s.output_head = o.head;
	s.output_ring = o.ring;
	assert_int_equal(claim_output_read(fd, &s, &head, &tail, &left_out), 0);
	assert_int_equal(left_out, total - kept);
	assert_int_equal(head.len + tail.len, kept);
	assert_memory_equal(buf_str(&head), data, head.len);
	assert_memory_equal(buf_str(&tail), data + total - tail.len, tail.len);
}

static void test_ring(void **state)
{
	static const size_t totals[] = {0, 1, 9, 10, 11, 19, 20, 21, 25, 29, 30, 31, 47, 1000};
	static const size_t pieces[] = {1, 3, 10, 64, 1000};

	(void)state;
	for (size_t i = 0; i < sizeof(totals) / sizeof(*totals); i++)
		for (size_t j = 0; j < sizeof(pieces) / sizeof(*pieces); j++) {
			check_ring(20, totals[i], pieces[j]);
			check_ring(21, totals[i], pieces[j]);
			check_ring(1, totals[i], pieces[j]);
			check_ring(0, totals[i], pieces[j]);
		}
}

static void test_a_disk_that_is_full(void **state)
{
	_cleanup_close_ int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct output o;

	(void)state;
	output_init(&o, fd, 100);
	output_add(&o, "hello", 5);
	assert_int_equal(o.error, ENOSPC);
	assert_int_equal(o.total, 0);
	output_add(&o, "hello", 5); /* and does not try again */
	assert_int_equal(o.total, 0);
}

static bool parse(struct progress *p, const char *text)
{
	return progress_parse(p, text, strlen(text));
}

static void test_progress(void **state)
{
	struct progress p = {.percent = 1};

	(void)state;
	assert_false(parse(&p, "READY=1\nXSTATUS=2"));
	assert_false(parse(&p, ""));
	assert_int_equal(p.percent, 1);
	assert_true(parse(&p, "READY=1\nSTATUS=42% of it\nX=1"));
	assert_int_equal(p.percent, 42);
	assert_string_equal(p.text, "42% of it");
	assert_true(parse(&p, "STATUS=nearly there"));
	assert_int_equal(p.percent, UINT32_MAX);
	assert_true(parse(&p, "STATUS="));
	assert_string_equal(p.text, "");
}

static void test_percents(void **state)
{
	static const struct {
		const char *text;
		uint32_t percent;
	} cases[] = {{"0%", 0}, {"100%", 100}, {"101%", UINT32_MAX}, {"7.9% x", 7}, {"7,9 %", 7},
		{"42", UINT32_MAX}, {"%", UINT32_MAX}, {"-1%", UINT32_MAX}, {"1000%", UINT32_MAX},
		{"x 5%", UINT32_MAX}, {"5  %", UINT32_MAX}, {"042%", 42}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct progress p = {0};
		char text[64];
		snprintf(text, sizeof(text), "STATUS=%s", cases[i].text);
		assert_true(parse(&p, text));
		assert_int_equal(p.percent, cases[i].percent);
	}
}

static void test_dirty_texts(void **state)
{
	struct progress p = {0};
	char text[600] = "STATUS=";
	const char raw[] = "STATUS=a\tb\x1b[31m\xff\xc3\xa9\xed\xa0\x80\0z";

	(void)state;
	assert_true(progress_parse(&p, raw, sizeof(raw) - 1));
	assert_string_equal(p.text, "a b [31m?\xc3\xa9??? z");
	for (size_t i = 0; i < 290; i++) /* is cut between characters */
		memcpy(text + 7 + 2 * i, "\xc3\xa9", 3);
	assert_true(parse(&p, text));
	assert_int_equal(strlen(p.text), 254);
	assert_memory_equal(p.text + 252, "\xc3\xa9", 3);
}

/* Tabs stay, and only who may keep a record is heard. */
static void test_records(void **state)
{
	struct progress p = {.percent = 1};
	char text[700] = "X_FLAGMAN_DISC=";

	(void)state;
	assert_false(parse(&p, "X_FLAGMAN_DISC=verb=burn"));
	assert_string_equal(p.record, "");
	p.takes_record = true;
	assert_true(parse(&p, "X_FLAGMAN_DISC=verb=burn\tx=\x01\xff\nSTATUS=50%"));
	assert_string_equal(p.record, "verb=burn\tx= ?");
	assert_int_equal(p.percent, 50);
	memset(text + strlen(text), 'x', 600);
	assert_true(parse(&p, text));
	assert_int_equal(strlen(p.record), PROGRESS_RECORD_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_a_disk_that_is_full),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_percents),
		cmocka_unit_test(test_dirty_texts),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
