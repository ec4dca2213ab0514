/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/show.h"

#include "cli/target.h"
#include "common/fd.h"
#include "common/states.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_COLUMNS 5U

const char *show_state(enum state s)
{
	const char *label = state_label(s);

	return *label ? label : "ready";
}

void show_who(struct buf *out, const struct control_run *r)
{
	if (!r->run)
		return;
	buf_adds(out, r->user);
	if (*r->address)
		buf_addf(out, "%s(%s)", *r->user ? " " : "", r->address);
}

/* "12 s" since THEN; "" in its first second, and where the clock was set back. */
static char *elapsed(char *b, size_t size, int64_t then, int64_t now)
{
	*b = '\0';
	if (then > 0 && now - then >= (int64_t)USEC_PER_SEC)
		text_duration(b, size, (uint64_t)(now - then) / USEC_PER_SEC * USEC_PER_SEC);
	return b;
}

static char *lasted(char *b, size_t size, const struct control_run *r)
{
	*b = '\0';
	if (r->started > 0 && r->ended)
		text_duration(b, size, r->lasted);
	return b;
}

static void add_phrase(struct buf *out, const char *s)
{
	if (*s)
		buf_addf(out, "%s%s", out->len ? "; " : "", s);
}

/* The words of the result, unless they are the state's own. */
void show_run_result(struct buf *out, const struct control_run *r)
{
	if (strcasecmp(r->result, show_state((enum state)r->state)) != 0)
		add_phrase(out, r->result);
	add_phrase(out, r->payload);
}

void show_action_result(struct buf *out, const struct control_action *a, int64_t now)
{
	char b[64];

	switch ((enum state)a->state) {
	case STATE_RUNNING:
		add_phrase(out, elapsed(b, sizeof(b), a->since, now));
		add_phrase(out, a->progress);
		add_phrase(out, a->last.payload);
		break;
	case STATE_DONE:
	case STATE_FAILED:
	case STATE_CANCELLED:
	case STATE_MISSED:
		show_run_result(out, &a->last);
		if (*lasted(b, sizeof(b), &a->last))
			buf_addf(out, "%sin %s", out->len ? "; " : "", b);
		break;
	default:
		add_phrase(out, a->progress);
		break;
	}
	add_phrase(out, a->note);
}

static int compare(const void *pa, const void *pb)
{
	const struct control_action *a = *(const struct control_action *const *)pa;
	const struct control_action *b = *(const struct control_action *const *)pb;
	int r = strcmp(a->object, b->object);

	if (r == 0)
		r = strcmp(a->group, b->group);
	return r ? r : (a > b) - (a < b);
}

void show_sort(struct control_action *actions, size_t n)
{
	_cleanup_free_ struct control_action **order = calloc(n + 1, sizeof(*order));
	_cleanup_free_ struct control_action *sorted = calloc(n + 1, sizeof(*sorted));

	if (n == 0 || !order || !sorted)
		return; /* out of memory: then in the agent's order */
	for (size_t i = 0; i < n; i++)
		order[i] = &actions[i];
	qsort(order, n, sizeof(struct control_action *), compare);
	for (size_t i = 0; i < n; i++)
		sorted[i] = *order[i];
	memcpy(actions, sorted, n * sizeof(*actions));
}

static void add_state(struct buf *b, const struct term *term, const struct control_action *a)
{
	buf_adds(b, show_state((enum state)a->state));
	if (a->percent > 100)
		return;
	buf_addc(b, ' ');
	if (term->tty)
		term_bar(b, term, a->percent);
	else
		buf_addf(b, "%u%%", a->percent);
}

static void status_row(
	struct table *t, const struct term *term, const struct control_action *a, int64_t now)
{
	_cleanup_(buf_done) struct buf state = BUF_INIT(256), who = BUF_INIT(512),
				       result = BUF_INIT(2048);
	char when[32];

	add_state(&state, term, a);
	if (a->state != STATE_READY && a->state != STATE_BLOCKED)
		show_who(&who, &a->last);
	show_action_result(&result, a, now);
	table_cell(t, STYLE_NONE, a->action);
	table_cell(t, term_state_style((enum state)a->state), buf_str(&state));
	table_cell(t, STYLE_NONE,
		a->state == STATE_READY ? "" : term_time(when, sizeof(when), a->since, now));
	table_cell(t, STYLE_NONE, buf_str(&who));
	/* A button at rest says what it is for. */
	if (a->state == STATE_READY && !result.len)
		table_cell(t, STYLE_DIM, a->description);
	else
		table_cell(t, STYLE_NONE, buf_str(&result));
}

