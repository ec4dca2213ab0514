/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often each action was started of late: start-limit-burst in start-limit-interval is held
 * here too.
 *
 * The agent counts presses, and pauses the flag; this counts starts, against an agent that doesn't.
 * What an agent that keeps to the rules asks for is never refused: it counts the same runs, and
 * more (those that were refused), and it looks before the hold.  But it notes a start by a clock
 * that ran on while the message waited, so the interval is taken a little shorter (RATES_SLACK).
 *
 * Actions are known by their names: an agent that is restarted, or asks for a new generation, gets
 * no more for it.  The table begins anew with flagmand itself.
 */
#ifndef FLAGMAN_EXECUTOR_RATES_H
#define FLAGMAN_EXECUTOR_RATES_H

#include "config/config.h"

#include <stdbool.h>
#include <stdint.h>

#define RATES_SLACK USEC_PER_SEC /* or a tenth of the interval, if that is less */

struct rate;
struct rates {
	void *tree;         /* tsearch(3), by name */
	struct rate *first; /* all of them */
};

/* May action A of G start at NOW (us, CLOCK_BOOTTIME)?  0: yes, and there is room to count it.
 * -EAGAIN: it has had its starts.  -ENOMEM. */
int rates_ask(struct rates *rates, const struct group *g, const struct action *a, uint64_t now);
/* It was started; rates_ask() has just said yes. */
void rates_count(struct rates *rates, const struct group *g, const struct action *a, uint64_t now);
/* Forgets what counts no more. */
void rates_tidy(struct rates *rates, uint64_t now);
void rates_done(struct rates *rates);

#endif
