/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One bad snippet harms only itself: the last good version of each group stays. */
#include "config_dir.h"

#define BROKEN "object: [\n"

static const char *program(const struct config *c, const char *object, const char *name)
{
	const struct action *a = find_action(c, object, name);

	return a && !a->misconfigured ? a->argv[0] : NULL;
}

/* Both ways to the last good version go through each test: what is live, and what was saved. */
static struct config *reload(struct config_dir *d, bool live)
{
	if (live) {
		d->follow = true;
		return dir_load(d);
	}
	dir_save(d);
	return dir_restart(d);
}

static void both_ways(void **state, void test(struct config_dir *d, bool live))
{
	struct config_dir *d = *state;

	test(d, true);
	config_free(d->now);
	d->now = NULL;
	d->follow = false;
	d->options.last_good = NULL;
	remove_all(d->conf);
	assert_int_equal(mkdir(d->conf, 0755), 0);
	test(d, false);
}

static void broken_file(struct config_dir *d, bool live)
{
	const struct config *c;
	char file[200];

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/one")));
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("Go", "/bin/two")));
	c = dir_load(d);
	assert_int_equal(c->n_errors, 0);
	dir_write(d, "a.yaml", BROKEN);
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("Go", "/bin/three")));
	c = reload(d, live);
	assert_int_equal(c->n_errors, 1);
	assert_int_equal(c->n_groups, 2);
	assert_string_equal(program(c, "A", "Go"), "/bin/one");
	assert_string_equal(program(c, "B", "Go"), "/bin/three");
	assert_true(config_find(c, "A", "")->last_good);
	assert_false(config_find(c, "B", "")->last_good);
	/* It still belongs to its snippet: also over the next load. */
	snprintf(file, sizeof(file), "%s/a.yaml", d->conf);
	assert_string_equal(find_action(c, "A", "Go")->place.file, file);
	c = reload(d, live);
	assert_string_equal(program(c, "A", "Go"), "/bin/one");
	/* Mended. */
	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/four")));
	c = reload(d, live);
	assert_int_equal(c->n_errors, 0);
	assert_string_equal(program(c, "A", "Go"), "/bin/four");
	assert_false(config_find(c, "A", "")->last_good);
}

static void test_broken_file(void **state)
{
	both_ways(state, broken_file);
}

static void one_group(struct config_dir *d, bool live)
{
	const struct config *c;

	dir_write(d, "a.yaml",
		SNIPPET("A", RUNS("Go", "/bin/one") RUNS("Second", "/bin/second")) "---\n" SNIPPET(
			"B", RUNS("Go", "/bin/two")));
	dir_load(d);
	dir_write(d, "a.yaml",
		SNIPPET("A", RUNS("Go", "/bin/new") RUNS("Second", "relative")) "---\n" SNIPPET(
			"B", RUNS("Go", "/bin/three")));
	c = reload(d, live);
	assert_int_equal(c->n_errors, 1);
	assert_string_equal(program(c, "A", "Go"), "/bin/one");
	assert_string_equal(program(c, "A", "Second"), "/bin/second");
	assert_string_equal(program(c, "B", "Go"), "/bin/three");
}

static void test_one_group(void **state)
{
	both_ways(state, one_group);
}

static void vanished(struct config_dir *d, bool live)
{
	const struct config *c;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/one")));
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("Go", "/bin/two")));
	dir_load(d);
	dir_remove(d, "a.yaml");
	dir_write(d, "b.yaml", BROKEN);
	c = reload(d, live);
	assert_null(config_find(c, "A", ""));
	assert_string_equal(program(c, "B", "Go"), "/bin/two");
}

static void test_vanished(void **state)
{
	both_ways(state, vanished);
}

/* Two files for one object: the broken one keeps its actions, and has no say in the rest. */
static void two_files(struct config_dir *d, bool live)
{
	const struct config *c;
	const struct group *g;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("One", "/bin/one")));
	dir_write(d, "b.yaml", SNIPPET("A", RUNS("Two", "/bin/two")));
	c = dir_load(d);
	assert_int_equal(c->n_errors, 0);
	assert_int_equal(config_find(c, "A", "")->n_actions, 2);
	dir_write(d, "a.yaml",
		"object: A\n"
		"action-group:\n"
		"  directory: {path: /srv/moved, group: media}\n"
		"  command: {user: root}\n"
		"  actions:\n" RUNS("One", "/bin/new"));
	dir_write(d, "b.yaml", BROKEN);
	c = reload(d, live);
	g = config_find(c, "A", "");
	assert_int_equal(c->n_groups, 1);
	assert_string_equal(g->path, "/srv/moved");
	assert_true(g->last_good);
	assert_string_equal(program(c, "A", "One"), "/bin/new");
	assert_string_equal(program(c, "A", "Two"), "/bin/two");
}

static void test_two_files(void **state)
{
	both_ways(state, two_files);
}

