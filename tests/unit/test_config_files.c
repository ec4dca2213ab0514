/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, trust, merging, sharing, finding, printing. */
#include "config_dir.h"

static void test_sorted_and_found(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;
	const struct group *g;

	dir_write(d, "a.yaml", SNIPPET("Zebra", RUNS("Go", "/bin/true")));
	dir_write(d, "b.yml", SNIPPET("Äpfel", RUNS("Go", "/bin/true")));
	dir_write(d, "c.yaml", SNIPPET("Apache", RUNS("Go", "/bin/true")));
	c = dir_load(d);
	assert_int_equal(c->n_errors, 0);
	assert_int_equal(c->n_groups, 3);
	assert_int_equal(c->n_actions, 3);
	assert_string_equal(c->groups[0].object, "Apache");
	assert_string_equal(c->groups[1].object, "Zebra");
	assert_ptr_equal(config_find(c, "Zebra", ""), &c->groups[1]);
	assert_ptr_equal(config_find(c, "zeBRA", ""), &c->groups[1]);
	assert_ptr_equal(config_find(c, "äPFEL", ""), &c->groups[2]);
	/* as macOS sends it */
	assert_ptr_equal(config_find(c, "A\xcc\x88pfel", ""), &c->groups[2]);
	assert_null(config_find(c, "Zebra", "other"));
	assert_null(config_find(c, "Nothing", ""));
	g = &c->groups[0];
	assert_int_equal(g->place.line, 3);
	assert_int_equal(g->actions[0].place.line, 6);
	assert_int_equal(g->actions[0].place.column, 7);
	assert_string_equal(g->actions[0].place.file + strlen(d->conf), "/c.yaml");
}

static void test_shared(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("One", "/bin/true") RUNS("Two", "/bin/true")));
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("One", "/bin/true")));
	c = dir_load(d);
	assert_int_equal(c->n_errors, 0);
	assert_ptr_equal(c->groups[0].actions[0].press, c->groups[0].actions[1].press);
	assert_ptr_equal(c->groups[0].actions[0].press, c->groups[1].actions[0].press);
	assert_ptr_equal(c->groups[0].actions[0].how, c->groups[1].actions[0].how);
	assert_ptr_equal(c->groups[0].actions[0].argv, c->groups[1].actions[0].argv);
	assert_ptr_equal(c->groups[0].path, c->groups[1].path);
	assert_ptr_equal(c->groups[0].labels, c->groups[1].labels);
}

/* The machine's own fstat(), on files with modes of their own. */
static void test_trust(void **state)
{
	struct config_dir *d = *state;
	struct fake f = fake_plain;
	const struct config *c;
	char path[200];

	f.real_files = true;
	fake_use(&f);
	d->options.trusted_uid = geteuid();
	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/true")));
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("Go", "/bin/true")));
	snprintf(path, sizeof(path), "%s/b.yaml", d->conf);
	assert_int_equal(chmod(path, 0664), 0);
	c = dir_load(d);
	assert_int_equal(c->n_errors, 1);
	assert_int_equal(c->n_groups, 1);
	assert_string_equal(c->groups[0].object, "A");
	assert_non_null(strstr(c->problems[0].message, "0664"));
	assert_int_equal(c->problems[0].place.line, 0);

	/* A draft may be anybody's. */
	d->options.skip_trust = true;
	c = dir_load(d);
	assert_int_equal(c->n_errors, 0);
	d->options.skip_trust = false;

	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(d->conf, 0777), 0);
	c = dir_load(d);
	assert_int_equal(c->n_groups, 0);
	assert_non_null(strstr(c->problems[0].message, "0777"));
	assert_string_equal(c->problems[0].place.file, d->conf);
	assert_int_equal(chmod(d->conf, 0755), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		c = dir_load(d);
		assert_int_equal(c->n_groups, 1);
		assert_non_null(strstr(c->problems[0].message, "uid 65534"));
	}
}

static void test_missing_directory(void **state)
{
	struct config_dir *d = *state;
	struct config *c = (struct config *)(uintptr_t)1;

	d->options.conf_dir = "/nonexistent/conf.d";
	assert_int_equal(config_load(&d->options, &c), -ENOENT);
	assert_ptr_equal(c, (struct config *)(uintptr_t)1);
}

