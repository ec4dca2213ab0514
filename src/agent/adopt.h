/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The start: from the rows, the claims and what lies in the share to flags that show the truth.
 *
 *	adopt_claim()	 for each claim that the executor lists
 *	adopt_gather()	 what lies on the boards that are watched already
 *	adopt_scan()	 once the claims are in and the first watcher is ready
 */
#ifndef FLAGMAN_AGENT_ADOPT_H
#define FLAGMAN_AGENT_ADOPT_H

#include "agent/agent.h"

struct adoption;
struct adoption *adopt_new(void);

/* FDS (0 or 3) are taken over. */
void adopt_claim(struct agent *a, const struct exec_claim *m, int *fds, size_t n_fds);
/* A run ended between the list of claims and the scan.  False: it is none of them. */
bool adopt_claim_ended(struct agent *a, const struct exec_ended *m);
/* Looks at the boards before the one with number END, each once. */
void adopt_gather(struct agent *a, size_t end);
/* What was gathered does not hold: the boards were not watched all the time. */
void adopt_forget(struct agent *a);
void adopt_scan(struct agent *a);
/* Takes what is ours out of the staging of former bases; payloads stay. */
void adopt_leave(struct agent *a);
/* A board that is new in the configuration (a reload): its directory and files are made known. */
void adopt_new_board(struct agent *a, struct board *b);
/* A flag that is new on a board that is there already. */
void adopt_new_flag(struct agent *a, struct flag *f);

#endif
