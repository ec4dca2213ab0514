/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories that flagman has made in a share (mark.h) and that nobody needs any more.  Those that
 * are empty go, from within outwards; rmdir(2) itself looks whether they are.  Whatever somebody
 * else has put there stays, with the directory that it is in.
 *
 * The agent has been there before: flags, Status.txt and payloads that were kept are its work.
 */
#ifndef FLAGMAN_EXECUTOR_CLEARING_H
#define FLAGMAN_EXECUTOR_CLEARING_H

#include "executor/generation.h"
#include "executor/identity.h"

/* All of a base: the directories in it, but those that lead to a base of G (or NULL); .flagman,
 * unless there are payloads in it; the base itself.  0, or -errno where it can't be reached: then
 * nothing is touched. */
int clear_base(int state, const struct identity *id, const struct base_state *b,
	const struct generation *g);
/* In the bases of G: the directories of objects that G does not have. */
void clear_objects(int state, const struct identity *id, const struct generation *g);

#endif