static void nameless(struct config_dir *d, bool live)
{
	const struct config *c;

	dir_write(d, "a.yaml",
		SNIPPET("A", RUNS("Go", "/bin/one")) "---\n" SNIPPET("B", RUNS("Go", "/bin/two")));
	dir_load(d);
	dir_write(d, "a.yaml", "objct: A\n---\n" SNIPPET("B", RUNS("Go", "/bin/three")));
	c = reload(d, live);
	assert_string_equal(program(c, "A", "Go"), "/bin/one");
	assert_string_equal(program(c, "B", "Go"), "/bin/three");
	assert_false(config_find(c, "B", "")->last_good);
}

static void test_nameless(void **state)
{
	both_ways(state, nameless);
}

/* What is wrong with the group as a whole, and not with one of its values. */
static void whole_group(struct config_dir *d, bool live)
{
	const struct config *c;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/one")));
	dir_load(d);
	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/two") RUNS("Run", "/bin/x")));
	c = reload(d, live);
	assert_int_equal(c->n_errors, 1);
	assert_int_equal(config_find(c, "A", "")->n_actions, 1);
	assert_string_equal(program(c, "A", "Go"), "/bin/one");
}

static void test_whole_group(void **state)
{
	both_ways(state, whole_group);
}

/* One file of two is broken, and the other one's new version does not do: both old ones stay. */
static void both_old(struct config_dir *d, bool live)
{
	const struct config *c;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("One", "/bin/one")));
	dir_write(d, "b.yaml", SNIPPET("A", RUNS("Two", "/bin/two")));
	dir_load(d);
	dir_write(d, "a.yaml", BROKEN);
	dir_write(d, "b.yaml", SNIPPET("A", RUNS("Two", "/bin/new") RUNS("Run", "/bin/x")));
	c = reload(d, live);
	assert_int_equal(c->n_errors, 2);
	assert_string_equal(program(c, "A", "One"), "/bin/one");
	assert_string_equal(program(c, "A", "Two"), "/bin/two");
	assert_null(find_action(c, "A", "Run"));
}

static void test_both_old(void **state)
{
	both_ways(state, both_old);
}

static void untrusted(struct config_dir *d, bool live)
{
	struct fake f = fake_plain;
	const struct config *c;

	fake_use(&fake_plain);
	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/one")));
	dir_load(d);
	f.file_uid = 1001;
	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/evil")));
	fake_use(&f);
	c = reload(d, live);
	assert_int_equal(c->n_errors, 1); /* conf.d itself */
	assert_string_equal(program(c, "A", "Go"), "/bin/one");
	fake_use(&fake_plain);
}

static void test_untrusted(void **state)
{
	both_ways(state, untrusted);
}

/* Two files with the same action: the one that is live stays, whatever the files are called. */
static void test_clash(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;

	dir_write(d, "b.yaml", SNIPPET("A", RUNS("Go", "/bin/b")));
	dir_load(d);
	d->follow = true;
	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/a") RUNS("Other", "/bin/other")));
	c = dir_load(d);
	assert_int_equal(c->n_errors, 1);
	assert_string_equal(program(c, "A", "Go"), "/bin/b");
	assert_string_equal(program(c, "A", "Other"), "/bin/other");
	assert_non_null(strstr(c->problems[0].message, "b.yaml:6:7"));
	/* Again, and after a change of the live one. */
	dir_write(d, "b.yaml", SNIPPET("A", RUNS("Go", "/bin/b2")));
	c = dir_load(d);
	assert_string_equal(program(c, "A", "Go"), "/bin/b2");
	/* At a cold start the first by file name. */
	d->follow = false;
	c = dir_load(d);
	assert_int_equal(c->n_errors, 1);
	assert_string_equal(program(c, "A", "Go"), "/bin/a");
}

/* Two files that disagree about the directory. */
static void test_clash_of_directories(void **state)
{
	struct config_dir *d = *state;
	static const char other[] = "object: A\n"
				    "action-group:\n"
				    "  directory: {path: /srv/other, group: media}\n"
				    "  command: {user: root}\n"
				    "  actions:\n" RUNS("Two", "/bin/two");
	const struct config *c;

	dir_write(d, "b.yaml", SNIPPET("A", RUNS("One", "/bin/one")));
	dir_write(d, "c.yaml", SNIPPET("A", RUNS("Two", "/bin/two")));
	dir_load(d);
	d->follow = true;
	/* c said the same as b before: its last good version stays in b's directory. */
	dir_write(d, "c.yaml", other);
	c = dir_load(d);
	assert_int_equal(c->n_errors, 2); /* path and group */
	assert_string_equal(config_find(c, "A", "")->path, "/srv/flagman");
	assert_string_equal(program(c, "A", "Two"), "/bin/two");
	assert_true(config_find(c, "A", "")->last_good);
	/* a is new and comes first by name, but b is live. */
	dir_remove(d, "c.yaml");
	c = dir_load(d);
	dir_write(d, "a.yaml", other);
	c = dir_load(d);
	assert_string_equal(config_find(c, "A", "")->path, "/srv/flagman");
	assert_string_equal(program(c, "A", "One"), "/bin/one");
	assert_non_null(find_action(c, "A", "Two")->misconfigured);
}

