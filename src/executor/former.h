/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories that were a directory.path once (<state>/bases) and that no group names any more.
 *
 * A snippet may go while flagman is down, or take the last right that the agent had in a directory
 * with it: then flags are left there, buttons that do nothing.  So the next agent is given these
 * directories too, without any object in them, and clears up what it has put there.  When it has
 * adopted the configuration, what is left are directories (clearing.h); those go, and so does the
 * memory of the place.  One that is not mounted now is remembered until it is.
 */
#ifndef FLAGMAN_EXECUTOR_FORMER_H
#define FLAGMAN_EXECUTOR_FORMER_H

#include "executor/generation.h"
#include "executor/identity.h"

struct executor;

/* Fills what G has of them.  STATE is <state>. */
void former_find(int state, const struct identity *id, struct generation *g);
/* The agent has adopted the newest generation: it has been wherever it may go. */
void former_clear(struct executor *x);
void former_forget(struct generation *g);

#endif
