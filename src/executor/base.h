/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which file system, and which directory, each directory.path was: remembered in <state>/bases, so
 * that an empty mount point is not taken for an empty share.
 *
 * The directory counts as another one only if inode and file system both differ: devices are
 * renumbered, and directories are made anew, for good reasons.
 */
#ifndef FLAGMAN_EXECUTOR_BASE_H
#define FLAGMAN_EXECUTOR_BASE_H

#include "common/fd.h"

#include <stdbool.h>
#include <stdint.h>

struct base_memory {
	struct file_id id;
	uint64_t fsid; /* statfs(2) */
};

struct base_record {
	char *path; /* owned */
	struct base_memory memory;
};

struct base_records {
	struct base_record *list;
	size_t n;
	bool changed;
};

/* What stands in <state>/bases; a missing or damaged file is an empty list. */
void base_records_load(int state, struct base_records *r);
/* Writes it if it has changed. 0 or -errno. */
int base_records_save(int state, struct base_records *r);
void base_records_done(struct base_records *r);

const struct base_memory *base_recall(const struct base_records *r, const char *path);
void base_remember(struct base_records *r, const char *path, const struct base_memory *m);
void base_forget(struct base_records *r, const char *path);

/* A base's directory (O_PATH), following no symlink: paths of bases have none.  Or -errno. */
int base_open(const char *path);
/* What FD is now; 0 or -errno. */
int base_look(int fd, struct base_memory *ret);
bool base_is_other(const struct base_memory *known, const struct base_memory *now);
/* PATH is not there any more, and what it was on is: it was removed, not unmounted. */
bool base_was_removed(const char *path, const struct base_memory *known);

#endif