static bool same_board(const struct control_action *a, const struct control_action *b)
{
	return strcmp(a->object, b->object) == 0 && strcmp(a->group, b->group) == 0;
}

int show_status(struct buf *out, const struct term *term, const struct control_action *actions,
	size_t n, int64_t now)
{
	_cleanup_(table_done) struct table t = TABLE_INIT(STATUS_COLUMNS);
	static const char *const titles[STATUS_COLUMNS] = {
		"ACTION", "STATE", "SINCE", "WHO", "RESULT"};
	char name[TARGET_NAME_MAX];

	for (unsigned i = 0; n && i < STATUS_COLUMNS; i++)
		table_cell(&t, STYLE_DIM, titles[i]);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !same_board(&actions[i], &actions[i - 1]))
			table_heading(
				&t, target_name(name, actions[i].object, actions[i].group, ""), "");
		status_row(&t, term, &actions[i], now);
	}
	return table_print(&t, term, out);
}

static void add_printable(struct buf *out, const char *s)
{
	text_printable(out, s, strlen(s));
}

void show_action_line(struct buf *out, const struct control_action *a, int64_t now)
{
	_cleanup_(buf_done) struct buf who = BUF_INIT(512), result = BUF_INIT(2048);
	char name[TARGET_NAME_MAX];

	show_who(&who, &a->last);
	show_action_result(&result, a, now);
	add_printable(out, target_name(name, a->object, a->group, a->action));
	buf_addf(out, ": %s", a->removed ? "removed" : show_state((enum state)a->state));
	if (a->percent <= 100)
		buf_addf(out, " %u%%", a->percent);
	if (who.len && a->state != STATE_READY && a->state != STATE_BLOCKED) {
		buf_adds(out, ", ");
		add_printable(out, buf_str(&who));
	}
	if (result.len) {
		buf_adds(out, ", ");
		add_printable(out, buf_str(&result));
	}
}

void show_run_line(struct buf *out, const struct control_run *r)
{
	_cleanup_(buf_done) struct buf result = BUF_INIT(1024);
	char name[TARGET_NAME_MAX];

	show_run_result(&result, r);
	buf_addf(out, "run %llu of ", (unsigned long long)r->run);
	add_printable(out, target_name(name, r->object, r->group, r->action));
	buf_addf(out, ": %s", show_state((enum state)r->state));
	if (result.len) {
		buf_adds(out, ", ");
		add_printable(out, buf_str(&result));
	}
}

void show_disc_row(struct table *t, const struct control_disc *d, int64_t now)
{
	_cleanup_(buf_done) struct buf who = BUF_INIT(512), verdict = BUF_INIT(512);
	char number[24], time[32], size[64], speed[72] = "", name[TARGET_NAME_MAX];
	const struct control_run *r = &d->run;

	snprintf(number, sizeof(number), "%llu", (unsigned long long)r->run);
	show_who(&who, r);
	buf_adds(&verdict, d->verdict);
	if (*d->against)
		buf_addf(&verdict, " (%s)", d->against);
	if (d->speed)
		snprintf(speed, sizeof(speed), "%s/s", text_size(size, sizeof(size), d->speed));
	table_cell(t, STYLE_DIM, number);
	table_cell(t, STYLE_NONE, term_time(time, sizeof(time), r->ended, now));
	table_cell(t, STYLE_NONE, target_name(name, r->object, r->group, r->action));
	table_cell(t, STYLE_NONE, buf_str(&who));
	table_cell(t, STYLE_NONE, d->image);
	table_cell(t, STYLE_NONE, text_size(size, sizeof(size), d->length));
	table_cell(t, STYLE_NONE, d->media);
	table_cell(t, STYLE_NONE, speed);
	table_cell(t, term_state_style((enum state)r->state), buf_str(&verdict));
}

void show_history_row(struct table *t, const struct control_run *r, int64_t now)
{
	_cleanup_(buf_done) struct buf who = BUF_INIT(512), result = BUF_INIT(1024);
	int64_t when = r->pressed ? r->pressed : r->claimed;
	char number[24], time[32], duration[64], name[TARGET_NAME_MAX];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)r->run);
	show_who(&who, r);
	show_run_result(&result, r);
	table_cell(t, STYLE_DIM, number);
	table_cell(t, STYLE_NONE, term_time(time, sizeof(time), when, now));
	table_cell(t, STYLE_NONE, target_name(name, r->object, r->group, r->action));
	table_cell(t, term_state_style((enum state)r->state), show_state((enum state)r->state));
	table_cell(t, STYLE_NONE, buf_str(&who));
	table_cell(t, STYLE_NONE, lasted(duration, sizeof(duration), r));
	table_cell(t, STYLE_NONE, buf_str(&result));
}
