/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How flagman knows a directory that it has made: an extended attribute (trusted.flagman, which
 * only root can set; user.flagman for an ordinary user's instance), or, where the file system has
 * none, a file in <state>/directories named by the directory's identity.
 */
#ifndef FLAGMAN_EXECUTOR_MARK_H
#define FLAGMAN_EXECUTOR_MARK_H

#include <stdbool.h>

struct marks {
	int state; /* <state> */
	bool privileged;
};

bool mark_has(const struct marks *m, int dir);
/* 0 or -errno. */
int mark_set(const struct marks *m, int dir);
/* DIR was removed; its record, if it has one, goes. */
void mark_forget(const struct marks *m, int dir);

#endif
