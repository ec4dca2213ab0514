/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Actions and runs in words and rows: what `status`, `history`, `run` and `cancel` show.
 * Pure: values in, text out; the time is given.
 */
#ifndef FLAGMAN_CLI_SHOW_H
#define FLAGMAN_CLI_SHOW_H

#include "cli/table.h"
#include "cli/term.h"
#include "wire/control.h"

#include <stddef.h>
#include <stdint.h>

/* "ready", else the state's English label. */
const char *show_state(enum state s);
/* "alice (10.0.0.7)"; "" when nobody is known. */
void show_who(struct buf *out, const struct control_run *r);
/* What stands in the RESULT column of an action, and of a run. */
void show_action_result(struct buf *out, const struct control_action *a, int64_t now);
void show_run_result(struct buf *out, const struct control_run *r);

/* Sorts by object, group; order of the agent's (the configuration's) within. */
void show_sort(struct control_action *actions, size_t n);
/* The whole table of `status`. 0 or -ENOMEM. */
int show_status(struct buf *out, const struct term *term, const struct control_action *actions,
	size_t n, int64_t now);
/* "Apache/Restart: Running 40%, alice, reloading": one line, for plain --follow and for `run`. */
void show_action_line(struct buf *out, const struct control_action *a, int64_t now);
void show_run_line(struct buf *out, const struct control_run *r);
/* A row of `history`: seven cells. */
#define SHOW_HISTORY_COLUMNS 7U
/* A row of `history --disc`. */
#define SHOW_DISC_COLUMNS 9U
_Static_assert(SHOW_DISC_COLUMNS <= TABLE_COLUMNS_MAX, "the row has room");
void show_disc_row(struct table *t, const struct control_disc *d, int64_t now);
void show_history_row(struct table *t, const struct control_run *r, int64_t now);

#endif
