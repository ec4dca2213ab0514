/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs: what the executor was asked to start, until it has ended and is noted durably.
 *
 * runs_start() sends the request in the same turn as the press; the answer brings descriptors of
 * the claim's status, output and FIFO.  A byte in the FIFO says look; its hang-up that the runner
 * is gone (the executor's EXEC_ENDED follows).  A claim is given up only after a durable commit.
 */
#ifndef FLAGMAN_AGENT_RUNS_H
#define FLAGMAN_AGENT_RUNS_H

#include "agent/agent.h"

void runs_start(struct agent *a, struct live *l);
/* RUN is in the history now, or -errno. */
int runs_record(struct agent *a, const struct run *run);
/* A press that used up no flag, and thus no token that a row tells of: into the history at once. */
void runs_make_known(struct agent *a, struct live *l);
bool runs_cancel(struct agent *a, struct live *l);
void runs_started(struct agent *a, const struct exec_started *m, int *fds, size_t n_fds);
void runs_ended(struct agent *a, const struct exec_ended *m);

/* A run that was there at start: FDS (3) are taken over. */
void runs_adopt(struct agent *a, struct live *l, int *fds);
/* A run that had ended, or was interrupted, when the agent came back. */
void runs_adopt_end(struct agent *a, struct live *l, const struct run_end *end);

/* Puts the output of L's run, which has ended, into the turn; kept once that is committed. */
void runs_keep_output(struct agent *a, const struct live *l);
void runs_outputs_kept(struct agent *a); /* a commit has succeeded */
void runs_outputs_lost(struct agent *a); /* one has not */
int runs_outputs_again(struct agent *a); /* puts what was lost again; 0 or -errno */

/* L's run will not happen, or has happened: what was taken for it is let go. */
void runs_over(struct agent *a, struct live *l);
/* Closes what L holds of its run; it is no longer active. */
void runs_forget(struct live *l);

/* TOKEN's claim may go once what is known of it is durable. */
void runs_spent(struct agent *a, const struct token *t);
/* Makes durable what was committed, and gives up the claims, now. */
void runs_settle(struct agent *a);
/* The same in two seconds; and if nobody presses then, memory is given back too. */
void runs_settle_later(struct agent *a);

/* us that an active run has taken, whatever became of the wall clock meanwhile */
uint64_t runs_so_far(const struct live *l);

struct live *runs_find(struct agent *a, const struct token *t);

#endif
