/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's walls: what it may touch once it knows the configuration, and before it has read
 * anything of anybody.  It can open what is below the action directories (the staging and payloads
 * too) and its own state directory; it can use the sockets, pipes and claims that it is given, and
 * make no other; it can execute nothing and signal nobody.
 *
 * Landlock's rules belong to inodes.  A directory that was not there at the start, or that was
 * unmounted meanwhile, is beyond them for as long as the process lives: the agent ends, and the
 * executor starts another.
 */
#ifndef FLAGMAN_AGENT_WALLS_H
#define FLAGMAN_AGENT_WALLS_H

#include "agent/agent.h"

/* Reads now what could not be opened later, and builds them.  V has the action directories; DIRFD
 * is the agent's own.  Does not return if they can't be built. */
void walls_build(const struct view *v, int dirfd);

/* BASE, which has been ours to use, or was not there, is back and out of reach.  The next agent
 * will not know that it was away: what is missing there is put back then, and was no press. */
void walls_outgrown(struct agent *a, const struct base *base);

#endif
