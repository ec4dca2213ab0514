/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an order to a specification: every word of the configuration arrives. */
#include "executor/specify.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORD(s) ((char *)(uintptr_t)(s))

static char *const argv[] = {WORD("/bin/echo"), WORD("a b"), NULL};
static char *const shell[] = {WORD("/bin/sh"), WORD("-e"), NULL};
static char *const declared[] = {
	WORD("PATH=/opt/bin"), WORD("FLAGMAN_USER=forged"), WORD("NOTIFY_SOCKET=forged"), NULL};
static const gid_t groups[] = {7, 8};

struct world {
	struct how how;
	struct action action;
	struct group group;
	struct exec_start request;
	struct order order;
	struct identity id;
	struct specify_facts facts;
	struct specified s;
	char why[160];
};

static int set_up(void **state)
{
	static struct world w;

	w = (struct world){
		.how = {.user_set = true,
			.uid = 1000,
			.gid = 1001,
			.user_name = WORD("www"),
			.home = WORD("/home/www"),
			.shell = WORD("/bin/zsh"),
			.no_new_privileges = true,
			.umask = 027,
			.nice = 4,
			.output_limit = 99},
		.action = {.name = WORD("Go"), .argv = (char **)(uintptr_t)argv},
		.group = {.object = WORD("Box"), .name = WORD(""), .path = WORD("/srv/x")},
		.request = {.run = 12, .trigger = TRIGGER_MOVE, .user = "alice"},
		.id = {.privileged = true,
			.uid = 500,
			.gid = 501,
			.name = WORD("me"),
			.home = WORD("/me")},
		.facts = {.nofile = {1024, 4096}},
		.s = {.extra = -1},
	};
	w.action.how = &w.how;
	w.facts.id = &w.id;
	w.order = (struct order){
		.request = &w.request, .group = &w.group, .action = &w.action, .base = "/srv/x"};
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	specified_done(&w->s);
	return 0;
}

static const struct spec *run(struct world *w)
{
	assert_int_equal(specify(&w->order, &w->facts, &w->s, w->why, sizeof(w->why)), 0);
	return &w->s.spec;
}

static const char *variable(const struct spec *s, const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (const char *const *e = s->env; *e; e++)
		if (!strncmp(*e, name, len) && (*e)[len] == '=') {
			assert_null(found);
			found = *e + len + 1;
		}
	return found;
}

static void check_words(const char *const *words, const char *const *expected)
{
	for (; *expected; words++, expected++) {
		assert_non_null(*words);
		assert_string_equal(*words, *expected);
	}
	assert_null(*words);
}

static void test_a_command(void **state)
{
	struct world *w = *state;
	const struct spec *s = run(w);

	check_words(s->argv, (const char *const[]){"/bin/echo", "a b", NULL});
	assert_int_equal(s->flags, SPEC_IDENTITY | SPEC_NO_NEW_PRIVILEGES);
	assert_int_equal(s->uid, 1000);
	assert_int_equal(s->gid, 1001);
	assert_int_equal(s->umask, 027);
	assert_int_equal(s->nice, 4);
	assert_int_equal(s->output_limit, 99);
	assert_string_equal(s->directory, "/");
	assert_int_equal(s->limits_set, 1U << RLIMIT_NOFILE);
	assert_int_equal(s->limits[RLIMIT_NOFILE].soft, 1024);
}

/* The runner follows a default only where flagman's own profiles are in force. */
static void test_its_profile(void **state)
{
	static const enum action_type discs[] = {ACTION_BURN, ACTION_VERIFY, ACTION_EJECT},
				      others[] = {ACTION_COMMAND, ACTION_SCRIPT, ACTION_SERVICE};
	struct world *w = *state;

	for (size_t i = 0; i < 3; i++) {
		w->action.type = discs[i];
		assert_string_equal(run(w)->apparmor_profile, "flagman-disc");
		assert_false(w->s.spec.flags & SPEC_PROFILE);
		specified_done(&w->s);
		w->action.type = others[i];
		assert_string_equal(run(w)->apparmor_profile, "flagman-command");
		assert_false(w->s.spec.flags & SPEC_PROFILE);
		specified_done(&w->s);
	}
	w->how.apparmor_profile = WORD("deploying");
	assert_string_equal(run(w)->apparmor_profile, "deploying");
	assert_true(w->s.spec.flags & SPEC_PROFILE);
}

static void test_its_environment(void **state)
{
	struct world *w = *state;
	const struct spec *s = run(w);

	assert_string_equal(variable(s, "USER"), "www");
	assert_string_equal(variable(s, "LOGNAME"), "www");
	assert_string_equal(variable(s, "HOME"), "/home/www");
	assert_string_equal(variable(s, "SHELL"), "/bin/zsh");
	assert_string_equal(variable(s, "LANG"), "C.UTF-8");
	assert_string_equal(variable(s, "FLAGMAN_OBJECT"), "Box");
	assert_string_equal(variable(s, "FLAGMAN_GROUP"), "");
	assert_string_equal(variable(s, "FLAGMAN_ACTION"), "Go");
	assert_string_equal(variable(s, "FLAGMAN_RUN"), "12");
	assert_string_equal(variable(s, "FLAGMAN_TRIGGER"), "move");
	assert_string_equal(variable(s, "FLAGMAN_USER"), "alice");
	assert_null(variable(s, "FLAGMAN_PAYLOAD"));
	assert_null(variable(s, "NOTIFY_SOCKET"));
}

