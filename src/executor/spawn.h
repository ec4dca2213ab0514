/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting flagman's own helper programs: agent, watcher, nursery.  Commands are never started
 * here, only by runners.
 *
 * fork(2), not vfork: the agent's user can stop the child as soon as it is that user's, and would
 * stop a vforking parent with it.
 */
#ifndef FLAGMAN_EXECUTOR_SPAWN_H
#define FLAGMAN_EXECUTOR_SPAWN_H

#include "executor/identity.h"

#include <stddef.h>
#include <sys/types.h>

struct helper {
	const char *const *argv; /* [0] is the program's name; looked for by spawn_path() */
	const int *fds;          /* become 3, 4, ... */
	size_t n_fds;
	const struct identity *id; /* drop to the agent's user; NULL: stay what we are */
	const gid_t *groups;       /* supplementary, with ID */
	size_t n_groups;
	int death_signal; /* when flagmand dies; 0: none */
};

/* Beside our own executable first (a build tree), then in DIRECTORY.  Static memory. */
const char *spawn_path(const char *program, const char *directory);

/* stdin and stdout are /dev/null, stderr ours; the environment is FLAGMAN_LOG, PATH, LANG,
 * JOURNAL_STREAM and sanitizers' options; own session; no capabilities and no-new-privileges where
 * the user is dropped to.  The pid, or -errno. */
pid_t spawn_helper(const struct helper *h);

#endif
