/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs under way: their timers, how they are stopped, and their ends.
 *
 * A run ends when its FIFO `alive` hangs up; then its claim has a result, or its runner died.  What
 * cannot be known for certain is not guessed: without a result the end is END_INTERRUPTED, after
 * everything of it has been killed.
 */
#ifndef FLAGMAN_EXECUTOR_RUNS_H
#define FLAGMAN_EXECUTOR_RUNS_H

#include "executor/claims.h"
#include "executor/pool.h"

#include <systemd/sd-event.h>

struct runs;

struct run {
	struct token token;
	struct claim_plan plan;
	struct claim_fds fds; /* only alive is kept open */
	bool plan_written;
	bool adopted;  /* from an earlier flagmand: whether it has a payload is not known */
	char *payload; /* the base in whose custody its payload is, or NULL */
	enum stop_reason stop;
	bool asked;       /* SIGTERM has reached something */
	bool killed;      /* SIGKILL was sent: the next timer sends it again */
	uint64_t kill_at; /* us, monotonic: when the grace ends */
	sd_event_source *alive, *timer;
	struct runs *runs;
	struct run *next, **link;
};

/* Called once for each end; the run is gone when it returns. */
typedef void run_ended(const struct run *run, const struct run_end *end, void *userdata);

struct runs {
	sd_event *event;
	const struct places *places;
	const struct cgroups *cgroups;
	struct pool *pool;
	struct run *first;
	size_t n;
	run_ended *ended;
	void *userdata;
};

struct run *runs_find(struct runs *rs, const struct token *token);
/* Is it the id of one that is under way? */
bool runs_has(const struct runs *rs, const char *id);
/* Takes over the alive descriptor in FDS, closes the other.  NULL when out of memory: the run goes
 * on, and is found again by its claim. */
struct run *runs_add(struct runs *rs, const struct token *token, const struct claim_plan *plan,
	struct claim_fds *fds);
/* After the start: what an adopter needs, and the time limit. */
void run_settle(struct run *r);
/* TERM now, KILL after stop-grace.  Idempotent. */
void run_stop(struct run *r, enum stop_reason reason);
/* Forgets all; the runs themselves go on. */
void runs_close(struct runs *rs);

/* The end of a run that is not under way, from its claim: CLAIM_ENDED or CLAIM_INTERRUPTED. */
enum claim_state claim_end(struct runs *rs, const struct token *token, int file,
	struct run_end *ret, uint64_t *ret_run);
/* Adopts a claim whose runner lives; false: it does not. */
bool runs_adopt(struct runs *rs, const struct token *token);

#endif
