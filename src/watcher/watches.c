/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watcher/watches.h"

#include <errno.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Never IN_OPEN, IN_ACCESS, IN_ATTRIB or IN_MODIFY: mere browsing through smbd makes those. */
#define WATCH_EVENTS \
	(IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF)
/* Who may write in an object's directory can put a symlink in the place of its Run. */
#define WATCH_HOW (IN_ONLYDIR | IN_DONT_FOLLOW)
#define WATCH_END (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

int watches_open(void)
{
	if (inotifytools_initialize())
		return 0;
	return -(inotifytools_error() ?: EIO);
}

/*
 * The library knows a directory by its path with a slash behind it; without one if it was no
 * directory any more when it looked, just after the watch was added.
 */
static int watch_descriptor(const char *path)
{
	char name[PATH_MAX + 1];
	int wd;

	(void)snprintf(name, sizeof(name), "%s/", path);
	wd = inotifytools_wd_from_filename(name);
	return wd >= 0 ? wd : inotifytools_wd_from_filename(path);
}

int watches_add(const char *path, bool quiet, uint32_t *ret_slot)
{
	int events = WATCH_EVENTS | WATCH_HOW | (quiet ? 0 : IN_CLOSE_WRITE);
	int wd;

	errno = 0;
	if (!inotifytools_watch_file(path, events))
		return -(inotifytools_error() ?: errno ?: EIO);
	wd = watch_descriptor(path);
	if (wd <= 0)
		return -ENOMEM; /* the only reason for the library to forget what it watches */
	/* It keeps a copy of each path, which nobody will ask for.  (Its tree of paths stays in
	 * order: "" comes before the next one.) */
	inotifytools_set_filename_by_wd(wd, "");
	*ret_slot = (uint32_t)wd;
	return 0;
}

int watches_next(bool wait, uint32_t *ret_slot)
{
	const struct inotify_event *e;

	do
		e = inotifytools_next_events(wait ? -1 : 0, 1);
	while (!e && inotifytools_error() == EINTR);
	if (!e) {
		int error = inotifytools_error();

		return !error && !wait ? NEWS_NONE : -(error ?: EIO);
	}
	if (e->mask & IN_Q_OVERFLOW || e->wd <= 0)
		return NEWS_LOST;
	*ret_slot = (uint32_t)e->wd;
	return e->mask & WATCH_END ? NEWS_GONE : NEWS_LOOK;
}
