/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/buf.h"
#include "common/fd.h"

#include <errno.h>
#include <string.h>

static void test_appends(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(1000);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_adds(&b, "one "), 0);
	assert_int_equal(buf_addf(&b, "%d %s", 2, "three"), 0);
	assert_int_equal(buf_addc(&b, '!'), 0);
	assert_int_equal(buf_add(&b, "a\0b", 3), 0);
	assert_int_equal(b.len, strlen("one 2 three!") + 3);
	assert_memory_equal(b.data, "one 2 three!a\0b", b.len + 1);
}

static void test_adding_nothing(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(0);

	(void)state;
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_int_equal(buf_addf(&b, "%s", ""), 0);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	assert_int_equal(buf_addc(&b, 'x'), -E2BIG);
}

static void test_takes_its_maximum_and_no_more(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(300);

	(void)state;
	for (int i = 0; i < 300; i++)
		assert_int_equal(buf_addc(&b, 'x'), 0);
	assert_int_equal(b.len, 300);
	assert_int_equal(buf_addc(&b, 'y'), -E2BIG);
	assert_int_equal(b.len, 300);
	assert_int_equal(strlen(b.data), 300);
}

static void test_errors_stick(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(10);

	(void)state;
	assert_int_equal(buf_adds(&b, "12345678"), 0);
	assert_int_equal(buf_addf(&b, "%s", "9012"), -E2BIG);
	/* Though this would fit: half a text is worse than an error. */
	assert_int_equal(buf_addc(&b, '9'), -E2BIG);
	assert_int_equal(b.error, -E2BIG);
	assert_string_equal(buf_str(&b), "12345678");
	buf_reset(&b);
	assert_int_equal(b.error, 0);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_adds(&b, "0123456789"), 0);
}

static void test_lengths_that_would_wrap(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(SIZE_MAX);

	(void)state;
	assert_int_equal(buf_addc(&b, 'x'), 0);
	assert_int_equal(buf_add(&b, "", SIZE_MAX), -E2BIG);
	buf_reset(&b);
	assert_int_equal(buf_addc(&b, 'x'), 0);
	assert_int_equal(buf_add(&b, "", SIZE_MAX - 1), -E2BIG);
}

static void test_used_again_after_done(void **state)
{
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(buf_adds(&b, "x"), 0);
	buf_done(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 100);
	assert_int_equal(buf_adds(&b, "yz"), 0);
	assert_string_equal(buf_str(&b), "yz");
	buf_done(&b);
}

static void test_memory_of_the_caller(void **state)
{
	char memory[17];
	struct buf b = {.data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1};

	(void)state;
	/* The logger's way: never reallocated as long as max leaves room for the NUL. */
	assert_int_equal(buf_adds(&b, "0123456789abcdef"), 0);
	assert_int_equal(buf_addc(&b, 'x'), -E2BIG);
	assert_ptr_equal(b.data, memory);
	assert_string_equal(memory, "0123456789abcdef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_adding_nothing),
		cmocka_unit_test(test_takes_its_maximum_and_no_more),
		cmocka_unit_test(test_errors_stick),
		cmocka_unit_test(test_lengths_that_would_wrap),
		cmocka_unit_test(test_used_again_after_done),
		cmocka_unit_test(test_memory_of_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
