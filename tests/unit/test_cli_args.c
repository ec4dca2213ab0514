/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define ARGS_MAX 16

/* args_parse() of a line whose words blanks part; complaints go to /dev/null. */
static int parse(const char *line, struct cli *ret)
{
	static char text[512];
	static char *argv[ARGS_MAX + 1];
	char *rest = text, *word;
	int argc = 0;

	snprintf(text, sizeof(text), "flagman %s", line);
	while (argc < ARGS_MAX && (word = strsep(&rest, " ")))
		if (*word)
			argv[argc++] = word;
	argv[argc] = NULL;
	return args_parse(argc, argv, ret);
}

static void test_defaults(void **state)
{
	struct cli cli;

	(void)state;
	assert_int_equal(parse("status", &cli), 0);
	assert_string_equal(cli.verb->name, "status");
	assert_string_equal(cli.run_dir, "/run/flagman");
	assert_string_equal(cli.conf_dir, FLAGMAN_SYSCONFDIR "/conf.d");
	assert_false(cli.conf_dir_given || cli.json || cli.no_color || cli.given);
	assert_int_equal(cli.n_args, 0);
	assert_null(cli.args[0]);
	assert_int_equal(cli.limit, 50);
}

static void test_options_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"--json --run-dir /r run A/B --wait --payload f",
		"run --payload f A/B --wait --run-dir=/r --json",
		"run A/B -w --json --payload=f --run-dir /r",
	};
	struct cli cli;

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		assert_int_equal(parse(lines[i], &cli), 0);
		assert_string_equal(cli.verb->name, "run");
		assert_true(cli.json);
		assert_string_equal(cli.run_dir, "/r");
		assert_string_equal(cli.payload, "f");
		assert_int_equal(cli.given, OPTION_WAIT | OPTION_PAYLOAD);
		assert_int_equal(cli.n_args, 1);
		assert_string_equal(cli.args[0], "A/B");
	}
}

static void test_names_that_look_like_options(void **state)
{
	struct cli cli;

	(void)state;
	assert_int_equal(parse("status -- --json", &cli), 0);
	assert_false(cli.json);
	assert_string_equal(cli.args[0], "--json");
}

static void test_numbers(void **state)
{
	static const char *const wrong[] = {"log --run x", "log --run -1", "log --run 1x",
		"log --run 99999999999999999999", "history --limit 4294967296", "history -n +3"};
	struct cli cli;

	(void)state;
	assert_int_equal(parse("log --run 18446744073709551615", &cli), 0);
	assert_true(cli.run == UINT64_MAX);
	assert_int_equal(parse("history -n 4294967295", &cli), 0);
	assert_int_equal(cli.limit, UINT32_MAX);
	for (size_t i = 0; i < N_OF(wrong); i++)
		assert_int_equal(parse(wrong[i], &cli), EX_USAGE);
}

static void test_wrong_use(void **state)
{
	static const char *const wrong[] = {"", "nonsense", "stat", "--nonsense",
		"status --nonsense", "status --wait", "run", "run A/B C/D", "reload now",
		"status --run-dir", "cancel --payload x A", "check --follow", "release", "new"};
	struct cli cli;

	(void)state;
	for (size_t i = 0; i < N_OF(wrong); i++)
		assert_int_equal(parse(wrong[i], &cli), EX_USAGE);
}

static void test_help_and_version_need_nothing_else(void **state)
{
	struct cli cli;

	(void)state;
	assert_int_equal(parse("--help", &cli), 0);
	assert_true(cli.help && !cli.verb);
	assert_int_equal(parse("run --help", &cli), 0);
	assert_true(cli.help);
	assert_string_equal(cli.verb->name, "run");
	assert_int_equal(parse("-V", &cli), 0);
	assert_true(cli.version);
}

/* What a usage line shows is what the verb takes, and each verb can be called. */
static void test_verbs(void **state)
{
	static const struct {
		unsigned bit;
		const char *shown;
	} options[] = {
		{OPTION_FOLLOW, "--follow"},
		{OPTION_WAIT, "--wait"},
		{OPTION_PAYLOAD, "--payload"},
		{OPTION_RUN, "--run "},
		{OPTION_LIMIT, "--limit"},
		{OPTION_PRINT, "--print"},
		{OPTION_SCHEMA, "--schema"},
		{OPTION_USER, "--user"},
		{OPTION_SMB_CONF, "--smb-conf"},
		{OPTION_GROUP, "--group"},
		{OPTION_SERVICE, "--service"},
		{OPTION_PATH, "--path"},
		{OPTION_WRITE, "--write"},
		{OPTION_NAMES, "--names"},
	};

	(void)state;
	for (const struct verb *v = cli_verbs; v->name; v++) {
		assert_non_null(v->run);
		for (size_t i = 0; i < N_OF(options); i++)
			assert_int_equal((v->options & options[i].bit) != 0,
				strstr(v->usage, options[i].shown) != NULL);
	}
}

static void test_exit_statuses(void **state)
{
	(void)state;
	assert_int_equal(cli_exit_status(0), EX_OK);
	assert_int_equal(cli_exit_status(-EACCES), EX_NOPERM);
	assert_int_equal(cli_exit_status(EPERM), EX_NOPERM);
	assert_int_equal(cli_exit_status(-ENOENT), EX_NOINPUT);
	assert_int_equal(cli_exit_status(-EEXIST), EX_CANTCREAT);
	assert_int_equal(cli_exit_status(-ENOSPC), EX_TEMPFAIL);
	assert_int_equal(cli_exit_status(-EIO), EX_IOERR);
	assert_int_equal(cli_exit_status(-ENOMEM), EX_OSERR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_options_stand_anywhere),
		cmocka_unit_test(test_names_that_look_like_options),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_wrong_use),
		cmocka_unit_test(test_help_and_version_need_nothing_else),
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_exit_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
