/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Presses: from "the flag is gone" to "the executor shall start it", or to putting it back.
 *
 * press_deleted(), press_moved(), press_dropped() and press_requested() are the four ways in.  They
 * spend the flag (or take the file), then a table of states says what a press means there.  The
 * hold, and what calls it off, the queue, confirmation, cooldown and start limit live here; what
 * the executor answers is in runs.c.
 */
#ifndef FLAGMAN_AGENT_PRESS_H
#define FLAGMAN_AGENT_PRESS_H

#include "agent/agent.h"

/* The flag was unlinked (or trashed) under PUBLISHED. */
void press_deleted(struct agent *a, struct flag *f, const char *published);
/* ENTRY in the Run folder RUN_FD is the flag itself (OWN) or a copy of it. */
void press_moved(struct agent *a, struct flag *f, int run_fd, const char *entry,
	const struct file_info *info, bool own);

/* A press that needs no file of its own: flagman run, a payload in custody, a press that was
 * pending when the agent died.  RUN is moved in (its id may be 0: a number is given); HOLD says
 * whether it is held like a gesture.  True if it was accepted; else *RET_WHY says why not. */
bool press_request(
	struct agent *a, struct flag *f, struct run *run, bool hold, const char **ret_why);
/* The first press of two was made while nobody looked: F asks for the second, or says why not. */
void press_first(struct agent *a, struct flag *f);
/* May a press be accepted now?  NULL, or why not. */
const char *press_refusal(struct agent *a, struct flag *f);

/* The run that keeps F from running now, or NULL. */
struct live *press_blocker(const struct agent *a, const struct flag *f);
/* F's live part; made if it has none. */
struct live *press_live(struct agent *a, struct flag *f);
void press_live_free(struct live *l);

/* Ends a hold or a wait without a run: the flag shows what it showed before, and WHY. */
void press_call_off(struct agent *a, struct live *l, const char *why);
void press_call_off_board(struct agent *a, struct board *b, const char *why);
/* WHAT (a literal) of the object went too: who is held, or is pressed within the longest hold of
 * B's actions, was not meant. */
void press_mass(struct agent *a, struct board *b, const char *what);
/* The same of several objects: whatever is held, and for F (gone while nobody looked) its note. */
void press_mass_objects(struct agent *a);
void press_mass_note(struct agent *a, struct flag *f);
/* Stops what runs, takes out what waits.  False if there is nothing to cancel. */
bool press_cancel(struct agent *a, struct flag *f);

/* The hold is over (or there is none): run it, queue it or put it back. */
void press_go(struct agent *a, struct live *l);
/* A run ended, a lock is free: who waits may go. */
void press_waiting(struct agent *a);
/* Blocking may have changed around F: names are put right. */
void press_neighbours(struct agent *a, struct live *l);

void press_note(struct agent *a, struct flag *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Arms the timer of F's state after a restart or a change of state. */
void press_arm(struct agent *a, struct flag *f);

#endif
