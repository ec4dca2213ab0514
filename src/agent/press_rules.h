/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules that a press must pass, one file each: is it one of many (press_mass.c), is something
 * in its way (press_block.c), is it too soon, too often, or not yet confirmed (press_limits.c).
 */
#ifndef FLAGMAN_AGENT_PRESS_RULES_H
#define FLAGMAN_AGENT_PRESS_RULES_H

#include "agent/agent.h"

#define MASS_OBJECTS 3 /* from that many on nobody meant one button */

/* Is this press one of many within their holds?  Then none of them is meant: the others are called
 * off, and WHY (SIZE bytes) says so for this one. */
bool press_is_mass(struct agent *a, struct flag *f, uint64_t hold, char *why, size_t size);

/* More than start-limit-burst runs in start-limit-interval. */
bool press_over_limit(struct agent *a, struct flag *f);
/* One more, at WHEN (us since 1970). */
void press_count_start(struct live *l, int64_t when);
void press_pause(struct agent *a, struct flag *f);
/* The first of two presses asks, or the second came too quickly: nothing is run yet. */
bool press_wants_second(struct agent *a, struct flag *f);

/* Does a press at PRESSED confirm what was asked for since ASKED (us since 1970)? */
bool press_confirms(const struct view_press *p, int64_t asked, int64_t pressed);

/* "BEFORE Restart of Apache runs, started by alice." as F's note. */
void press_say_blocker(struct agent *a, struct flag *f, const struct live *by, const char *before);

/* The timer of a state fires (press.c). */
int press_on_timer(sd_event_source *s, uint64_t usec, void *userdata);

#endif
