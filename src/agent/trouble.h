/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to do when a file or a row cannot be written: free the reserve, say so, try again.
 *
 * On a full disk nothing is run and nothing is lost: flags stay marked dirty and are tried again
 * every few seconds; a reserve file in each staging directory and in the state directory is given
 * up first, so that the flag can still say what happened.
 */
#ifndef FLAGMAN_AGENT_TROUBLE_H
#define FLAGMAN_AGENT_TROUBLE_H

#include "agent/agent.h"

/* ERROR is negative. */
void trouble_flag(struct agent *a, struct flag *f, int error);
void trouble_board(struct agent *a, struct board *b, int error);
void trouble_store(struct agent *a, int error);
/* Tries everything again now. */
void trouble_again(struct agent *a);
/* Makes the reserve files where there is room. */
void trouble_reserve(struct agent *a);

#endif
