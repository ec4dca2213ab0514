/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of directories that the agent hands over: a sealed memfd, for each directory a decimal
 * number, a 'q' where it is to be watched quietly, a space, the absolute path, NUL (wire/watch.h).
 *
 *	list_map(WATCH_LIST_FD, &list, why, sizeof(why));	the whole of it is checked here
 *	size_t at = 0;
 *	while (list_next(&list, &at, &entry))
 *		...						paths live until list_unmap()
 *	list_unmap(&list);
 *
 * It is unmapped once all is watched: libinotifytools keeps a copy of each path, and one is enough.
 */
#ifndef FLAGMAN_WATCHER_LIST_H
#define FLAGMAN_WATCHER_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list {
	const char *data; /* NULL when the list is empty */
	size_t size;
	uint32_t n; /* directories */
};

struct list_entry {
	uint32_t number;
	bool quiet; /* that a file was written and closed is no news */
	const char *path;
};

/*
 * Maps FD (which stays the caller's).  The list must be sealed against shrinking and writing, or
 * whoever holds it could pull the pages away from under us, or change a path between check and use.
 * 0; -EBADMSG when it is not such a list, with the reason in WHY; or -errno, with what failed
 * there.
 */
int list_map(int fd, struct list *ret, char *why, size_t why_size);
void list_unmap(struct list *l);

/* The entry at *AT, and moves on; false at the end. */
bool list_next(const struct list *l, size_t *at, struct list_entry *ret);

#endif
