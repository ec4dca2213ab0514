/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "cli/target.h"

#include <string.h>
#include <sysexits.h>

static void check(const char *text, const char *object, const char *group, const char *action)
{
	struct target t;

	assert_int_equal(target_parse(text, &t), 0);
	assert_string_equal(t.object, object);
	assert_string_equal(t.group, group);
	assert_string_equal(t.action, action);
}

static void test_parts(void **state)
{
	(void)state;
	check(NULL, "", "", "");
	check("", "", "", "");
	check("Apache", "Apache", "", "");
	check("Apache/Restart", "Apache", "", "Restart");
	check("Apache/prod/Clear cache", "Apache", "prod", "Clear cache");
	check(" /.", " ", "", ".");
}

static void test_what_is_no_target(void **state)
{
	static const char *const wrong[] = {
		"/", "//", "/a", "a/", "a//b", "a/b/", "/a/b", "a/b/c/d"};
	char longer[CONTROL_NAME_MAX + 1];
	struct target t = {.object = "untouched"};

	(void)state;
	for (size_t i = 0; i < N_OF(wrong); i++)
		assert_int_equal(target_parse(wrong[i], &t), EX_USAGE);
	memset(longer, 'x', CONTROL_NAME_MAX);
	longer[CONTROL_NAME_MAX] = '\0';
	assert_int_equal(target_parse(longer, &t), EX_USAGE);
	assert_string_equal(t.object, "untouched");
	longer[CONTROL_NAME_MAX - 1] = '\0'; /* the longest that fits */
	assert_int_equal(target_parse(longer, &t), 0);
	assert_string_equal(t.object, longer);
}

static void test_two_parts_can_be_reread(void **state)
{
	struct target t;

	(void)state;
	assert_int_equal(target_parse("Apache/prod", &t), 0);
	assert_true(target_reread(&t));
	assert_string_equal(t.group, "prod");
	assert_string_equal(t.action, "");
	assert_false(target_reread(&t)); /* once */
	assert_int_equal(target_parse("Apache/prod/Restart", &t), 0);
	assert_false(target_reread(&t));
	assert_int_equal(target_parse("Apache", &t), 0);
	assert_false(target_reread(&t));
}

static void test_fill_and_name(void **state)
{
	struct control_request q = {0};
	char name[TARGET_NAME_MAX];
	struct target t;

	(void)state;
	assert_int_equal(target_parse("A/b/c", &t), 0);
	target_fill(&t, &q);
	assert_string_equal(q.object, "A");
	assert_string_equal(q.group, "b");
	assert_string_equal(q.action, "c");
	assert_string_equal(target_name(name, "A", "b", "c"), "A/b/c");
	assert_string_equal(target_name(name, "A", "", "c"), "A/c");
	assert_string_equal(target_name(name, "A", "b", ""), "A/b");
	assert_string_equal(target_name(name, "A", "", ""), "A");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_what_is_no_target),
		cmocka_unit_test(test_two_parts_can_be_reread),
		cmocka_unit_test(test_fill_and_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
