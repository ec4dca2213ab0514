/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's side of the watcher: which directories it watches, and its records.
 *
 * A watcher gets its list when it is started.  When the set changes a new one is started,
 * everything is looked at once it is ready, and then the old one ends: no moment goes unwatched.
 * Boards with a directory that no watcher has yet are polled until then.
 */
#ifndef FLAGMAN_AGENT_WATCH_H
#define FLAGMAN_AGENT_WATCH_H

#include "agent/agent.h"

int watch_new(struct agent *a, struct watch **ret);
struct watch *watch_free(struct watch *w);
/* The set of directories changed: start a new watcher (soon, if one was started just now). */
void watch_change(struct agent *a);
/* The boards have new numbers: MAP has N of them, VIEW_NONE for one that is gone. */
void watch_remap(struct agent *a, const uint32_t *map, size_t n);
unsigned watch_count(const struct watch *w);  /* directories watched */
unsigned watch_failed(const struct watch *w); /* ... and those that could not be */

#endif
