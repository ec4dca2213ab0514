/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t usec;
	} good[] = {
		{"0", 0},
		{"never", UINT64_MAX},
		{"infinity", UINT64_MAX},
		{"1us", 1},
		{"1 µs", 1},
		{"500ms", 500000},
		{"3s", 3 * SECOND},
		{"3 seconds", 3 * SECOND},
		{"1min", MINUTE},
		{"2m", 2 * MINUTE},
		{"1h 30min", 90 * MINUTE},
		{"1h30min", 90 * MINUTE},
		{"1.5h", 90 * MINUTE},
		{"0.1s", 100000},
		{"1d", DAY},
		{"1w", 7 * DAY},
		{"  10 s ", 10 * SECOND},
		{"90d", 90 * DAY},
		{"1y", 31557600 * SECOND},
		{"0s", 0},
		{"1M", 2629800 * SECOND},
	};
	static const struct {
		const char *text;
		enum value_error error;
	} bad[] = {
		{"", VALUE_NONE},
		{"5", VALUE_BARE},
		{"5 6s", VALUE_BARE},
		{"5x", VALUE_UNIT},
		{"s", VALUE_NONE},
		{"-5s", VALUE_NONE},
		{"5s!", VALUE_NONE},
		{"5.s", VALUE_NONE},
		{"1h 30", VALUE_BARE},
		{"99999999999999999999s", VALUE_TOO_BIG},
		{"999999999999y", VALUE_TOO_BIG},
		{"5s,3s", VALUE_NONE},
		{"5 S", VALUE_UNIT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t usec = 1234567;

		assert_int_equal(parse_duration(good[i].text, &usec), VALUE_OK);
		assert_true(usec == good[i].usec);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t usec = 1234567;

		assert_int_equal(parse_duration(bad[i].text, &usec), bad[i].error);
		assert_true(usec == 1234567);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"none", UINT64_MAX},
		{"1B", 1},
		{"64KiB", 65536},
		{"64K", 65536},
		{"500MiB", 524288000},
		{"9GiB", 9663676416},
		{"1kB", 1000},
		{"1.5K", 1536},
		{"2 TiB", 2199023255552},
		{"700 bytes", 700},
	};
	static const struct {
		const char *text;
		enum value_error error;
	} bad[] = {
		{"5", VALUE_BARE},
		{"5KB", VALUE_UNIT},
		{"5M 3K", VALUE_NONE},
		{"M", VALUE_NONE},
		{"99999999999TiB", VALUE_TOO_BIG},
		{"", VALUE_NONE},
		{"5 apples", VALUE_UNIT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t bytes = 7;

		assert_int_equal(parse_size(good[i].text, &bytes), VALUE_OK);
		assert_true(bytes == good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t bytes = 7;

		assert_int_equal(parse_size(bad[i].text, &bytes), bad[i].error);
		assert_true(bytes == 7);
	}
}

static void test_modes(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
	} good[] = {
		{"0770", 0770},
		{"02770", 02770},
		{"0o770", 0770},
		{"0o2770", 02770},
		{"0000", 0},
		{"u=rwx,g=rwx,o=", 0770},
		{"u=rwx,g=rwxs,o=rx", 02775},
		{"a=rx", 0555},
		{"ug=rw", 0660},
		{"u=rwxs,o=t", 05700},
		{"o=", 0},
	};
	static const struct {
		const char *text;
		enum value_error error;
	} bad[] = {
		{"770", VALUE_DECIMAL},
		{"504", VALUE_DECIMAL},
		{"0788", VALUE_NONE},
		{"07", VALUE_NONE},
		{"017777", VALUE_NONE},
		{"0077777", VALUE_NONE},
		{"u+rwx", VALUE_SYMBOLIC},
		{"g-w", VALUE_SYMBOLIC},
		{"u=rwz", VALUE_NONE},
		{"u=rwx,", VALUE_NONE},
		{"", VALUE_NONE},
		{"rwx", VALUE_NONE},
		{"-0770", VALUE_NONE},
		{"0x1f8", VALUE_NONE},
		{"0o", VALUE_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		mode_t mode = 1;

		assert_int_equal(parse_mode(good[i].text, &mode), VALUE_OK);
		assert_int_equal(mode, good[i].mode);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mode_t mode = 1;

		assert_int_equal(parse_mode(bad[i].text, &mode), bad[i].error);
		assert_int_equal(mode, 1);
	}
}

/* What is printed is read as the same value: a thousand of them, of every magnitude. */
static void test_formats(void **state)
{
	char buf[80];
	uint64_t x = 88172645463325252ULL, back;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t value;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		value = x >> (i % 60 + 4);
		assert_int_equal(
			parse_duration(format_duration(buf, sizeof(buf), value), &back), VALUE_OK);
		assert_true(back == value);
		assert_int_equal(parse_size(format_size(buf, sizeof(buf), value), &back), VALUE_OK);
		assert_true(back == value);
	}
	assert_string_equal(format_duration(buf, sizeof(buf), 90 * MINUTE), "1h 30min");
	assert_string_equal(format_duration(buf, sizeof(buf), UINT64_MAX), "never");
	assert_string_equal(format_duration(buf, sizeof(buf), 0), "0");
	assert_string_equal(format_size(buf, sizeof(buf), 524288000), "500MiB");
	assert_string_equal(format_size(buf, sizeof(buf), UINT64_MAX), "none");
}