static void test_problem_place(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;
	char text[300], *out = NULL;
	size_t size;
	FILE *f;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "true")));
	c = dir_load(d);
	assert_int_equal(c->n_problems, 1);
	assert_string_equal(c->problems[0].object, "A");
	assert_string_equal(c->problems[0].group, "");
	f = open_memstream(&out, &size);
	config_print_problems(c, f);
	fclose(f);
	snprintf(text, sizeof(text),
		"%s/a.yaml:6:27: error: command: write the program's path: "
		"/usr/local/sbin/true\n",
		d->conf);
	assert_string_equal(out, text);
	free(out);
}

/* Cold start, nothing saved: what can be told is shown, and none of it can run. */
static void test_misconfigured(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;
	const struct action *a;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Bad", "true") RUNS("Good", "/bin/true")));
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("Go", "/bin/true")));
	c = dir_load(d);
	assert_int_equal(c->n_groups, 2);
	a = find_action(c, "A", "Bad");
	assert_non_null(a);
	assert_non_null(strstr(a->misconfigured, "a.yaml:6:28: error: command:"));
	a = find_action(c, "A", "Good");
	assert_non_null(a->misconfigured);
	assert_null(a->argv[0]);
	assert_non_null(a->how);
	assert_non_null(a->press);
	assert_true(a->how->uid == (uid_t)-1);
	assert_null(find_action(c, "B", "Go")->misconfigured);
	assert_false(c->groups[0].last_good);
}

static void test_secrets(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;
	char *text;

	dir_write(d, "a.yaml",
		SNIPPET("A", "    - {name: Go, command: /bin/true, environment: {PASSWORD: "
			     "hunter2}}\n"));
	c = dir_load(d);
	text = dir_print(c, false);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "PASSWORD: \"...\""));
	free(text);
	text = dir_print(c, true);
	assert_non_null(strstr(text, "hunter2"));
	free(text);
}

static void test_settings(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;
	char path[200];

	snprintf(path, sizeof(path), "%s/flagman.yaml", d->path);
	d->options.main_file = path;
	c = dir_load(d); /* missing is fine */
	assert_int_equal(c->n_problems, 0);
	assert_int_equal(c->settings.history_runs, 100);
	assert_true(c->settings.history_age == 90ULL * 86400 * 1000000);
	assert_true(c->settings.history_size == 64U << 20);
	assert_int_equal(c->settings.ready_runners, 1);
	assert_int_equal(c->settings.max_runs, 512);
	assert_true(c->settings.reserve == 65536);
	dir_write(d, "../flagman.yaml", "max-runs: 7\n");
	c = dir_load(d);
	assert_int_equal(c->n_errors, 0);
	assert_int_equal(c->settings.max_runs, 7);
	assert_int_equal(c->settings.history_runs, 100);
	/* A mistake leaves in force what was in force, all of it. */
	d->follow = true;
	dir_write(d, "../flagman.yaml", "history-runs: 3\nmax-runs: none\n");
	c = dir_load(d);
	assert_int_equal(c->n_errors, 1);
	assert_int_equal(c->settings.max_runs, 7);
	assert_int_equal(c->settings.history_runs, 100);
}

/* Thousands of mistakes are not all told, but that there are more is. */
static void test_many_problems(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/a.yaml", d->conf);
	f = fopen(path, "we");
	for (int i = 0; i < 3000; i++)
		fprintf(f, "---\nobject: O%d\nkey%d: x\n", i, i);
	fclose(f);
	c = dir_load(d);
	assert_in_range(c->n_problems, 1000, 1001);
	assert_non_null(strstr(c->problems[c->n_problems - 1].message, "more"));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, dir_setup, dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sorted_and_found),
		TEST(test_shared),
		TEST(test_trust),
		TEST(test_missing_directory),
		TEST(test_problem_place),
		TEST(test_misconfigured),
		TEST(test_secrets),
		TEST(test_settings),
		TEST(test_many_problems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
