/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watches: the only file that knows libinotifytools.
 *
 * What the library does not do is done here, or done without (3.22.6, measured):
 *  - it keeps its descriptor to itself, opens it without close-on-exec and waits for it with
 *    select(2): so this program never execs, waits for nothing else and has no other descriptors;
 *  - next_event(0) blocks for ever although its manual says otherwise; next_events(0, 1) does not;
 *  - an overflow is handed on as an event of watch -1, and IN_IGNORED is handed on but not acted
 * on: we never remove nor re-add a watch, so its tables stay true enough;
 *  - watch_file() gives no watch number, and its error may be 0.
 *
 * A directory has a slot, which is its watch descriptor; slots are small: 1 to the number of
 * directories tried.  One instance a process, as the library has.
 */
#ifndef FLAGMAN_WATCHER_WATCHES_H
#define FLAGMAN_WATCHER_WATCHES_H

#include <stdbool.h>
#include <stdint.h>

enum news {
	NEWS_NONE, /* nothing more in the queue */
	NEWS_LOOK, /* something happened in the slot's directory */
	NEWS_GONE, /* it was removed, moved or unmounted */
	NEWS_LOST, /* events were lost: anything may have happened anywhere */
};

/* 0 or -errno. */
int watches_open(void);

/*
 * Watches the directory PATH, which must be one itself and not a symlink to one; QUIET: not for
 * files that were written and closed.  0 and its slot,
 * or -errno: -ENOSPC out of watches, -ENOTDIR not a directory.  The same directory under a second
 * path gets the slot that it has.
 */
int watches_add(const char *path, bool quiet, uint32_t *ret_slot);

/* The next event; with WAIT blocks until there is one, otherwise NEWS_NONE.  -errno when inotify
 * itself fails. */
int watches_next(bool wait, uint32_t *ret_slot);

#endif
