/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting helper programs: flagman's own (agent, watcher, nursery), and what follows Samba's audit
 * log.  Commands are never started here, only by runners.
 *
 * fork(2), not vfork: the agent's user can stop the child as soon as it is that user's, and would
 * stop a vforking parent with it.
 */
#ifndef FLAGMAN_EXECUTOR_SPAWN_H
#define FLAGMAN_EXECUTOR_SPAWN_H

#include "executor/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct helper {
	const char *const *argv; /* [0] is the program's name; looked for by spawn_path() */
	/* Not ours: [0] is its path, its environment is PATH and LANG=C, and with ID it has that
	 * user's own groups and MORE_GROUP (NULL: none) instead of GROUPS.  They are looked up in
	 * the child: a directory service may take its time. */
	bool foreign;
	const char *more_group;
	int output;     /* its stdout; 0: /dev/null */
	const int *fds; /* become 3, 4, ... */
	size_t n_fds;
	const struct identity *id; /* drop to the agent's user; NULL: stay what we are */
	const gid_t *groups;       /* supplementary, with ID */
	size_t n_groups;
	int death_signal; /* when flagmand dies; 0: none */
};

/* Beside our own executable first (a build tree), then in DIRECTORY.  Static memory. */
const char *spawn_path(const char *program, const char *directory);

/* stdin is /dev/null, stderr ours; the environment is FLAGMAN_LOG, PATH, JOURNAL_STREAM and
 * sanitizers' options; own session; no capabilities and no-new-privileges where
 * the user is dropped to.  The pid, or -errno. */
pid_t spawn_helper(const struct helper *h);

#endif
