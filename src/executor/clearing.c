/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/clearing.h"

#include "common/dir.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "common/token.h"
#include "executor/base.h"
#include "executor/mark.h"
#include "wire/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* The directory, if it carries our mark, or -1. */
static int open_marked(const struct marks *m, int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, OPEN_FLAGS);

	return fd >= 0 && mark_has(m, fd) ? steal_fd(&fd) : -1;
}

static int remove_directory(const struct marks *m, int dir, const char *name, int fd)
{
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		return -errno;
	mark_forget(m, fd);
	return 0;
}

/* An object's directory, and the folders in it; Returned, in those, is the users'.  Of what people
 * exchange meanwhile, no more than an empty directory can be lost.  0; 1: it is not ours; or why it
 * stays, -errno. */
static int remove_object(const struct marks *m, int base, const char *name)
{
	_cleanup_close_ int fd = open_marked(m, base, name);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : dir_open(fd, ".");

	if (fd < 0)
		return 1;
	for (const struct dirent *e; (e = dir_next(d));) {
		int folder = open_marked(m, fd, e->d_name);
		if (folder >= 0)
			(void)remove_directory(m, fd, e->d_name, folder);
		close_fd(folder);
	}
	return remove_directory(m, base, name, fd);
}

/* Another directory.path, or what leads to one. */
static bool leads_to_base(const struct generation *g, const char *path, const char *name)
{
	size_t len = strlen(path), n = strlen(name);

	for (uint32_t i = 0; g && i < g->n_bases; i++) {
		const char *other = g->bases[i].path;
		if (!strncmp(other, path, len) && other[len] == '/' &&
			!strncmp(other + len + 1, name, n) &&
			(other[len + 1 + n] == '/' || !other[len + 1 + n]))
			return true;
	}
	return false;
}

static void remove_objects(
	const struct marks *m, int base, const char *path, const struct generation *g)
{
	_cleanup_dir_ DIR *d = dir_open(base, ".");

	for (const struct dirent *e; (e = dir_next(d));) {
		if (strcmp(e->d_name, EXEC_CUSTODY) == 0 || leads_to_base(g, path, e->d_name))
			continue;
		int r = remove_object(m, base, e->d_name);
		if (r < 0)
			log_info("%s/%s stays: %s", path, e->d_name,
				r == -ENOTEMPTY ? "something of somebody's is in it"
						: strerror(-r));
	}
}

/* Not what somebody has put in its place. */
static bool is_of(int dir, uid_t uid)
{
	struct stat st;

	return dir >= 0 && fstat(dir, &st) == 0 && st.st_uid == uid &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* In staging a payload has a token for a name.  All else there the agent has made for itself, also
 * what is file.user's already, and was on its way into the share. */
static void clear_staging(int staging)
{
	_cleanup_dir_ DIR *d = dir_open(staging, ".");
	struct file_info info;
	struct token t;

	for (const struct dirent *e; (e = dir_next(d));)
		if (!token_parse(e->d_name, &t) && file_info_at(staging, e->d_name, &info) == 0 &&
			S_ISREG(info.mode))
			(void)unlinkat(staging, e->d_name, 0);
}

static void remove_custody(
	const struct marks *m, const struct identity *id, int dir, const char *path)
{
	_cleanup_close_ int custody = openat(dir, EXEC_CUSTODY, OPEN_FLAGS);
	_cleanup_close_ int staging = custody < 0 ? -1 : openat(custody, EXEC_STAGING, OPEN_FLAGS);

	if (!is_of(custody, geteuid()) || !is_of(staging, id->uid))
		return;
	clear_staging(staging);
	int r = remove_directory(m, custody, EXEC_STAGING, staging);
	if (r == 0)
		r = remove_directory(m, dir, EXEC_CUSTODY, custody);
	if (r < 0)
		log_warning("%s/" EXEC_CUSTODY " stays: %s", path,
			r == -ENOTEMPTY ? "there are payloads in it" : strerror(-r));
}

/* The base itself, and what is above it, where flagmand has made it.  By "..", not by path: who may
 * write above could have put a symlink there by now. */
static void remove_base(const struct marks *m, int dir, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = openat(dir, ".", OPEN_FLAGS);
	char *slash;

	while (copy && (slash = strrchr(copy, '/')) && fd >= 0 && mark_has(m, fd)) {
		int parent = openat(fd, "..", OPEN_FLAGS);
		int r = parent < 0 ? -errno : remove_directory(m, parent, slash + 1, fd);

		if (r < 0) {
			if (r != -ENOTEMPTY)
				log_info("%s stays: %s", copy, strerror(-r));
			close_fd(parent);
			return;
		}
		*slash = '\0';
		close_fd(fd);
		fd = parent;
	}
}

/* A descriptor, or -errno: it can't be seen, or something else is there. */
static int reach(const struct base_state *b)
{
	_cleanup_close_ int fd = base_open(b->path), dir = -1;
	struct file_info info;

	if (fd < 0)
		return fd;
	dir = openat(fd, ".", OPEN_FLAGS);
	if (dir < 0 || file_info_at(dir, "", &info) < 0)
		return -errno;
	return info.id.dev == b->dev ? steal_fd(&dir) : -ENODEV;
}

int clear_base(int state, const struct identity *id, const struct base_state *b,
	const struct generation *g)
{
	const struct marks m = {.state = state, .privileged = id->privileged};
	_cleanup_close_ int dir = reach(b);

	if (dir < 0)
		return dir;
	remove_objects(&m, dir, b->path, g);
	remove_custody(&m, id, dir, b->path);
	remove_base(&m, dir, b->path);
	return 0;
}

/* ---- what is not configured, where other objects are ---- */

struct names {
	const char **list;
	size_t n;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The objects of that base, sorted; without a list when out of memory. */
static struct names objects_of(const struct generation *g, uint32_t base)
{
	const struct config *c = g->config;
	struct names names = {.list = calloc(c->n_groups + 1, sizeof(*names.list))};

	for (size_t i = 0; names.list && i < c->n_groups; i++)
		if (g->boards[i].base == base)
			names.list[names.n++] = c->groups[i].object;
	if (names.n)
		qsort(names.list, names.n, sizeof(*names.list), compare_names);
	return names;
}

static void clear_objects_in(const struct marks *m, const struct generation *g, uint32_t base)
{
	const struct base_state *b = &g->bases[base];
	_cleanup_close_ int dir = b->dev && !b->error ? reach(b) : -1;
	_cleanup_dir_ DIR *d = dir < 0 ? NULL : dir_open(dir, ".");
	struct names names = objects_of(g, base);

	for (const struct dirent *e; names.list && (e = dir_next(d));) {
		const char *name = e->d_name;
		/* no object is called so, but our own .flagman */
		if (name[0] == '.' ||
			bsearch(&name, names.list, names.n, sizeof(*names.list), compare_names))
			continue;
		if (!leads_to_base(g, b->path, name) && remove_object(m, dir, name) == 0)
			log_info("%s/%s: no object is called so any more: removed", b->path, name);
	}
	free(names.list);
}

void clear_objects(int state, const struct identity *id, const struct generation *g)
{
	const struct marks m = {.state = state, .privileged = id->privileged};

	for (uint32_t i = 0; i < g->n_bases; i++)
		clear_objects_in(&m, g, i);
}
