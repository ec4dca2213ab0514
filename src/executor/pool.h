/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runners that wait: each with its directory prepared, its notification socket bound, its cgroup
 * made, so that a press waits for a rename and a message only.
 *
 * The nursery (flagman-runner) forks them.  A few are kept ready; when presses come faster, more
 * are made on demand.
 */
#ifndef FLAGMAN_EXECUTOR_POOL_H
#define FLAGMAN_EXECUTOR_POOL_H

#include "executor/cgroup.h"
#include "executor/claims.h"
#include "executor/places.h"

#include <stddef.h>
#include <sys/types.h>

#define POOL_MAX   64
#define SPARES_MIN 32   /* made in advance */
#define SPARES_MAX 1024 /* kept of those that were used */

struct ready {
	char id[CLAIM_ID_MAX];
	int socket;       /* to the runner */
	char notify[108]; /* path of its socket, or "" when that is too long */
	uid_t notify_uid; /* whose it is: that of the last run, who may be that of the next */
	struct claim_fds fds;
};

struct pool {
	const struct places *places;
	const struct cgroups *cgroups;
	pid_t nursery;
	int nursery_socket;
	uint64_t nursery_since;  /* monotonic us: when it was started */
	unsigned nursery_deaths; /* of young ones, in a row */
	struct ready ready[POOL_MAX];
	size_t n, wanted;
	char (*spares)[CLAIM_ID_MAX]; /* directories that can be prepared again; owned */
	size_t n_spares;
	bool left_cgroups; /* a run's cgroup was not empty at its end */
	uid_t last_uid;
	uint64_t bounding;    /* capabilities that some command needs in its bounding set */
	uint64_t nursery_has; /* what the nursery has not dropped */
};

/* Starts the nursery.  0 or -errno. */
int pool_open(struct pool *p, const struct places *places, const struct cgroups *cgroups);
/* Waiting runners end, what was prepared is removed. */
void pool_close(struct pool *p);
/* How many to keep ready, and with which bounding set: those that are ready with less are called
 * off, and a nursery that has less is replaced. */
void pool_want(struct pool *p, size_t ready, uint64_t bounding);

/* One that is ready, or prepared now: 0, or -errno (-ENOSPC and its like: no room for a claim). */
int pool_take(struct pool *p, struct ready *ret);
/* Calls it off: its runner ends, everything is removed. */
void pool_drop(struct pool *p, struct ready *r);
/* Adds one if fewer than wanted are ready, or a spare directory if there are few.  1 if there is
 * more to do, 0, or -errno. */
int pool_refill(struct pool *p);
/* To be called when PID has ended: true if it was the nursery, which is started anew. */
bool pool_reap(struct pool *p, pid_t pid);

/* Has the directory of claims synced by a child of the nursery.  A descriptor that has a byte to
 * read when that is done, and hangs up without one if it could not be; or -errno. */
int pool_sync(struct pool *p);
/* The claim of TOKEN is spent: it becomes a spare, or is removed. */
void pool_recycle(struct pool *p, const struct token *token);

/* Is it the id of one that is ready? */
bool pool_has(const struct pool *p, const char *id);

/* Closes all descriptors; what they belong to lives on. */
void ready_close(struct ready *r);
/* Removes the notification socket and (if it is empty) the cgroup of that id. */
void ready_tidy(struct pool *p, const char *id);

#endif
