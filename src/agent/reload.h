/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A configuration arrives: the arrays are made anew, and what is known of each flag is carried over
 * by name.  Runs in flight finish under the definition they started with.
 */
#ifndef FLAGMAN_AGENT_RELOAD_H
#define FLAGMAN_AGENT_RELOAD_H

#include "agent/agent.h"

/* V becomes the agent's. */
void reload_view(struct agent *a, struct view *v, uint64_t generation);

#endif
