/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "cli/smbconf.h"

#include <string.h>

static const char text[] = "# Global parameters\n"
			   "[global]\n"
			   "\toplocks = Yes\n"
			   "\tveto files = \n"
			   "\tpath = /\n"
			   "no section's line without an equals sign\n"
			   "\n"
			   "[homes]\n"
			   "\tread only = No\n"
			   "[all]\n"
			   "\tpath = /\n"
			   "[flags]\n"
			   "\tpath = /srv/flags/\n"
			   "\tOpLocks = No\n"
			   "\tvfs objects = full_audit  acl_xattr\n"
			   "\tveto files = /._*/.flagman/x=y/\n"
			   "[with ] bracket]\n"
			   "\tpath = /srv/flags/deep\n";

static struct smbconf conf;

static int setup(void **state)
{
	(void)state;
	return smbconf_parse(text, &conf);
}

static int teardown(void **state)
{
	(void)state;
	smbconf_done(&conf);
	return 0;
}

static const struct smbconf_section *section(const char *name)
{
	for (size_t i = 0; i < conf.n_sections; i++)
		if (strcmp(conf.sections[i].name, name) == 0)
			return &conf.sections[i];
	fail_msg("there is no [%s]", name);
	return NULL;
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(conf.n_sections, 5);
	assert_string_equal(smbconf_get(&conf, section("flags"), "oplocks"), "No");
	assert_string_equal(smbconf_get(&conf, section("all"), "oplocks"), "Yes");
	assert_string_equal(smbconf_get(&conf, section("all"), "nothing"), "");
	assert_true(smbconf_yes(&conf, section("homes"), "oplocks"));
	assert_false(smbconf_yes(&conf, section("flags"), "oplocks"));
	assert_false(smbconf_yes(&conf, section("flags"), "nothing"));
	assert_string_equal(
		smbconf_get(&conf, section("flags"), "veto files"), "/._*/.flagman/x=y/");
}

static void test_words_and_patterns(void **state)
{
	const struct smbconf_section *s = section("flags");

	(void)state;
	assert_true(smbconf_has_word(&conf, s, "vfs objects", "full_audit"));
	assert_true(smbconf_has_word(&conf, s, "vfs objects", "acl_xattr"));
	assert_false(smbconf_has_word(&conf, s, "vfs objects", "acl"));
	assert_false(smbconf_has_word(&conf, s, "vfs objects", "full_audit  acl_xattr"));
	assert_true(smbconf_has_pattern(&conf, s, "veto files", ".flagman"));
	assert_true(smbconf_has_pattern(&conf, s, "veto files", ".FLAGMAN"));
	assert_true(smbconf_has_pattern(&conf, s, "veto files", "._*"));
	assert_false(smbconf_has_pattern(&conf, s, "veto files", ".flag"));
	assert_false(smbconf_has_pattern(&conf, section("all"), "veto files", ".flagman"));
}

static void check_cover(const char *path, const char *name)
{
	const struct smbconf_section *s = smbconf_cover(&conf, path);

	assert_non_null(s);
	assert_string_equal(s->name, name);
}

static void test_cover(void **state)
{
	struct smbconf empty;

	(void)state;
	check_cover("/srv/flags", "flags");
	check_cover("/srv/flags/Apache", "flags");
	check_cover("/srv/flags/deep", "with ] bracket");
	check_cover("/srv/flags/deeper", "flags");
	check_cover("/srv/flagstaff", "all");
	assert_int_equal(smbconf_parse("[global]\npath = /\n[x]\npath = \n", &empty), 0);
	assert_null(smbconf_cover(&empty, "/srv"));
	smbconf_done(&empty);
	assert_int_equal(smbconf_parse("path = /before any section\n", &empty), 0);
	assert_int_equal(empty.n_sections, 0);
	smbconf_done(&empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_words_and_patterns),
		cmocka_unit_test(test_cover),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
