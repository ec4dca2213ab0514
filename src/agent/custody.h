/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drop folders, and payloads in custody (DESIGN section 4.6).
 *
 * A payload stays where it is until it has been closed and quiet for `settle`.  Then, in this
 *order:
 *	1. it is a regular file with one link, seen through O_NOFOLLOW
 *	2. its name is written down, and it is renamed to staging/<token>
 *	3. it is still the same file, with one link
 *	4. the executor gives it to flagman's user, 0400
 *	5. a read lease proves that nobody writes; until then it is shown as Receiving
 *	6. it is hashed, and the run is asked for
 * While it runs the executor has it in custody, where we can't write (executor/custody.h).
 * One payload of an action is in custody at a time; others wait in their folder, oldest first.
 * Nothing of the user's is deleted on failure: it is kept for another press, then returned.
 */
#ifndef FLAGMAN_AGENT_CUSTODY_H
#define FLAGMAN_AGENT_CUSTODY_H

#include "agent/agent.h"

/* Makes, changes or ends B's drops after the configuration arrived; FLAG_MAP gives the new numbers
 * of the flags there were (NULL: there were none). */
void custody_reload(struct agent *a, struct board *b, const uint32_t *flag_map);
struct custody *custody_free(struct custody *c);
/* Looks into the drop folders of B below DIRFD; -ENOENT if one is missing. */
int custody_look(struct agent *a, struct board *b, int dirfd);
/* A run ended or something was unblocked: payloads that wait may go. */
void custody_kick(struct agent *a);
/* Answer to EXEC_TAKE. */
void custody_taken(struct agent *a, const struct exec_result *m);

/* L's run with a payload is over: returned, deleted or kept. */
void custody_over(struct agent *a, struct live *l);
/* The action FLAG of board V is configured no longer: its payload in C (or NULL), if no run has it,
 * goes back from STAGING to FOLDER below the object's directory DIRFD; and our notes there go. */
void custody_leave(const struct custody *c, uint32_t flag, const struct view_board *v, int staging,
	int dirfd, const char *folder);
/* True once for a kept payload that somebody has removed: there is nothing to try again. */
bool custody_kept_is_gone(struct agent *a, struct live *l);
/* A kept payload is to be tried again under TOKEN: RUN gets it. */
void custody_again(struct agent *a, struct live *l, struct run *run);
/* At start: a run that had a payload in custody goes on, or is kept.  False: it was never taken. */
bool custody_resume(struct agent *a, struct flag *f, struct run *run);
/* At start, before F counts as pressed: a payload of its last run is there to be tried again.
 * MOVED: it lies under that token, of a press that did not get further; or NULL. */
void custody_find_kept(struct agent *a, struct flag *f, const struct token *moved);
/* At start: RUN was begun with the payload of F's last run, and died before that was written down.
 */
void custody_hand_over(struct agent *a, struct flag *f, struct run *run);
/* At start: RUN was to try the payload of run LAST again, and died before it had it.  True: it has
 * it now. */
bool custody_fetch(struct agent *a, struct flag *f, uint64_t last, const struct run *run);
/* At start, when all runs of F are known: what becomes of its payload. */
void custody_adopt(struct agent *a, struct flag *f);
/* flagman run --payload: a copy of what FD (taken over) reads.  The run's number, or 0: *RET_WHY.
 */
uint64_t custody_copy(
	struct agent *a, struct flag *f, int fd, struct run *run, const char **ret_why);

#endif
