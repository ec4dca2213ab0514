/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent asks for and does not get, in the log: one line a second, of whatever kind.
 *
 * Threat: an agent that was taken over asks for nonsense as fast as it can, and of each kind in
 * turn; what it wants nobody to see would be rotated out of the log.  So there is one limit for
 * everything that a message can make flagmand complain about.  How many lines were kept back is
 * said a second later, with the last of them, whether or not more follow.
 */
#ifndef FLAGMAN_EXECUTOR_REFUSALS_H
#define FLAGMAN_EXECUTOR_REFUSALS_H

#include <systemd/sd-event.h>

/* Without a loop (tests) or a timer nothing is kept for later, only counted. */
void refusals_open(sd_event *event);
void refusals_close(void);
void refusal_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
