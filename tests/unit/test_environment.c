/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Environments made from nothing, and files of them. */
#include "executor/environment.h"

#include "common/fd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void check(const struct environment *e, const char *const *expected)
{
	size_t n = 0;

	for (; expected[n]; n++) {
		assert_true(n < e->n);
		assert_string_equal(e->items[n], expected[n]);
	}
	assert_int_equal(e->n, n);
	assert_null(e->items[n]);
}

static void test_later_ones_replace(void **state)
{
	_cleanup_(environment_done) struct environment e = {0};

	(void)state;
	environment_set(&e, "A", "1");
	environment_set(&e, "AB", "2");
	environment_put(&e, "A=3=4");
	environment_set(&e, "B", "");
	check(&e, (const char *const[]){"A=3=4", "AB=2", "B=", NULL});
	for (int i = 0; i < 100; i++) {
		char name[16];
		snprintf(name, sizeof(name), "N%d", i);
		environment_set(&e, name, "x");
	}
	assert_int_equal(e.n, 103);
	assert_null(e.items[103]);
	assert_int_equal(e.error, 0);
}

static unsigned parse(struct environment *e, const char *text)
{
	return environment_parse(e, text, strlen(text));
}

static void test_a_file(void **state)
{
	_cleanup_(environment_done) struct environment e = {0};

	(void)state;
	assert_int_equal(
		parse(&e, "# comment\n\n  A=1  \r\n;x\nB = \"two words\"\nC='it'\nD=\nA=4"), 0);
	check(&e, (const char *const[]){"A=4", "B=two words", "C=it", "D=", NULL});
}

static void test_wrong_lines(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} cases[] = {{"A", 1}, {"A=1\n=2", 2}, {"1A=2", 1}, {"A=\"x", 1}, {"A B=1", 1},
		{"export A=1", 1}, {"A='", 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(environment_done) struct environment e = {0};
		assert_int_equal(parse(&e, cases[i].text), cases[i].line);
	}
	_cleanup_(environment_done) struct environment e = {0};
	assert_int_equal(environment_parse(&e, "A=\0b", 4), 1);
}

static void test_trust(void **state)
{
	char path[] = "/tmp/flagman-env-XXXXXX", optional[64];
	_cleanup_(environment_done) struct environment e = {0};
	_cleanup_close_ int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write_all(fd, "A=1\n", 4), 0);
	assert_int_equal(environment_load(&e, path, geteuid()), 0);
	check(&e, (const char *const[]){"A=1", NULL});
	assert_int_equal(fchmod(fd, 0620), 0);
	assert_int_equal(environment_load(&e, path, geteuid()), -EPERM);
	assert_int_equal(fchmod(fd, 0602), 0);
	assert_int_equal(environment_load(&e, path, geteuid()), -EPERM);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(write_all(fd, "nonsense\n", 9), 0);
	assert_int_equal(environment_load(&e, path, geteuid()), -EBADMSG);
	unlink(path);
	assert_int_equal(environment_load(&e, path, geteuid()), -ENOENT);
	snprintf(optional, sizeof(optional), "-%s", path);
	assert_int_equal(environment_load(&e, optional, geteuid()), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(environment_load(&e, path, geteuid()), -EINVAL); /* and does not block */
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_later_ones_replace),
		cmocka_unit_test(test_a_file),
		cmocka_unit_test(test_wrong_lines),
		cmocka_unit_test(test_trust),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
