/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store in a directory of its own, and rows to put into it.  For test_store*.c. */
#ifndef FLAGMAN_TEST_STORE_FIXTURE_H
#define FLAGMAN_TEST_STORE_FIXTURE_H

#include "agent/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those four before it */
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT "0123456789abcdef0123456789abcdef"

struct fixture {
	char dir[64], path[96];
	struct store *s;
};

static inline struct store *reopen(struct fixture *f, bool expect_damaged)
{
	bool damaged = !expect_damaged;

	f->s = store_close(f->s);
	int r = store_open(f->path, &f->s, &damaged);
	if (r < 0)
		fail_msg("store_open: %s", store_error(NULL));
	assert_int_equal(damaged, expect_damaged);
	return f->s;
}

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	snprintf(f->dir, sizeof f->dir, "/tmp/flagman-store.XXXXXX");
	if (!f || !mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/flagman.db", f->dir);
	reopen(f, false);
	*state = f;
	return 0;
}

static inline void each_file(const char *dir, void (*each)(const char *path))
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[512];

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
			each(path);
		}
	if (d)
		closedir(d);
}

static inline void remove_file(const char *path)
{
	(void)unlink(path);
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	store_close(f->s);
	each_file(f->dir, remove_file);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

static inline struct token token_of(uint64_t n)
{
	struct token t = {{0xf1}};

	memcpy(t.b + 8, &n, sizeof n);
	return t;
}

static inline struct stored_flag flag_of(const char *object, const char *action, uint64_t n)
{
	return (struct stored_flag){
		.object = object,
		.group = "",
		.action = action,
		.token = token_of(n),
		.id = {.dev = UINT64_MAX - 1, .ino = n, .btime_ns = 1700000000000000000ULL + n},
		.boot = BOOT,
		.state = STATE_READY,
		.since = 1700000000000000LL,
	};
}

/* Strings are literals: not for run_done(). */
static inline struct run run_of(
	uint64_t id, const char *object, const char *action, enum state state)
{
	return (struct run){
		.id = id,
		.token = token_of(id),
		.object = (char *)(uintptr_t)object,
		.group = (char *)(uintptr_t) "",
		.action = (char *)(uintptr_t)action,
		.trigger = TRIGGER_DELETE,
		.state = state,
		.pressed = 1700000000000000LL + (int64_t)id,
		.claimed = 1700000000000000LL + (int64_t)id,
		.end = {.kind = END_EXITED, .success = 1},
	};
}

static inline void put_run(
	struct store *s, uint64_t id, const char *object, const char *action, enum state state)
{
	struct run r = run_of(id, object, action, state);

	assert_int_equal(store_put_run(s, &r), 0);
}

static inline void count_flag(const struct stored_flag *f, void *userdata)
{
	(void)f;
	++*(size_t *)userdata;
}

static inline size_t flags_in(struct store *s)
{
	size_t n = 0;

	assert_int_equal(store_each_flag(s, count_flag, &n), 0);
	return n;
}

static inline bool count_run(const struct run *r, void *userdata)
{
	(void)r;
	++*(size_t *)userdata;
	return true;
}

static inline size_t runs_in(struct store *s)
{
	size_t n = 0;

	assert_int_equal(store_each_run(s, NULL, NULL, NULL, 0, true, count_run, &n), 0);
	return n;
}

#endif
