/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the people who press, for texts, history and FLAGMAN_USER.  The agent is walled in and
 * can look nobody up: it asks the executor (EXEC_NAME), and remembers for some minutes.  Until an
 * answer comes a run is nameless; one whose hold is over waits for it, which is at most the five
 * seconds that the executor gives to a directory service.
 */
#ifndef FLAGMAN_AGENT_NAMES_H
#define FLAGMAN_AGENT_NAMES_H

#include "agent/agent.h"

/* Is it known whose UID is, or that it is nobody's?  If not, it has been asked for. */
bool names_known(struct agent *a, uid_t uid);
/* Gives RUN, which is of run->uid, its user.  False: not known yet, it has been asked for. */
bool names_fill(struct agent *a, struct run *run);
/* The answer: whoever waited for it goes on. */
void names_answer(struct agent *a, const struct exec_named *m);

#endif
