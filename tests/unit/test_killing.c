/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who belongs to a run, and who does not. */
#include "executor/killing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_stat(void **state)
{
	struct process p;

	(void)state;
	assert_true(
		process_parse("4711 (a) b) (c) S 12 4711 4710 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 "
			      "0 98765 1 2",
			&p));
	assert_int_equal(p.pid, 4711);
	assert_int_equal(p.parent, 12);
	assert_int_equal(p.session, 4710);
	assert_int_equal(p.started, 98765);
	assert_int_equal(p.state, 'S');
	assert_false(process_parse("", &p));
	assert_false(process_parse("12 (x", &p));
	assert_false(process_parse("12 (x) S 1 2", &p));
	assert_false(process_parse("x (x) S 1 2 3", &p));
}

static void test_started(void **state)
{
	struct prey p = {.cgroup = -1};

	(void)state;
	assert_true(prey_parse("abc 0000000123 500 120 400\n", "abc", &p));
	assert_int_equal(p.session, 123);
	assert_int_equal(p.started, 500);
	assert_int_equal(p.runner, 120);
	assert_int_equal(p.runner_started, 400);
	assert_false(prey_parse("other 0000000123 500 120 400\n", "abc", &p));
	assert_false(prey_parse("abc 0000000000 500 120 400\n", "abc", &p));
	assert_false(prey_parse("abc 0000000001 500 120 400\n", "abc", &p));
	assert_false(prey_parse("abc 123 500\n", "abc", &p));
	assert_false(prey_parse("", "abc", &p));
}

static const struct prey prey = {
	.cgroup = -1, .session = 200, .started = 1000, .runner = 100, .runner_started = 900};

static void check(const struct process *all, size_t n, const char *expected)
{
	bool belongs[16];
	char found[17] = "";

	prey_select(all, n, &prey, belongs);
	for (size_t i = 0; i < n; i++)
		found[i] = belongs[i] ? '1' : '0';
	assert_string_equal(found, expected);
}

static void test_all_below_the_runner(void **state)
{
	const struct process all[] = {
		{1, 0, 1, 1, 'S'}, {100, 50, 100, 900, 'S'}, /* the runner: never */
		{200, 100, 200, 1001, 'S'}, {201, 200, 200, 1005, 'S'},
		{202, 100, 202, 1006, 'S'}, /* a daemon that was adopted by the runner */
		{150, 202, 202, 1007, 'R'}, /* its child, with a lower number */
		{203, 200, 200, 1005, 'Z'}, /* a zombie needs no killing */
		{300, 50, 300, 1005, 'S'},  /* somebody else */
	};

	(void)state;
	check(all, 8, "00111100");
}

static void test_the_runner_is_dead(void **state)
{
	const struct process all[] = {
		{200, 1, 200, 1000, 'S'}, {201, 1, 200, 1005, 'S'},
		{202, 201, 202, 1006, 'S'}, /* left the session, but is a child of it */
		{203, 1, 203, 1006, 'S'},   /* nobody can tell any more */
		{100, 1, 100, 5000, 'S'},   /* another process with the runner's number */
		{204, 100, 204, 5001, 'S'}, /* its child */
	};

	(void)state;
	check(all, 6, "111000");
}

static void test_a_number_that_is_used_again(void **state)
{
	const struct process other[] = {
		{200, 1, 200, 9000, 'S'},
		{201, 200, 200, 9001, 'S'},
	};
	const struct process leaderless[] = {
		{201, 1, 200, 1003, 'S'}, {202, 1, 200, 500, 'S'}, /* older than the run */
	};

	(void)state;
	check(other, 2, "00");
	check(leaderless, 2, "10");
}

static void test_never_started(void **state)
{
	const struct prey none = {.cgroup = -1};
	const struct process all[] = {{1, 0, 0, 1, 'S'}, {2, 0, 0, 1, 'S'}};
	bool belongs[2];

	(void)state;
	prey_select(all, 2, &none, belongs);
	assert_false(belongs[0]);
	assert_false(belongs[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_started),
		cmocka_unit_test(test_all_below_the_runner),
		cmocka_unit_test(test_the_runner_is_dead),
		cmocka_unit_test(test_a_number_that_is_used_again),
		cmocka_unit_test(test_never_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
