/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/table.h"

#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GAP    2U /* columns between two columns */
#define INDENT 2U /* of rows below a heading */

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->n_rows; i++)
		for (unsigned c = 0; c < TABLE_COLUMNS_MAX; c++)
			free(t->rows[i].cells[c].text);
	free(t->rows);
	*t = (struct table){.columns = t->columns};
}

static struct table_row *add_row(struct table *t)
{
	struct table_row *p;

	if ((t->n_rows & (t->n_rows - 1)) == 0) { /* full at each power of two */
		p = reallocarray(t->rows, t->n_rows ? 2 * t->n_rows : 1, sizeof(*p));
		if (!p) {
			t->error = -ENOMEM;
			return NULL;
		}
		t->rows = p;
	}
	p = &t->rows[t->n_rows++];
	memset(p, 0, sizeof(*p));
	return p;
}

static void set_cell(struct table *t, struct table_cell *cell, enum style style, const char *text)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(64 * 1024);

	text_printable(&b, text, strlen(text));
	cell->style = style;
	cell->text = strdup(buf_str(&b));
	if (!cell->text)
		t->error = -ENOMEM;
}

void table_cell(struct table *t, enum style style, const char *text)
{
	if (t->error || (t->next == 0 && !add_row(t)))
		return;
	set_cell(t, &t->rows[t->n_rows - 1].cells[t->next], style, text);
	t->next = (t->next + 1) % t->columns;
}

void table_heading(struct table *t, const char *title, const char *note)
{
	struct table_row *row;

	t->next = 0;
	if (t->error || !(row = add_row(t)))
		return;
	row->heading = true;
	set_cell(t, &row->cells[0], STYLE_BOLD, title);
	set_cell(t, &row->cells[1], STYLE_DIM, note);
}

static const char *cell_text(const struct table_row *row, unsigned c)
{
	return row->cells[c].text ? row->cells[c].text : "";
}

static void measure(const struct table *t, unsigned *widths)
{
	unsigned w;

	memset(widths, 0, TABLE_COLUMNS_MAX * sizeof(*widths));
	for (size_t i = 0; i < t->n_rows; i++)
		for (unsigned c = 0; !t->rows[i].heading && c < t->columns; c++) {
			w = term_columns(cell_text(&t->rows[i], c));
			widths[c] = w > widths[c] ? w : widths[c];
		}
}

/* GAP_COLUMNS blanks and TEXT, as much as fits behind USED columns; nothing where nothing fits, so
 * that no line ends in a blank. */
static void put(struct buf *out, const struct term *term, enum style style, const char *text,
	unsigned used, unsigned gap_columns)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(64 * 1024);

	used += gap_columns;
	if (!term->width)
		buf_adds(&b, text);
	else if (used < term->width)
		term_cut(&b, term, text, term->width - used);
	if (!b.len)
		return;
	while (gap_columns--)
		buf_addc(out, ' ');
	buf_adds(out, term_on(term, style));
	buf_adds(out, buf_str(&b));
	buf_adds(out, term_off(term, style));
}

static void print_row(const struct table *t, const struct table_row *row, const unsigned *widths,
	const struct term *term, struct buf *out)
{
	unsigned used = 0, gap = INDENT, w;
	const char *text;

	for (unsigned c = 0; c < t->columns; c++) {
		if (!widths[c])
			continue;
		text = cell_text(row, c);
		w = term_columns(text);
		if (w) {
			put(out, term, row->cells[c].style, text, used, gap);
			used += gap + w;
			gap = 0;
		}
		gap += widths[c] - w + GAP;
	}
	buf_addc(out, '\n');
}

static void print_heading(const struct table_row *row, const struct term *term, struct buf *out)
{
	const char *title = cell_text(row, 0);

	put(out, term, STYLE_BOLD, title, 0, 0);
	put(out, term, STYLE_DIM, cell_text(row, 1), term_columns(title), GAP);
	buf_addc(out, '\n');
}

int table_print(const struct table *t, const struct term *term, struct buf *out)
{
	unsigned widths[TABLE_COLUMNS_MAX];

	if (t->error)
		return t->error;
	measure(t, widths);
	for (size_t i = 0; i < t->n_rows; i++) {
		if (t->rows[i].heading)
			print_heading(&t->rows[i], term, out);
		else
			print_row(t, &t->rows[i], widths, term, out);
	}
	return out->error;
}
