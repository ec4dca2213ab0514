/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/flagman-test-dir-XXXXXX";
static int here;

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(path))
		return -1;
	here = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return here < 0 ? -1 : 0;
}

static void make(const char *name)
{
	close_fd(openat(here, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Also removes them. */
static size_t count(void)
{
	_cleanup_dir_ DIR *d = dir_open(here, ".");
	size_t n = 0;

	assert_non_null(d);
	for (const struct dirent *e; (e = dir_next(d));) {
		assert_int_equal(unlinkat(here, e->d_name, 0), 0);
		n++;
	}
	return n;
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(here);
	return rmdir(path);
}

static void test_next_has_no_dots(void **state)
{
	(void)state;
	assert_int_equal(count(), 0);
	make("...");
	make(".hidden");
	make("a");
	assert_int_equal(count(), 3);
}

static void test_empty(void **state)
{
	(void)state;
	assert_true(dir_is_empty(here));
	assert_true(dir_is_empty(here)); /* from the beginning again */
	make("...");
	assert_false(dir_is_empty(here));
	assert_false(dir_is_empty(here));
	assert_int_equal(count(), 1);
	assert_true(dir_is_empty(here));
}

/* More than one buffer's worth, and afterwards all are there to be read. */
static void test_many(void **state)
{
	char name[220];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%0200d", i);
		make(name);
	}
	assert_false(dir_is_empty(here));
	_cleanup_close_ int fd = openat(here, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_false(dir_is_empty(fd));
	_cleanup_dir_ DIR *d = dir_of(steal_fd(&fd));
	size_t n = 0;
	while (dir_next(d))
		n++;
	assert_int_equal(n, 100);
	assert_int_equal(count(), 100);
	assert_true(dir_is_empty(here));
}

static void test_none(void **state)
{
	(void)state;
	assert_null(dir_of(-1));
	assert_null(dir_next(NULL));
	assert_false(dir_is_empty(-1));
	assert_null(dir_open(here, "missing"));
	assert_int_equal(errno, ENOENT);
	make("file");
	assert_null(dir_open(here, "file"));
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(symlinkat(path, here, "link"), 0);
	assert_null(dir_open(here, "link"));
	assert_int_equal(count(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_has_no_dots),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
