/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flag's file: made whole, shown, renamed, written, replaced.
 *
 * A flag appears whole (DESIGN section 4.2): made and written in staging, its row stored, owner and
 * mode set by the executor, then renamed into place without replacing anything.  A change of state
 * is a rename of the same inode.  Nothing of a board is opened without O_NOFOLLOW below the
 * board's descriptor.
 *
 *	flag_set_state(), flag_mark()	any time: cheap, only notes
 *	flag_flush()			at the end of the turn, inside the transaction
 *	flag_own_answer()		when the executor has answered: shows what was made
 */
#ifndef FLAGMAN_AGENT_FLAG_H
#define FLAGMAN_AGENT_FLAG_H

#include "agent/agent.h"

/* DIRTY_ bits: what flag_flush() must do. */
void flag_mark(struct agent *a, struct flag *f, unsigned dirty);
void flag_set_state(struct agent *a, struct flag *f, enum state s);

/* What its name must say, with blocking and misconfiguration; *RET_BLOCKER may be NULL. */
enum state flag_display(const struct agent *a, const struct flag *f, struct live **ret_blocker);
/* Its file name for a state; STEP is per cent / 10 or STEP_NONE.  BUF has FLAG_NAME_MAX bytes. */
const char *flag_name(
	const struct agent *a, const struct flag *f, enum state s, uint8_t step, char *buf);
/* ... as it is shown now. */
const char *flag_shown_name(const struct agent *a, const struct flag *f, char *buf);

/* Its row goes.  Where nobody has pressed it the next agent must not think so, should this one die
 * before a fresh flag has a row. */
void flag_forget(struct agent *a, const struct flag *f);
/* The file is used up, replaced or lost: forget it; a fresh one follows. */
void flag_gone(struct agent *a, struct flag *f);
/* Back to staging with its file, which bears NAME in DIRFD; it is shown again in its place. */
void flag_unhinge(struct agent *a, struct flag *f, int dirfd, const char *name);
/* A staged file that cannot be shown is removed; the next flag_mark() has another made. */
void flag_unmake(struct agent *a, struct flag *f);
/* Takes the file away, if it is still there, and its row: the action is no more. */
void flag_remove(struct agent *a, struct flag *f, int dirfd, const char *name);

/* Makes, renames, writes what is dirty, in the order in which it became so, at most MOST flags.
 * Rows go into the open transaction. */
void flag_flush(struct agent *a, unsigned most);
/* An answer to EXEC_OWN. */
void flag_own_answer(struct agent *a, const struct exec_result *answer);

/* A file in staging that the executor shall own like a flag, then to be shown as FOLDER/TO (FOLDER
 * NULL: the board itself).  FD stays the caller's. */
int flag_own_file(struct agent *a, struct board *b, int fd, enum own_kind kind, uint32_t index,
	const char *from, const char *folder, const char *to);

/*
 * Something that is not flagman's stands in DIRFD where a flag must be shown.  A copy of the flag
 * (OLD_FD: the old file, or -1) is removed; anything else is renamed to "NAME (put aside).txt",
 * so that nothing of anybody's is lost.  0 or -errno.
 */
int flag_put_aside(int dirfd, const char *name, int old_fd);

#endif