/* An object that would take another one's directory: who is there stays. */
static void test_clash_of_objects(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;

	dir_write(d, "b.yaml", SNIPPET("Apache", RUNS("Go", "/bin/b")));
	dir_load(d);
	d->follow = true;
	dir_write(d, "a.yaml", SNIPPET("APACHE", RUNS("Go", "/bin/a")));
	c = dir_load(d);
	assert_int_equal(c->n_groups, 1);
	assert_string_equal(c->groups[0].object, "Apache");
	assert_string_equal(program(c, "Apache", "Go"), "/bin/b");
	d->follow = false;
	c = dir_load(d);
	assert_int_equal(c->n_groups, 1);
	assert_string_equal(c->groups[0].object, "APACHE");
}

/* An object whose new version collides goes back to its old one. */
static void test_collision_goes_back(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/one")));
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("Go", "/bin/two")));
	dir_load(d);
	d->follow = true;
	dir_write(d, "b.yaml",
		"object: B\n"
		"action-group:\n"
		"  directory: {path: /srv/flagman/A, group: wwwadmins}\n"
		"  command: {user: root}\n"
		"  actions:\n" RUNS("Go", "/bin/new"));
	c = dir_load(d);
	assert_int_equal(c->n_errors, 1);
	assert_string_equal(config_find(c, "B", "")->path, "/srv/flagman");
	assert_string_equal(program(c, "B", "Go"), "/bin/two");
}

static void test_saved_file(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;
	struct stat st;

	dir_write(d, "a.yaml",
		SNIPPET("A", "    - {name: Go, command: /bin/one, environment: {SECRET: x}}\n"));
	dir_load(d);
	dir_save(d);
	assert_int_equal(stat(d->saved, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	dir_write(d, "a.yaml", BROKEN);
	c = dir_restart(d);
	assert_string_equal(program(c, "A", "Go"), "/bin/one");
	assert_string_equal(find_action(c, "A", "Go")->how->environment[0], "SECRET=x");
	/* Somebody else could have written it. */
	assert_int_equal(chmod(d->saved, 0666), 0);
	c = dir_restart(d);
	assert_null(find_action(c, "A", "Go"));
	assert_int_equal(chmod(d->saved, 0600), 0);
	/* It is damaged: no more than nothing comes of it. */
	assert_int_equal(truncate(d->saved, st.st_size - 20), 0);
	c = dir_restart(d);
	assert_null(program(c, "A", "Go"));
	assert_int_equal(unlink(d->saved), 0);
	c = dir_restart(d);
	assert_int_equal(c->n_groups, 0);
	assert_int_equal(c->n_errors, 1);
}

/* Misconfigured actions are not good versions; nor is what nobody can be any more. */
static void test_not_good(void **state)
{
	struct config_dir *d = *state;
	const struct config *c;
	FILE *f;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "relative")));
	c = dir_load(d);
	assert_non_null(find_action(c, "A", "Go")->misconfigured);
	dir_save(d);
	c = dir_restart(d);
	assert_non_null(find_action(c, "A", "Go")->misconfigured);
	f = fopen(d->saved, "we");
	fprintf(f,
		"object: A\nsource: %s/a.yaml\naction-group:\n"
		"  directory: {path: /srv/flagman, group: wwwadmins}\n"
		"  actions: [{name: Go, user: gone, command: /bin/true}]\n",
		d->conf);
	fclose(f);
	c = dir_restart(d);
	assert_non_null(find_action(c, "A", "Go")->misconfigured);
	assert_int_equal(c->n_errors, 1);
	/* Nor what is refused as a whole by now: here because everybody may write there. */
	f = fopen(d->saved, "we");
	fprintf(f,
		"object: A\nsource: %s/a.yaml\naction-group:\n"
		"  directory: {path: /srv/open, group: wwwadmins}\n"
		"  actions: [{name: Go, user: root, command: /bin/true}]\n",
		d->conf);
	fclose(f);
	c = dir_restart(d);
	assert_non_null(find_action(c, "A", "Go"));
	assert_non_null(find_action(c, "A", "Go")->misconfigured);
	assert_int_equal(c->n_errors, 1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, dir_setup, dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_broken_file),
		TEST(test_one_group),
		TEST(test_vanished),
		TEST(test_two_files),
		TEST(test_nameless),
		TEST(test_whole_group),
		TEST(test_untrusted),
		TEST(test_both_old),
		TEST(test_clash),
		TEST(test_clash_of_directories),
		TEST(test_clash_of_objects),
		TEST(test_collision_goes_back),
		TEST(test_saved_file),
		TEST(test_not_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
