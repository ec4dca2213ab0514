/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of a board: looks (board.c), where a flag went (board_where.c), mending (board_mend.c).
 */
#ifndef FLAGMAN_AGENT_BOARD_PARTS_H
#define FLAGMAN_AGENT_BOARD_PARTS_H

#include "agent/agent.h"

/* Where a flag's file went. */
enum where {
	WHERE_PRESSED, /* unlinked under its own name, or in a trash folder */
	WHERE_RUN,     /* in the Run folder */
	WHERE_RENAMED, /* in the same directory, under NAME */
	WHERE_BACK,    /* anywhere else: it was not a press */
};
/* NAME (FLAG_NAME_MAX bytes) is its last name. */
enum where board_where(struct agent *a, struct board *b, struct flag *f, int dirfd,
	const char *published, char *name);

const char *board_base_path(const struct agent *a, const struct base *base);
/* Its directory is DIR from now on.  The rows of its flags were of another, and go: whoever is
 * still there gets a new one (DIRTY_ROW). */
void board_remember(struct agent *a, const struct board *b, const struct file_id *dir);
/* Asks the executor to make and mend its directories. */
void board_mend(struct agent *a, struct board *b);
/* A folder of it is gone or something else. */
void board_mend_folders(struct agent *a, struct board *b, int dirfd);
/* Looks at its flags and Status.txt, not at its folders. */
void board_look_directory(struct agent *a, struct board *b, int dirfd);

#endif
