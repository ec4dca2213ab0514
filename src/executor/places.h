/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagmand's own directories, held open so that nothing is looked up by a path again.
 *
 *	<state>/	    0755  state; `lock`, last-good.yaml, bases, directories/
 *	<state>/runs/	    0700  claims, and .ready-* for those to come
 *	<state>/agent/	    0700  the agent's, owned by its user
 *	<run>/run.lock	    0600  held: another flagmand would sweep what is ours
 *	<run>/control	    0666  the socket of flagman(1), listening; who may do what is checked by
 *			    credentials
 *	<run>/alive/	    0700  FIFOs of claims: they tell an adopter who lives, so <run> must not
 *be removed while runs go on (RuntimeDirectoryPreserve=); after a boot it is empty, as it should be
 *	<run>/notify/	    0711  NOTIFY_SOCKETs of runs, each its user's
 */
#ifndef FLAGMAN_EXECUTOR_PLACES_H
#define FLAGMAN_EXECUTOR_PLACES_H

#include "executor/claims.h"
#include "executor/identity.h"

struct places {
	char *state_path, *run_path, *agent_path, *notify_path; /* absolute */
	int state, agent, run, notify;                          /* directories */
	struct claims claims;
	int lock, run_lock, control;
};

/* Makes and opens all.  0, or -errno with the path in question in *WHY (static memory):
 * -EWOULDBLOCK when another flagmand holds the lock. */
int places_open(struct places *p, const char *state, const char *run, const struct identity *id,
	const char **why);
/* Removes notification sockets and FIFOs that IN_USE does not want. */
void places_sweep(
	const struct places *p, bool (*in_use)(const char *id, void *userdata), void *userdata);
/* Removes the control socket, closes all. */
void places_close(struct places *p);

#endif
