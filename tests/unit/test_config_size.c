/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ten thousand objects with thirty thousand actions: how long, how large. */
#include "config_dir.h"

#include "common/text.h"
#include "config/arena.h"

#define OBJECTS 10000

static void write_object(FILE *f, int i)
{
	fprintf(f,
		"---\nobject: Object %05d\n"
		"description: Service number %d\n"
		"action-group:\n"
		"  directory: {path: /srv/flagman, user: root, group: wwwadmins, mode: 0770}\n"
		"  file: {group: wwwadmins, mode: 0640}\n"
		"  command: {user: root, group: root}\n"
		"  actions:\n"
		"    - name: Restart\n      restart-service: unit%d\n"
		"    - name: Clear cache\n      command: /usr/local/bin/clear-cache --all %d\n"
		"    - name: Stop\n      service: {unit: unit%d, verb: stop}\n",
		i, i, i, i, i);
}

static void load_and_tell(struct config_dir *d, const char *what)
{
	uint64_t start = now_monotonic(), took;
	const struct config *c = dir_load(d);

	took = now_monotonic() - start;
	assert_int_equal(c->n_problems, 0);
	assert_int_equal(c->n_groups, OBJECTS);
	assert_int_equal(c->n_actions, 3 * OBJECTS);
	print_message("%s: %d objects in %.0f ms, %.2f MB\n", what, OBJECTS, (double)took / 1000,
		(double)arena_size(c->arena) / 1e6);
	assert_true(arena_size(c->arena) < 6500000);
	assert_true(took < 20 * USEC_PER_SEC); /* a sanitizer on a busy machine; else far less */
}

static void test_one_file(void **state)
{
	struct config_dir *d = *state;
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/all.yaml", d->conf);
	f = fopen(path, "we");
	assert_non_null(f);
	for (int i = 0; i < OBJECTS; i++)
		write_object(f, i);
	fclose(f);
	load_and_tell(d, "one file");
	dir_save(d);
	dir_write(d, "all.yaml", "object: [\n");
	d->options.last_good = d->saved;
	config_free(d->now);
	d->now = NULL;
	assert_int_equal(config_load(&d->options, &d->now), 0);
	assert_int_equal(d->now->n_groups, OBJECTS);
	assert_true(d->now->groups[OBJECTS - 1].last_good);
}

static void test_many_files(void **state)
{
	struct config_dir *d = *state;

	for (int i = 0; i < OBJECTS; i++) {
		char path[200];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%05d.yaml", d->conf, i);
		f = fopen(path, "we");
		assert_non_null(f);
		write_object(f, i);
		fclose(f);
	}
	load_and_tell(d, "many files");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, dir_setup, dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_one_file), TEST(test_many_files)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