/* What is declared wins over what is usual, and loses to what flagman says of the run. */
static void test_whose_word_counts(void **state)
{
	struct world *w = *state;
	const struct spec *s;

	w->how.environment = (char **)(uintptr_t)declared;
	w->facts.notify = "/run/flagman/notify/1";
	s = run(w);
	assert_string_equal(variable(s, "PATH"), "/opt/bin");
	assert_string_equal(variable(s, "FLAGMAN_USER"), "alice");
	assert_string_equal(variable(s, "NOTIFY_SOCKET"), "/run/flagman/notify/1");
}

static void test_a_payload(void **state)
{
	struct world *w = *state;
	const struct spec *s;

	w->request.payload = 1;
	memset(&w->request.token, 0xab, sizeof(w->request.token));
	snprintf(w->request.payload_name, sizeof(w->request.payload_name), "x y.iso");
	s = run(w);
	assert_string_equal(
		variable(s, "FLAGMAN_PAYLOAD"), "/srv/x/.flagman/abababababababababababababababab");
	assert_string_equal(variable(s, "FLAGMAN_PAYLOAD_NAME"), "x y.iso");
}

static void test_a_context(void **state)
{
	struct world *w = *state;

	assert_string_equal(run(w)->context, "");
	specified_done(&w->s);
	w->how.selinux_context = WORD("system_u:system_r:httpd_t:s0");
	assert_string_equal(run(w)->context, ""); /* SELinux is off */
	specified_done(&w->s);
	w->facts.selinux = true;
	assert_string_equal(run(w)->context, "system_u:system_r:httpd_t:s0");
}

static void test_an_environment_file(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/flagman-env-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);

	assert_int_equal(write_all(fd, "PATH=/file\nX=1\n", 15), 0);
	w->how.environment = (char **)(uintptr_t)declared;
	w->how.environment_file = path;
	w->how.uid = geteuid();
	assert_string_equal(variable(run(w), "PATH"), "/file");
	assert_string_equal(variable(&w->s.spec, "X"), "1");
	specified_done(&w->s);
	fchmod(fd, 0666);
	assert_int_equal(specify(&w->order, &w->facts, &w->s, w->why, sizeof(w->why)), -EPERM);
	assert_non_null(strstr(w->why, "others may write"));
	unlink(path);
}

static void test_a_script(void **state)
{
	struct world *w = *state;
	char text[64] = "";
	const struct spec *s;

	w->action.argv = (char **)(uintptr_t)shell;
	w->action.script = WORD("echo one\necho two\n");
	s = run(w);
	check_words(s->argv, (const char *const[]){"/bin/sh", "-e", "/proc/self/fd/3", NULL});
	assert_true(s->flags & SPEC_SCRIPT);
	assert_int_equal(pread(w->s.extra, text, sizeof(text) - 1, 0), 29);
	assert_string_equal(text, "exec 3<&-; echo one\necho two\n");
	assert_int_equal(pwrite(w->s.extra, "x", 1, 0), -1); /* sealed */
}

static void test_sudo(void **state)
{
	struct world *w = *state;

	w->id.privileged = false;
	w->how.via = VIA_SUDO;
	check_words(run(w)->argv, (const char *const[]){"sudo", "-n", "-u", "www", "-g", "#1001",
					  "--", "/bin/echo", "a b", NULL});
	assert_int_equal(w->s.spec.flags, 0); /* sudo could gain nothing with no-new-privileges */
	assert_int_equal(w->s.spec.uid, 500);
	specified_done(&w->s);
	w->action.argv = (char **)(uintptr_t)shell;
	w->action.script = WORD("echo one");
	check_words(run(w)->argv, (const char *const[]){"sudo", "-n", "-u", "www", "-g", "#1001",
					  "--", "/bin/sh", "-e", "-c", "echo one", NULL});
	assert_int_equal(w->s.extra, -1);
}

static void test_directories(void **state)
{
	struct world *w = *state;

	w->how.working_directory = WORD("~");
	assert_string_equal(run(w)->directory, "/home/www");
	specified_done(&w->s);
	w->how.working_directory = WORD("/var/tmp");
	assert_string_equal(run(w)->directory, "/var/tmp");
	specified_done(&w->s);
	w->how.working_directory = NULL;
	w->how.home = NULL;
	w->id.privileged = false;
	assert_string_equal(run(w)->directory, "/me");
}

static void test_limits_and_groups(void **state)
{
	struct world *w = *state;
	const struct spec *s;

	w->how.groups = (gid_t *)(uintptr_t)groups;
	w->how.n_groups = 2;
	w->how.limits_set = 1U << RLIMIT_NOFILE | 1U << RLIMIT_CORE;
	w->how.limits[RLIMIT_NOFILE] = (struct rlimit){5, 6};
	w->how.limits[RLIMIT_CORE] = (struct rlimit){0, RLIM_INFINITY};
	s = run(w);
	assert_int_equal(s->n_groups, 2);
	assert_int_equal(s->groups[1], 8);
	assert_int_equal(s->limits[RLIMIT_NOFILE].soft, 5);
	assert_int_equal(s->limits[RLIMIT_NOFILE].hard, 6);
	assert_int_equal(s->limits[RLIMIT_CORE].soft, 0);
	assert_true(s->limits[RLIMIT_CORE].hard == UINT64_MAX);
	assert_int_equal(s->limits_set, 1U << RLIMIT_NOFILE | 1U << RLIMIT_CORE);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_command),
		TEST(test_its_profile),
		TEST(test_its_environment),
		TEST(test_whose_word_counts),
		TEST(test_a_payload),
		TEST(test_a_context),
		TEST(test_an_environment_file),
		TEST(test_a_script),
		TEST(test_sudo),
		TEST(test_directories),
		TEST(test_limits_and_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
