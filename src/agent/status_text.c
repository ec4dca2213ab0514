/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Status.txt: the first thing that somebody opens who never saw flagman.  No durations in it, only
 * times: it is written when something changes, and read later.
 */
#include "agent/content.h"
#include "agent/content_parts.h"
#include "common/text.h"

#include <string.h>

#define NAME_WIDTH_MAX  24
#define STATE_WIDTH_MAX 24
#define WORDS_MAX       512

static void introduction(struct buf *out, const char *object, const char *description)
{
	part_wrap(out, 0, 0, object);
	if (description && description[0])
		part_wrap(out, 0, 0, description);
	part_end(out);
	part_wrap(out, 0, 0,
		"The files beside this one are buttons. A word in brackets in a file's name tells"
		" how it stands; open the file to read what it did. This file is not a button.");
}

static size_t state_columns(const struct content_action *a)
{
	struct buf b = BUF_INIT(1024);

	part_state(&b, a);
	size_t n = part_columns(buf_str(&b));
	buf_done(&b);
	return n;
}

/* Name, state, what it does; the columns are as wide as the longest that is not too wide. */
static void buttons(struct buf *out, const struct content_action *const *actions, size_t n)
{
	size_t names = 0, states = 0;

	for (size_t i = 0; i < n; i++) {
		size_t name = part_columns(actions[i]->name), state = state_columns(actions[i]);
		if (name > names && name <= NAME_WIDTH_MAX)
			names = name;
		if (state > states && state <= STATE_WIDTH_MAX)
			states = state;
	}
	part_heading(out, "The buttons");
	if (n == 0)
		buf_adds(out, "There are none.\r\n");
	for (size_t i = 0; i < n; i++) {
		const struct content_action *a = actions[i];
		size_t name = part_columns(a->name), state = state_columns(a);
		size_t at = (name > names ? name : names) + 2;

		part_printable(out, a->name);
		part_pad(out, at - name);
		part_state(out, a);
		at += state;
		if (a->description && a->description[0]) {
			size_t column = names + 2 + states + 2;
			size_t pad = at + 2 < column ? column - at : 2;
			part_pad(out, pad);
			part_wrap(out, at + pad, column, a->description);
		} else {
			part_end(out);
		}
	}
}

/* What all of them have in common; the exceptions follow. */
static struct part_presses common_presses(const struct content_action *const *actions, size_t n)
{
	struct part_presses p = {0};

	for (size_t i = 0; i < n; i++) {
		p.by_delete |= actions[i]->press_delete;
		p.by_move |= actions[i]->press_move;
		if (actions[i]->press_move && actions[i]->run_folder)
			p.run_folder = actions[i]->run_folder;
	}
	return p;
}

static void exceptions(struct buf *out, const struct content_action *const *actions, size_t n,
	const struct part_presses *p)
{
	struct buf line = BUF_INIT(4096);

	for (size_t i = 0; i < n; i++) {
		const struct content_action *a = actions[i];

		buf_reset(&line);
		if (!a->press_delete && !a->press_move && !a->drop_folder)
			buf_addf(&line, "%s is not pressed through its file.", a->name);
		else if (p->by_delete && !a->press_delete && a->press_move)
			buf_addf(&line, "%s is pressed only by moving it into %s.", a->name,
				p->run_folder);
		else if (p->by_move && !a->press_move && a->press_delete)
			buf_addf(&line, "%s is pressed only by deleting it.", a->name);
		if (line.len)
			part_wrap(out, 0, 0, buf_str(&line));
	}
	buf_done(&line);
}

static void how(
	struct buf *out, const struct content_action *const *actions, size_t n, bool press_only)
{
	struct part_presses p = common_presses(actions, n);

	if (press_only || !p.run_folder)
		p.by_move = false;
	if (!p.by_delete && !p.by_move)
		return;
	part_heading(out, "How to press a button");
	buf_adds(out, p.by_delete
			      ? "Delete its file: the button runs, and comes back by itself.\r\n"
			      : "Move its file: the button runs, and comes back by itself.\r\n");
	part_how_to_press(out, &p);
	exceptions(out, actions, n, &p);
	buf_adds(out, "Several pressed at once run nothing: they all come back.\r\n");
}

static void drops(struct buf *out, const struct content_action *const *actions, size_t n)
{
	struct buf line = BUF_INIT(4096);
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		const struct content_action *a = actions[i];

		if (!a->drop_folder)
			continue;
		if (!any)
			part_heading(out, "Drop folders");
		any = true;
		buf_reset(&line);
		buf_addf(&line, "%s takes %s and runs %s.", a->drop_folder,
			a->accept && a->accept[0] ? a->accept : "files", a->name);
		part_wrap(out, 0, 0, buf_str(&line));
	}
	if (any)
		buf_adds(
			out, "Copy a file there and wait until it has gone: then it is taken.\r\n");
	buf_done(&line);
}

static void now_line(struct buf *out, const struct content_action *a)
{
	struct buf line = BUF_INIT(8192);

	buf_addf(&line, "%s: ", a->name);
	part_state(&line, a);
	if (a->state == STATE_RUNNING && a->progress && a->progress[0])
		buf_addf(&line, ", %s", a->progress);
	if (a->run) {
		buf_adds(&line, ". Pressed by ");
		part_person(&line, a->run);
		buf_adds(&line, ", ");
		part_when(&line, a->run->pressed);
	}
	buf_addc(&line, '.');
	part_wrap(out, 0, PART_INDENT, buf_str(&line));
	buf_done(&line);
}

static void running(struct buf *out, const struct content_action *const *actions, size_t n)
{
	bool any = false;

	part_heading(out, "Now");
	for (size_t i = 0; i < n; i++) {
		enum state s = actions[i]->state;

		if (s != STATE_STARTING && s != STATE_WAITING && s != STATE_RUNNING &&
			s != STATE_RECEIVING)
			continue;
		any = true;
		now_line(out, actions[i]);
	}
	if (!any)
		buf_adds(out, "Nothing runs.\r\n");
}

static void last_press(struct buf *out, const struct content_action *const *actions, size_t n)
{
	const struct content_action *last = NULL;
	struct buf line = BUF_INIT(8192);
	char words[WORDS_MAX];

	for (size_t i = 0; i < n; i++)
		if (actions[i]->run && (!last || actions[i]->run->pressed > last->run->pressed))
			last = actions[i];
	part_heading(out, "Pressed last");
	if (last) {
		buf_addf(&line, "%s, by ", last->name);
		part_person(&line, last->run);
		buf_adds(&line, ", ");
		part_when(&line, last->run->pressed);
		buf_addf(&line, ": %s.",
			run_result_words(last->run, last->timeout, words, sizeof words));
		part_wrap(out, 0, PART_INDENT, buf_str(&line));
	} else {
		buf_adds(out, "Nothing was pressed yet.\r\n");
	}
	buf_done(&line);
}

int content_status(struct buf *out, const char *object, const char *description,
	const struct content_action *const *actions, size_t n, bool press_only, int64_t now)
{
	introduction(out, object, description);
	buttons(out, actions, n);
	how(out, actions, n, press_only);
	drops(out, actions, n);
	running(out, actions, n);
	last_press(out, actions, n);
	part_end(out);
	buf_adds(out, "Written ");
	part_when(out, now);
	buf_adds(out, ".\r\n");
	return out->error;
}
