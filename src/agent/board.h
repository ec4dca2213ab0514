/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A board: one object's directory, and the looks at it.
 *
 * An event says look; the directory and the inode say what happened (DESIGN section 4.1).  A look
 * opens the directory below its base, makes sure that it is the one that is known, and compares
 * each flag's published name with the flag's inode.  Lost, merged or reordered events therefore
 * cost a look and never a press, and the agent's own renames cannot be mistaken for anybody's.
 *
 * No descriptor of a board is kept: ten thousand of them would be the budget.
 */
#ifndef FLAGMAN_AGENT_BOARD_H
#define FLAGMAN_AGENT_BOARD_H

#include "agent/agent.h"

/* The board's directory, for reading, if it is the known one; or -errno (-ESTALE: another). */
int board_open(struct agent *a, struct board *b);
/* A folder of it, or -errno. */
int board_open_folder(int dirfd, const char *name);
int board_open_staging(int base);
/* Does a payload or a flag lie there under that token: in staging, or in custody, where the payload
 * of a run is that goes on? */
bool board_has_taken(const struct base *base, const struct token *t, struct file_info *ret);
/* Its path; BUF has PATH_MAX bytes. */
const char *board_path(const struct agent *a, const struct board *b, char *buf, size_t size);
struct board *board_of_object(struct agent *a, struct board *b); /* the first one of its object */
bool board_same_object(const struct agent *a, const struct board *x, const struct board *y);

/* Look at it in this turn. */
void board_look_at(struct agent *a, struct board *b, unsigned look);
void board_look_everywhere(struct agent *a);
/* Look at it again a little later (something was under way). */
void board_look_soon(struct agent *a, struct board *b);
void board_look_later(struct agent *a, struct board *b, uint64_t delay);
/* All looks that were asked for. */
void board_looks(struct agent *a);

/* A base and its boards, as the executor prepared them: open, or say why not. */
void board_base_open(struct agent *a, struct base *base, const char *path);
void board_base_close(struct base *base);
bool board_base_check(struct agent *a, struct base *base);
/* Something happened to some base: looks at the boards of those that were lost or are back (and at
 * all that are not usable, if UNUSABLE), and has a staging mended that is gone. */
void board_look_at_bases(struct agent *a, bool unusable);

/* Its directory is gone or another: nothing is pressed there, the executor is asked to mend it. */
void board_lost(struct agent *a, struct board *b, int error);
void board_mended(struct agent *a, const struct exec_result *answer);
/* Looks again when something is mounted or unmounted.  What tells it is opened before there are
 * walls, or is -1 and that was logged; FD is taken over for good.  0 or -errno. */
int board_open_mounts(void);
int board_watch_mounts(struct agent *a, int fd);
/* Puts back every flag of it that is missing, silently. */
void board_restore(struct agent *a, struct board *b, int dirfd);
/* Its descriptors are closed (flagman release). */
void board_release(struct agent *a, struct board *b);

/* Status.txt (status.c). */
void board_status_dirty(struct agent *a, struct board *b);
void board_status_flush(struct agent *a, bool all);
int board_status_show(struct board *b, int staging_fd, const char *from, int dirfd);

#endif
