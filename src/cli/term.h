/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal: is it one, how wide, may it have colour, can it show a bar; and text that is safe
 * on it.  Nothing is looked up twice: term_init() once in a verb, the rest are values.
 */
#ifndef FLAGMAN_CLI_TERM_H
#define FLAGMAN_CLI_TERM_H

#include "cli/cli.h"
#include "common/buf.h"
#include "common/states.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct term {
	bool tty;
	bool color;             /* a terminal, no --no-color, no NO_COLOR, TERM is not dumb */
	bool utf8;              /* the locale can show more than ASCII */
	unsigned width, height; /* columns and rows; 0: no limit (not a terminal) */
};

enum style {
	STYLE_NONE,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GREEN,
	STYLE_YELLOW,
	STYLE_RED,
	STYLE_MAGENTA,
	STYLE_CYAN,
	STYLE_MAX_,
};

struct term term_init(const struct cli *cli); /* of stdout */
enum style term_state_style(enum state s);

/* The escape sequence that begins a style, "" without colour; and the one that ends it. */
const char *term_on(const struct term *t, enum style s);
const char *term_off(const struct term *t, enum style s);

/* Columns that S takes on a terminal (utf8proc_charwidth); S is valid UTF-8. */
unsigned term_columns(const char *s);
/* S cut to COLUMNS columns, with "..." (or an ellipsis) at its end where it was longer. */
void term_cut(struct buf *out, const struct term *t, const char *s, unsigned columns);
/* TEXT on stdout as one line, made printable. */
void term_line(const char *text);

/* "████▌░░░░░ 42%", or "[####.....] 42%"; PERCENT at most 100. */
void term_bar(struct buf *out, const struct term *t, uint32_t percent);

/* "14:03:22" for today, else "2026-11-20 14:03"; "" for 0.  For people, in local time. */
char *term_time(char *buf, size_t size, int64_t realtime_us, int64_t now_us);

#endif
