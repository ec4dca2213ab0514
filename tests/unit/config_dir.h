/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A conf.d of its own for a test, and what is loaded from it on the fake machine.
 */
#ifndef FLAGMAN_TESTS_CONFIG_DIR_H
#define FLAGMAN_TESTS_CONFIG_DIR_H

#include "common/fd.h"
#include "config/config.h"
#include "fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct config_dir {
	char path[64], conf[80], saved[80];
	struct config_options options;
	struct config *now; /* the last that was loaded; the one before it was its `live` */
	bool follow;        /* what is loaded next has this one as its live one */
};

static inline int dir_setup(void **state)
{
	struct config_dir *d = calloc(1, sizeof(*d));

	strcpy(d->path, "/tmp/flagman-config-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	snprintf(d->conf, sizeof(d->conf), "%s/conf.d", d->path);
	snprintf(d->saved, sizeof(d->saved), "%s/last-good.yaml", d->path);
	assert_int_equal(mkdir(d->conf, 0755), 0);
	d->options = (struct config_options){
		.conf_dir = d->conf,
		.privileged = true,
		.agent_uid = FAKE_UID_FLAGMAN,
	};
	fake_use(&fake_plain);
	*state = d;
	return 0;
}

static inline void remove_all(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_cleanup_free_ char *name = NULL;

		assert_true(asprintf(&name, "%s/%s", path, e->d_name) > 0);
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlink(name) < 0)
			remove_all(name);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static inline int dir_teardown(void **state)
{
	struct config_dir *d = *state;

	config_free(d->now);
	remove_all(d->path);
	free(d);
	return 0;
}

static inline void dir_write(const struct config_dir *d, const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", d->conf, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static inline void dir_remove(const struct config_dir *d, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", d->conf, name);
	assert_int_equal(unlink(path), 0);
}

static inline struct config *dir_load(struct config_dir *d)
{
	struct config *c = NULL;

	d->options.live = d->follow ? d->now : NULL;
	assert_int_equal(config_load(&d->options, &c), 0);
	config_free(d->now);
	d->now = c;
	return c;
}

/* A start: nothing is live, what was saved may serve. */
static inline struct config *dir_restart(struct config_dir *d)
{
	d->options.last_good = d->saved;
	d->follow = false;
	return dir_load(d);
}

static inline void dir_save(const struct config_dir *d)
{
	_cleanup_close_ int fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(config_save_last_good(d->now, fd, "last-good.yaml"), 0);
}

static inline char *dir_print(const struct config *c, bool secrets)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(config_print(c, f, secrets), 0);
	fclose(f);
	return text;
}

static inline const struct action *find_action(
	const struct config *c, const char *object, const char *name)
{
	const struct group *g = config_find(c, object, "");

	for (size_t i = 0; g && i < g->n_actions; i++)
		if (strcmp(g->actions[i].name, name) == 0)
			return &g->actions[i];
	return NULL;
}

#define SNIPPET(object, actions) \
	"object: " object "\n" \
	"action-group:\n" \
	"  directory: {path: /srv/flagman, group: wwwadmins}\n" \
	"  command: {user: root}\n" \
	"  actions:\n" actions
#define RUNS(name, command) "    - {name: " name ", command: " command "}\n"

#endif
