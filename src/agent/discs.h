/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Discs: from the claims to the history, to `verify` (EXEC_DISCS), and to the drop folder.
 */
#ifndef FLAGMAN_AGENT_DISCS_H
#define FLAGMAN_AGENT_DISCS_H

#include "agent/agent.h"
#include "agent/disc.h"

/* What CLAIM says of a disc, if it does. */
bool discs_read(int claim, const struct token *t, struct disc *ret);
/* Puts it into the turn: 0, 1 if there is none, -errno. */
int discs_put(struct agent *a, int claim, const struct token *t, uint64_t run);
/* L's run is over: what it burned is told to `verify` and beside what was dropped. */
void discs_over(struct agent *a, const struct live *l);
/* Writes the file for `verify` from the history, if there is anything to write. */
void discs_publish(struct agent *a);

#endif
