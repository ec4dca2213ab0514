/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Out of memory at each allocation in turn: config_load() gives up as a whole, or does not need it.
 * Our own calls are wrapped by the linker (config.cmake); libyaml's are not.
 */
#include "config_dir.h"

static long countdown = -1; /* allocations until one fails; negative: none does */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

static bool forever; /* from the chosen one on all fail; else just the one */
static bool failed;

static bool fails(void)
{
	if (countdown < 0)
		return false;
	if (countdown > 0 && --countdown > 0)
		return false;
	if (!forever)
		countdown = -1;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

/* Loads with ever more memory until it is enough; *RET is untouched before that. */
static void starve_once(const struct config_options *o)
{
	failed = true;
	for (long n = 1; failed; n++) {
		struct config *c = NULL;
		int r;

		assert_true(n < 100000);
		failed = false;
		countdown = n;
		r = config_load(o, &c);
		countdown = -1;
		if (r == 0)
			assert_true(c->n_groups > 0);
		else
			assert_null(c);
		assert_int_equal(r, r == 0 || !failed ? 0 : -ENOMEM);
		config_free(c);
	}
}

static void starve(const struct config_options *o)
{
	forever = true;
	starve_once(o);
	forever = false;
	starve_once(o);
}

static void test_load(void **state)
{
	struct config_dir *d = *state;

	dir_write(d, "a.yaml",
		"object: Äpfel\n"
		"description: x\n"
		"action-group:\n"
		"  directory: {path: /srv/flagman, group: wwwadmins}\n"
		"  labels: {done: OK}\n"
		"  trash-folders: [a, b]\n"
		"  command: &c {user: root, environment: {A: b}, locks: [x, y]}\n"
		"  actions:\n"
		"    - {name: One, command: /bin/true a b}\n"
		"    - {name: Two, script: 'x', supplementary-groups: [media], drop: {folder: In, "
		"accept: '*'}}\n"
		"    - {name: Three, restart-service: apache2}\n"
		"    - {name: Four, eject: {device: /dev/sr0}}\n");
	dir_write(d, "b.yaml", SNIPPET("Äpfel", RUNS("More", "/bin/true")));
	dir_write(d, "c.yaml", SNIPPET("Bad", RUNS("Go", "relative")));
	starve(&d->options);
}

static void test_last_good(void **state)
{
	struct config_dir *d = *state;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/true")));
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("Go", "/bin/true")));
	dir_load(d);
	dir_save(d);
	dir_write(d, "a.yaml", "object: [\n");
	dir_write(d, "b.yaml", SNIPPET("B", RUNS("Go", "relative")));
	d->options.last_good = d->saved;
	starve(&d->options);
	d->options.live = d->now;
	starve(&d->options);
}

static void test_print(void **state)
{
	struct config_dir *d = *state;
	_cleanup_close_ int fd = -1;
	int r = -ENOMEM;

	dir_write(d, "a.yaml", SNIPPET("A", RUNS("Go", "/bin/true")));
	dir_load(d);
	fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (long n = 1; r != 0 && n < 10000; n++) {
		countdown = n;
		r = config_save_last_good(d->now, fd, "last-good.yaml");
		countdown = -1;
		assert_true(r == 0 || r == -ENOMEM);
	}
	assert_int_equal(r, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, dir_setup, dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_load), TEST(test_last_good), TEST(test_print)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
