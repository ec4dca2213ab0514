/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Priorities of flagmand's loop (sd_event_source_set_priority(3)), where they are not 0.
 *
 * The agent's requests go before everything that nobody waits for.  Signals and time limits go
 * before them: an agent that asks without an end must not put off its own death, or that of a run.
 * The ends of runs and changes of the configuration have the requests' priority, and so their turn:
 * it must not keep an action that was taken away, or what a run has left, by asking either.  The
 * same goes for chores that have waited too long (chores_insist()).
 */
#ifndef FLAGMAN_EXECUTOR_PRIORITY_H
#define FLAGMAN_EXECUTOR_PRIORITY_H

#include <systemd/sd-event.h>

#define PRIORITY_MUST    SD_EVENT_PRIORITY_IMPORTANT
#define PRIORITY_REQUEST (-10)

#endif
