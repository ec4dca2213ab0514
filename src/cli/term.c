/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/term.h"

#include "common/fd.h"
#include "common/text.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <utf8proc.h>

#define BAR_COLUMNS 10U

struct term term_init(const struct cli *cli)
{
	const char *no_color = getenv("NO_COLOR"), *name = getenv("TERM");
	struct winsize w;
	struct term t = {
		.tty = isatty(STDOUT_FILENO),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};

	t.color = t.tty && !cli->no_color && !(no_color && *no_color) && name &&
		  strcmp(name, "dumb") != 0;
	if (t.tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0) {
		t.width = w.ws_col;
		t.height = w.ws_row;
	}
	return t;
}

enum style term_state_style(enum state s)
{
	static const enum style styles[STATE_MAX_] = {
		[STATE_STARTING] = STYLE_YELLOW,
		[STATE_WAITING] = STYLE_YELLOW,
		[STATE_RUNNING] = STYLE_CYAN,
		[STATE_DONE] = STYLE_GREEN,
		[STATE_FAILED] = STYLE_RED,
		[STATE_BLOCKED] = STYLE_DIM,
		[STATE_CANCELLED] = STYLE_MAGENTA,
		[STATE_MISSED] = STYLE_MAGENTA,
		[STATE_CONFIRM] = STYLE_YELLOW,
		[STATE_RECEIVING] = STYLE_YELLOW,
		[STATE_PAUSED] = STYLE_RED,
		[STATE_MISCONFIGURED] = STYLE_RED,
	};
	return styles[s];
}

const char *term_on(const struct term *t, enum style s)
{
	static const char *const sequences[STYLE_MAX_] = {
		[STYLE_NONE] = "",
		[STYLE_BOLD] = "\033[1m",
		[STYLE_DIM] = "\033[2m",
		[STYLE_GREEN] = "\033[32m",
		[STYLE_YELLOW] = "\033[33m",
		[STYLE_RED] = "\033[31m",
		[STYLE_MAGENTA] = "\033[35m",
		[STYLE_CYAN] = "\033[1;36m",
	};
	return t->color ? sequences[s] : "";
}

const char *term_off(const struct term *t, enum style s)
{
	return t->color && s != STYLE_NONE ? "\033[0m" : "";
}

/* Length of the next character in bytes, its width in *RET_COLUMNS. */
static size_t next_char(const char *s, unsigned *ret_columns)
{
	utf8proc_int32_t c;
	utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c);
	int w;

	if (n <= 0) {
		*ret_columns = 1;
		return 1;
	}
	w = utf8proc_charwidth(c);
	*ret_columns = w > 0 ? (unsigned)w : 0;
	return (size_t)n;
}

unsigned term_columns(const char *s)
{
	unsigned total = 0, w;

	while (*s) {
		s += next_char(s, &w);
		total += w;
	}
	return total;
}

void term_cut(struct buf *out, const struct term *t, const char *s, unsigned columns)
{
	const char *dots = t->utf8 ? "\xe2\x80\xa6" : "...";
	unsigned room, used = 0, w;
	const char *p = s;
	size_t n;

	if (term_columns(s) <= columns) {
		buf_adds(out, s);
		return;
	}
	room = term_columns(dots);
	if (columns < room)
		return;
	room = columns - room;
	while (*p) {
		n = next_char(p, &w);
		if (used + w > room)
			break;
		used += w;
		p += n;
	}
	buf_add(out, s, (size_t)(p - s));
	buf_adds(out, dots);
}

void term_line(const char *text)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(64 * 1024);

	text_printable(&b, text, strlen(text));
	puts(buf_str(&b));
}

void term_bar(struct buf *out, const struct term *t, uint32_t percent)
{
	unsigned halves = percent * 2 * BAR_COLUMNS / 100;

	if (!t->utf8)
		buf_addc(out, '[');
	for (unsigned i = 0; i < BAR_COLUMNS; i++) {
		if (halves >= 2 * i + 2)
			buf_adds(out, t->utf8 ? "\xe2\x96\x88" : "#");
		else if (t->utf8 && halves == 2 * i + 1)
			buf_adds(out, "\xe2\x96\x8c");
		else
			buf_adds(out, t->utf8 ? "\xe2\x96\x91" : ".");
	}
	buf_addf(out, "%s %u%%", t->utf8 ? "" : "]", percent);
}

char *term_time(char *buf, size_t size, int64_t realtime_us, int64_t now_us)
{
	time_t then = (time_t)(realtime_us / (int64_t)USEC_PER_SEC);
	time_t now = (time_t)(now_us / (int64_t)USEC_PER_SEC);
	struct tm a, b;

	*buf = '\0';
	if (realtime_us <= 0 || !localtime_r(&then, &a) || !localtime_r(&now, &b))
		return buf;
	if (a.tm_year == b.tm_year && a.tm_yday == b.tm_yday)
		strftime(buf, size, "%H:%M:%S", &a);
	else
		strftime(buf, size, "%Y-%m-%d %H:%M", &a);
	return buf;
}
