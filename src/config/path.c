/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where flags may live.  Flagman makes directories below directory.path and trusts what it finds
 * there, so nobody but root, flagman and those who may press must be able to write it, and it must
 * not be a place where a stray rename or a share does harm.
 */
#include "config/merge.h"

#include <errno.h>
#include <string.h>

#define PATH_LIMIT 2048

/* Neither these nor anything below them. */
static const char *const system_trees[] = {
	"/bin",
	"/boot",
	"/dev",
	"/etc",
	"/lib",
	"/lib32",
	"/lib64",
	"/libx32",
	"/lost+found",
	"/proc",
	"/root",
	"/run",
	"/sbin",
	"/sys",
	"/usr",
	"/var/cache",
	"/var/lock",
	"/var/log",
	"/var/mail",
	"/var/run",
	"/var/spool",
	"/var/lib/apt",
	"/var/lib/dpkg",
	"/var/lib/flagman", /* purging the package removes it */
	"/var/lib/rpm",
	"/var/lib/systemd",
	NULL,
};

/* Below these, but not themselves. */
static const char *const system_directories[] = {
	"/",
	"/home",
	"/media",
	"/mnt",
	"/opt",
	"/snap",
	"/srv",
	"/tmp",
	"/var",
	"/var/backups",
	"/var/lib",
	"/var/local",
	"/var/opt",
	"/var/tmp",
	NULL,
};

static bool below(const char *path, const char *tree)
{
	size_t n = strlen(tree);

	return strncmp(path, tree, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* Directories of programs: /var/lib/samba, but not what an administrator makes in it. */
static bool is_state_directory(const char *path)
{
	return strncmp(path, "/var/lib/", 9) == 0 && !strchr(path + 9, '/');
}

/* A memory file system that anybody may write is for /dev/shm/x what /tmp is for /tmp/x. */
static bool is_system(const char *path)
{
	if (strncmp(path, "/dev/shm/", 9) == 0)
		return false;
	for (size_t i = 0; system_trees[i]; i++)
		if (below(path, system_trees[i]))
			return true;
	for (size_t i = 0; system_directories[i]; i++)
		if (strcmp(path, system_directories[i]) == 0)
			return true;
	return is_state_directory(path);
}

/* /home/alice is one even where alice is known to a server only. */
static bool is_home(struct loader *l, const char *path)
{
	if (strncmp(path, "/home/", 6) == 0 && !strchr(path + 6, '/'))
		return true;
	return l->hooks->is_home(path);
}

static bool is_trusted(const struct loader *l, const struct group *g, uid_t uid)
{
	return uid == 0 || uid == l->options->trusted_uid || uid == l->options->agent_uid ||
	       uid == g->dir_uid;
}

/* The path itself, where it exists. */
static bool check_existing(
	struct loader *l, const struct group *g, const struct place *at, const struct stat *st)
{
	char buf[24];

	if (!S_ISDIR(st->st_mode))
		return wrong_at(l, at, "directory.path %s is no directory", g->path);
	if (st->st_mode & 0002)
		return wrong_at(l, at,
			"directory.path %s has mode %04o: everybody on this machine could write "
			"there; chmod o-w it, or take a directory in it",
			g->path, (unsigned)(st->st_mode & 07777));
	if ((st->st_mode & 0020) && st->st_gid != g->dir_gid && st->st_gid != 0)
		return wrong_at(l, at,
			"directory.path %s can be written by the group %s, which is not "
			"directory.group; chgrp or chmod g-w it",
			g->path, group_name(l, st->st_gid, buf));
	if (!is_trusted(l, g, st->st_uid))
		return wrong_at(l, at,
			"directory.path %s belongs to %s, who could replace what is in it; chown "
			"root it, or name that user as directory.user",
			g->path, user_name(l, st->st_uid, buf));
	return true;
}

/*
 * A directory above it: where everybody may write, the next one down could be put there by
 * anybody, unless it is there already, is held by the sticky bit, and belongs to one of us.
 */
static bool check_above(struct loader *l, const struct group *g, const struct place *at,
	const char *above, const struct stat *st, const struct stat *child)
{
	if (!S_ISDIR(st->st_mode))
		return wrong_at(l, at, "directory.path %s: %s is no directory", g->path, above);
	if (!(st->st_mode & 0002))
		return true;
	if ((st->st_mode & S_ISVTX) && child && is_trusted(l, g, child->st_uid))
		return true;
	return wrong_at(l, at,
		"directory.path %s: everybody may write to %s, and could put something in its "
		"place; take another one%s",
		g->path, above, child ? "" : ", or make it first");
}

/* PATH is directory.path, or where its symlinks lead. */
static bool check_chain(
	struct loader *l, const struct group *g, const struct place *at, const char *path)
{
	struct stat st, child;
	bool has_child = false;
	char above[PATH_LIMIT];
	size_t n = strlen(path);

	if (n >= sizeof(above)) /* read_path() has seen to it */
		return false;
	memcpy(above, path, n + 1);
	if (l->hooks->stat(above, &child) == 0) {
		has_child = true;
		if (!check_existing(l, g, at, &child))
			return false;
	}
	while (n > 1) {
		while (n > 0 && above[n - 1] != '/')
			n--;
		n = n > 1 ? n - 1 : 1;
		above[n] = '\0';
		if (l->hooks->stat(above, &st) < 0)
			continue;
		if (!check_above(l, g, at, above, &st, has_child ? &child : NULL))
			return false;
		child = st;
		has_child = true;
	}
	return true;
}

static bool check_place_of(
	struct loader *l, const struct group *g, const struct place *at, const char *path)
{
	if (is_system(path))
		return wrong_at(l, at,
			"directory.path %s is a directory of the system; take one of its own, such "
			"as /srv/flagman",
			path);
	if (is_home(l, path))
		return wrong_at(l, at,
			"directory.path %s is a home directory; take one in it, or such as "
			"/srv/flagman",
			path);
	return check_chain(l, g, at, path);
}

bool check_share_path(struct loader *l, struct merged *m)
{
	struct group *g = &m->group;
	const struct place at = merged_place(m, KEY_DIRECTORY_PATH);
	char real[PATH_LIMIT];

	if (strstr(g->path, "/.flagman"))
		return wrong_at(l, &at, "directory.path %s: .flagman is flagman's own", g->path);
	if (!check_place_of(l, g, &at, g->path))
		return false;
	if (!l->hooks->resolve(g->path, real, sizeof(real)))
		return wrong_at(l, &at, "directory.path %s: its symlinks lead nowhere", g->path);
	g->real = arena_string(l->arena, real);
	return g->real == g->path || check_place_of(l, g, &at, real);
}
