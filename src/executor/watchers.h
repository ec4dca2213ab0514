/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watcher processes, started for the agent, as its user: the agent itself may not exec.
 */
#ifndef FLAGMAN_EXECUTOR_WATCHERS_H
#define FLAGMAN_EXECUTOR_WATCHERS_H

#include "executor/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WATCHERS_MAX 5

struct watchers {
	struct {
		pid_t pid;
		uint64_t cookie;
	} list[WATCHERS_MAX];
	size_t n;
};

/* LIST and PIPE become its descriptors 3 and 4.  0, -EAGAIN when there are too many, or -errno. */
int watchers_start(struct watchers *w, const struct identity *id, const gid_t *groups,
	size_t n_groups, uint64_t cookie, int list, int pipe);
/* Ends all but COOKIE's. */
void watchers_keep(struct watchers *w, uint64_t cookie);
void watchers_end_all(struct watchers *w);
/* True if PID was one. */
bool watchers_reap(struct watchers *w, pid_t pid);

#endif
