/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a flag went: from its inode, through the descriptor that is kept of it. */
#include "agent/board.h"
#include "agent/board_parts.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/watch.h"
#include "common/dir.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* PATH, without the directories that it has in common with BASE: those are not where it went. */
static const char *beyond(const char *path, const char *base)
{
	const char *rest = path;

	for (; *path && *path == *base; path++, base++)
		if (*path == '/')
			rest = path + 1;
	return !*base && *path == '/' ? path + 1 : rest;
}

static bool is_trash(const struct agent *a, const struct board *b, const char *path)
{
	const char *base = board_base(a, b)->real;
	char part[NAME_MAX + 1];

	path = base ? beyond(path, base) : path;
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n && n < sizeof(part)) {
			memcpy(part, path, n);
			part[n] = '\0';
			for (const char *t = view_str(a->view, board_view(a, b)->trash); t && *t;
				t = view_next(t))
				if (name_matches(t, part))
					return true;
		}
		path += n + (path[n] == '/');
	}
	return false;
}

/* Is F's inode in the folder (which may be ".")?  NAME is the one that it has there. */
static int find_inode(const struct flag *f, int dirfd, const char *folder, char *name)
{
	int fd = board_open_folder(dirfd, folder);
	_cleanup_dir_ DIR *d = dir_of(fd);
	struct file_info info;
	int r = 0;

	if (!d)
		return fd < 0 ? fd : -ENOMEM;
	for (const struct dirent *e; (e = dir_next(d));) {
		if (e->d_ino == f->id.ino && file_info_at(fd, e->d_name, &info) == 0 &&
			file_id_equal(&info.id, &f->id)) {
			snprintf(name, FLAG_NAME_MAX, "%s", e->d_name);
			r = 1;
		}
	}
	return r;
}

/* Without a descriptor: a missing flag is a press unless its inode is found near. */
static enum where where_by_inode(
	struct agent *a, struct board *b, struct flag *f, int dirfd, char *name)
{
	const char *run = view_str(a->view, board_view(a, b)->run_folder);
	char there[FLAG_NAME_MAX];
	int r = find_inode(f, dirfd, ".", name);

	if (r > 0)
		return strncmp(name, ".nfs", 4) == 0 ? WHERE_PRESSED : WHERE_RENAMED;
	if (r == 0 && run)
		r = find_inode(f, dirfd, run, there);
	if (r < 0 && r != -ENOENT)
		return WHERE_BACK;
	return r > 0 ? WHERE_RUN : WHERE_PRESSED;
}

enum where board_where(struct agent *a, struct board *b, struct flag *f, int dirfd,
	const char *published, char *name)
{
	char path[PATH_MAX], dir[PATH_MAX];
	struct file_info info;
	bool deleted;

	if (f->fd < 0)
		return where_by_inode(a, b, f, dirfd, name);
	if (fd_path(f->fd, 0, path, sizeof(path), &deleted) < 0)
		return WHERE_BACK;
	char *slash = strrchr(path, '/');
	if (!slash)
		return WHERE_BACK;
	if (deleted) {
		/* a file that is really called "... (deleted)" */
		char literal[FLAG_NAME_MAX + 16];
		snprintf(literal, sizeof(literal), "%s (deleted)", slash + 1);
		if (file_info_at(dirfd, literal, &info) == 0 && file_id_equal(&info.id, &f->id)) {
			snprintf(name, FLAG_NAME_MAX, "%.*s", FLAG_NAME_MAX - 1, literal);
			return WHERE_RENAMED;
		}
	}
	snprintf(name, FLAG_NAME_MAX, "%s", slash + 1);
	*slash = '\0';
	snprintf(dir, sizeof(dir), "%s/%s", board_base(a, b)->real, board_object(a, b));
	size_t len = strlen(dir);
	if (strcmp(path, dir) == 0) {
		if (strncmp(name, ".nfs", 4) == 0)
			return WHERE_PRESSED;
		if (!deleted)
			return WHERE_RENAMED;
		return strcmp(name, published) == 0 ? WHERE_PRESSED : WHERE_BACK;
	}
	const char *run = view_str(a->view, board_view(a, b)->run_folder);
	if (run && !deleted && strncmp(path, dir, len) == 0 && path[len] == '/' &&
		strcmp(path + len + 1, run) == 0)
		return WHERE_RUN;
	return is_trash(a, b, path) ? WHERE_PRESSED : WHERE_BACK;
}
