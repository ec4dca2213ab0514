/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boards and flags by name.  An index over the view's boards, made anew with each view. */
#ifndef FLAGMAN_AGENT_FIND_H
#define FLAGMAN_AGENT_FIND_H

#include "agent/agent.h"

/* Sorts the boards' numbers by object and group.  Call after the view changed. */
void find_index(struct agent *a);
/* Exact names, as stored; NULL if there is none. */
struct board *find_board(const struct agent *a, const char *object, const char *group);
struct flag *find_flag(
	const struct agent *a, const char *object, const char *group, const char *action);

#endif
