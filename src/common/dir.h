/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading directories.
 *
 *	_cleanup_dir_ DIR *d = dir_open(dirfd, ".");
 *	for (const struct dirent *e; (e = dir_next(d));)
 *		...
 */
#ifndef FLAGMAN_DIR_H
#define FLAGMAN_DIR_H

#include "common/fd.h"

#include <dirent.h>

/* The directory NAME below DIRFD, which may be "."; a symlink is not followed.  NULL: errno. */
DIR *dir_open(int dirfd, const char *name);
/* FD is taken over, also on failure.  NULL where it is negative: errno is as it was. */
DIR *dir_of(int fd);
/* Never "." or "..".  NULL at the end, on an error, and of no directory (D is NULL). */
const struct dirent *dir_next(DIR *d);
/* Two system calls for one that is.  False when it cannot be read. */
bool dir_is_empty(int fd);

static inline void closedirp_(DIR *const *d)
{
	if (*d)
		closedir(*d);
}
#define _cleanup_dir_ __attribute__((cleanup(closedirp_)))

#endif