static void check_split(const char *line, const char *const *words)
{
	struct buf out = BUF_INIT(4096);
	size_t n = 99, at = 99, i;
	const char *p;

	assert_int_equal(split_line(line, &out, &n, &at), SPLIT_OK);
	p = out.data;
	for (i = 0; words[i]; i++, p += strlen(p) + 1) {
		assert_true(i < n);
		assert_string_equal(p, words[i]);
	}
	assert_int_equal(n, i);
	buf_done(&out);
}

static void test_split(void **state)
{
	(void)state;
	check_split("/bin/a", (const char *const[]){"/bin/a", NULL});
	check_split("  /bin/a \t b  ", (const char *const[]){"/bin/a", "b", NULL});
	check_split("a 'b c' \"d e\"", (const char *const[]){"a", "b c", "d e", NULL});
	check_split("a ''", (const char *const[]){"a", "", NULL});
	check_split("a \"\"b''", (const char *const[]){"a", "b", NULL});
	check_split("a\\ b \\\"", (const char *const[]){"a b", "\"", NULL});
	check_split("'a\\b' \"c\\d\" \"\\\\\"", (const char *const[]){"a\\b", "c\\d", "\\", NULL});
	check_split("'$HOME' '*' '&&' \\$X \\; \"\\$Y\"",
		(const char *const[]){"$HOME", "*", "&&", "$X", ";", "$Y", NULL});
	check_split("a 5$ a~b", (const char *const[]){"a", "5$", "a~b", NULL});
	check_split("a \"b;c|d>e\"", (const char *const[]){"a", "b;c|d>e", NULL});
	check_split("a\n", (const char *const[]){"a", NULL});
}

static void test_split_errors(void **state)
{
	static const struct {
		const char *line;
		enum split_error error;
		size_t at;
	} bad[] = {
		{"", SPLIT_EMPTY, 99},
		{"  ", SPLIT_EMPTY, 99},
		{"a 'b", SPLIT_QUOTE, 4},
		{"a \"b", SPLIT_QUOTE, 4},
		{"a \\", SPLIT_BACKSLASH, 2},
		{"a && b", SPLIT_SHELL, 2},
		{"a|b", SPLIT_SHELL, 1},
		{"a;", SPLIT_SHELL, 1},
		{"a > b", SPLIT_SHELL, 2},
		{"a < b", SPLIT_SHELL, 2},
		{"a `b`", SPLIT_SHELL, 2},
		{"a \"`b`\"", SPLIT_SHELL, 3},
		{"a $(b)", SPLIT_VARIABLE, 2},
		{"a \"$(b)\"", SPLIT_VARIABLE, 3},
		{"a $B", SPLIT_VARIABLE, 2},
		{"a ${B}", SPLIT_VARIABLE, 2},
		{"a *", SPLIT_GLOB, 2},
		{"a b?", SPLIT_GLOB, 3},
		{"~/a", SPLIT_GLOB, 0},
		{"a\nb", SPLIT_SHELL, 1},
		{"(a)", SPLIT_SHELL, 0},
		{"a &", SPLIT_SHELL, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf out = BUF_INIT(4096);
		size_t n = 0, at = 99;

		assert_int_equal(split_line(bad[i].line, &out, &n, &at), bad[i].error);
		if (bad[i].error != SPLIT_EMPTY && bad[i].error != SPLIT_QUOTE)
			assert_int_equal(at, bad[i].at);
		buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_split_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
