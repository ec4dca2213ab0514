/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pieces that a flag's text and Status.txt share: lines, columns, who pressed, how to press.
 * Private to content*.c and status_text.c.  Errors stick in the buffer.
 */
#ifndef FLAGMAN_AGENT_CONTENT_PARTS_H
#define FLAGMAN_AGENT_CONTENT_PARTS_H

#include "agent/content.h"

#define PART_WIDTH  78 /* columns of our own lines; output is left as wide as it is */
#define PART_INDENT 2

/* The group's word; "Ready" where a flag has none. */
const char *part_label(const char *const *labels, enum state s);
/* With its percentage: "Running 40%". */
void part_state(struct buf *out, const struct content_action *a);

void part_printable(struct buf *out, const char *text); /* NULL adds nothing */
void part_end(struct buf *out);                         /* ends a line */
/* An empty line, the words, and a line below them. */
void part_heading(struct buf *out, const char *words);
void part_pad(struct buf *out, size_t columns);
size_t part_columns(const char *text); /* as it will be printed */

/*
 * TEXT in lines of at most PART_WIDTH columns, the first of which begins at column AT; the others
 * are indented by INDENT.  Its own line breaks are kept.  Ends the line.
 */
void part_wrap(struct buf *out, size_t at, size_t indent, const char *text);

/* "alice, at 10.1.2.3"; "somebody" where nobody is known. */
void part_person(struct buf *out, const struct run *r);
/* "2026-11-21 14:03:22 CET (+0100)" */
void part_when(struct buf *out, int64_t realtime);

struct part_presses {
	bool by_delete, by_move;
	const char *run_folder;
};
void part_how_to_press(struct buf *out, const struct part_presses *p);
/* "Put a file (*.iso, *.img) into the folder Burn." */
void part_how_to_drop(struct buf *out, const struct content_action *a);

#endif
