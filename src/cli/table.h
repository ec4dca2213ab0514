/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table with columns as wide as what stands in them, measured as a terminal shows it.  Headings
 * stand between rows and do not take part in the widths.  The last column takes what is left of
 * the terminal's width and is cut there.
 *
 *	_cleanup_(table_done) struct table t = TABLE_INIT(3);
 *	table_heading(&t, "Apache", "The web server");
 *	table_cell(&t, STYLE_NONE, "Restart"); ... three times a row
 *	table_lines(&t, &term, handler, userdata);
 */
#ifndef FLAGMAN_CLI_TABLE_H
#define FLAGMAN_CLI_TABLE_H

#include "cli/term.h"
#include "common/buf.h"

#include <stddef.h>

#define TABLE_COLUMNS_MAX 9U

struct table_cell {
	char *text; /* printable; owned */
	enum style style;
};

struct table_row {
	bool heading; /* cells[0] bold, cells[1] dim behind it */
	struct table_cell cells[TABLE_COLUMNS_MAX];
};

struct table {
	unsigned columns;
	struct table_row *rows; /* owned */
	size_t n_rows;
	unsigned next; /* column that table_cell() fills next */
	int error;     /* 0 or -ENOMEM; sticks */
};

#define TABLE_INIT(n) \
	{ \
		.columns = (n) \
	}

void table_done(struct table *t);
/* Strangers' text is welcome: it is made printable here. */
void table_cell(struct table *t, enum style style, const char *text);
void table_heading(struct table *t, const char *title, const char *note);
/* The whole as lines ("\n" at the end of each), with colour and cut as TERM says. */
int table_print(const struct table *t, const struct term *term, struct buf *out);

#endif
