/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/content.h"
#include "agent/content_output.h"
#include "agent/content_parts.h"
#include "common/text.h"

#include <string.h>

#define WORDS_MAX    512
#define FIELD_INDENT 10
#define CANCELLED    "cancelled: "
#define WHO_MAX      24 /* columns of a person in the list of earlier runs */

/* What a shell or the kernel says with it; people ask. */
static const char *explain(const struct run_end *e)
{
	if (e->kind == END_EXITED && e->code == 126)
		return "so a shell says that a command can't be executed";
	if (e->kind == END_EXITED && e->code == 127)
		return "so a shell says that a command was not found";
	if (e->kind != END_SIGNALED || e->stop != STOP_NONE)
		return NULL;
	switch (e->code) {
	case 6:
		return "ABRT: it gave up by itself";
	case 9:
		return "KILL: somebody, or the kernel for want of memory, ended it";
	case 11:
		return "SEGV: it crashed";
	case 15:
		return "TERM: somebody asked it to end";
	default:
		return NULL;
	}
}

/* What stands behind the state's word: the result, or what the state means. */
static void ended_phrase(struct buf *b, const struct content_action *a)
{
	char words[WORDS_MAX];

	if (!a->run)
		return;
	run_result_words(a->run, a->timeout, words, sizeof words);
	const char *w = words;
	if (a->state == STATE_MISSED && strncmp(w, RUN_NOT_RUN, strlen(RUN_NOT_RUN)) == 0)
		w += strlen(RUN_NOT_RUN);
	if (a->state == STATE_DONE && strncmp(w, "done", 4) == 0)
		w += w[4] == ',' ? 6 : 4;
	if (a->state == STATE_CANCELLED && strncmp(w, CANCELLED, strlen(CANCELLED)) == 0)
		w += strlen(CANCELLED);
	if (*w && strcmp(w, state_word(a->state)) != 0)
		buf_addf(b, ": %s", w);
}

static void state_phrase(struct buf *b, const struct content_action *a)
{
	char duration[64];

	switch (a->state) {
	case STATE_READY:
		if (a->drop_folder)
			buf_addf(b, ": put a file into the folder %s to run it.", a->drop_folder);
		else
			buf_adds(b, ": press it to run it.");
		break;
	case STATE_STARTING:
		buf_adds(b, ": it was pressed. Press it again at once to call it off.");
		break;
	case STATE_WAITING:
		buf_adds(b, ": it was pressed and waits for its turn.");
		break;
	case STATE_RUNNING:
		if (a->progress && a->progress[0])
			buf_addf(b, ": %s", a->progress);
		break;
	case STATE_BLOCKED:
		buf_adds(b, ": it can't be pressed now.");
		break;
	case STATE_CONFIRM:
		buf_adds(b, ": it was pressed once and runs when it is pressed again");
		if (a->confirm && a->confirm != USEC_INFINITY)
			buf_addf(b, " within %s",
				text_duration(duration, sizeof duration, a->confirm));
		buf_addc(b, '.');
		break;
	case STATE_RECEIVING:
		buf_adds(b, ": a file is still being written");
		if (a->drop_folder)
			buf_addf(b, " into the folder %s", a->drop_folder);
		buf_addc(b, '.');
		break;
	case STATE_PAUSED:
		buf_adds(b, ": it ran too often in a short time, as if something pressed it in a "
			    "loop.");
		break;
	case STATE_MISCONFIGURED:
		buf_adds(b, ": it can't run until its configuration is mended.");
		break;
	case STATE_DONE:
	case STATE_FAILED:
	case STATE_CANCELLED:
	case STATE_MISSED:
		ended_phrase(b, a);
		break;
	case STATE_MAX_:
		break;
	}
}

static void headline(struct buf *out, const struct content_action *a)
{
	struct buf line = BUF_INIT(64 * 1024);

	part_state(&line, a);
	state_phrase(&line, a);
	part_wrap(out, 0, 0, buf_str(&line));
	if (a->note && a->note[0])
		part_wrap(out, 0, 0, a->note);
	if (a->misconfigured && a->misconfigured[0])
		part_wrap(out, 0, 0, a->misconfigured);

	buf_reset(&line);
	buf_addf(&line, "%s: %s", a->object, a->name);
	part_end(out);
	part_wrap(out, 0, 0, buf_str(&line));
	if (a->description && a->description[0])
		part_wrap(out, 0, 0, a->description);
	buf_done(&line);
}

/* NAME and what follows it are one line; VALUE is wrapped below itself. */
static void field(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%-*s", FIELD_INDENT, name);
	part_wrap(out, FIELD_INDENT, FIELD_INDENT, value);
}

static void person_field(struct buf *out, const struct run *r)
{
	struct buf b = BUF_INIT(4096);

	if (!r->user || !r->user[0]) {
		buf_adds(&b, "not known: a file does not tell who pressed it");
	} else {
		part_person(&b, r);
		if (r->certainty == CERTAINTY_AUDIT)
			buf_adds(&b, " (says Samba's log)");
		else if (r->certainty == CERTAINTY_OWNER)
			buf_adds(&b, " (who owns the file that was put there)");
		else if (r->certainty == CERTAINTY_UNKNOWN)
			buf_adds(&b, " (not certain)");
	}
	field(out, "By", buf_str(&b));
	buf_done(&b);
}

static void pressed_field(struct buf *out, const struct content_action *a)
{
	struct buf b = BUF_INIT(4096);

	part_when(&b, a->run->pressed);
	switch (a->run->trigger) {
	case TRIGGER_DELETE:
		buf_adds(&b, ", by deleting it");
		break;
	case TRIGGER_MOVE:
		buf_addf(&b, ", by moving it into %s", a->run_folder ? a->run_folder : "Run");
		break;
	case TRIGGER_DROP:
		buf_adds(&b, ", by dropping a file");
		break;
	case TRIGGER_CLI:
		buf_adds(&b, ", with flagman run");
		break;
	case TRIGGER_MAX_:
		break;
	}
	field(out, "Pressed", buf_str(&b));
	buf_done(&b);
}

static void time_field(struct buf *out, const char *name, int64_t realtime)
{
	buf_addf(out, "%-*s", FIELD_INDENT, name);
	part_when(out, realtime);
	part_end(out);
}

static void duration_field(struct buf *out, const char *name, uint64_t usec)
{
	char duration[64];

	field(out, name, text_duration(duration, sizeof duration, usec));
}

/* 0: it did not, or nobody knows. */
static int64_t run_began(const struct run *r)
{
	if (r->end.kind == END_NOT_STARTED)
		return 0;
	return r->end.started ? r->end.started : r->claimed;
}

static void result_field(struct buf *out, const struct content_action *a)
{
	struct buf b = BUF_INIT(4096);
	char words[WORDS_MAX];
	const char *why = explain(&a->run->end);

	buf_adds(&b, run_result_words(a->run, a->timeout, words, sizeof words));
	if (why && a->run->cause == CAUSE_NONE)
		buf_addf(&b, " (%s)", why);
	field(out, "Result", buf_str(&b));
	buf_done(&b);
}

static void payload_fields(struct buf *out, const struct run *r)
{
	struct buf b = BUF_INIT(4096);
	char size[64];

	if (!r->payload || !r->payload[0])
		return;
	part_printable(&b, r->payload);
	buf_addf(&b, ", %s", text_size(size, sizeof size, r->payload_size));
	field(out, "File", buf_str(&b));
	if (r->payload_sha256 && r->payload_sha256[0])
		field(out, "SHA-256", r->payload_sha256);
	buf_done(&b);
}

/* States that show a run which is over as something of the past. */
static bool is_past(enum state s)
{
	return s == STATE_READY || s == STATE_BLOCKED || s == STATE_CONFIRM ||
	       s == STATE_RECEIVING || s == STATE_PAUSED || s == STATE_MISCONFIGURED;
}

static void run_fields(struct buf *out, const struct content_action *a)
{
	const struct run *r = a->run;
	int64_t began = run_began(r);

	if (is_past(a->state))
		part_heading(out, "The last run");
	else
		part_end(out);
	person_field(out, r);
	pressed_field(out, a);
	if (began)
		time_field(out, "Started", began);
	if (r->state == STATE_RUNNING && began && a->so_far)
		duration_field(out, "So far", a->so_far);
	if (r->state == STATE_RUNNING && a->timeout && a->timeout != USEC_INFINITY)
		duration_field(out, "At most", a->timeout);
	if (!run_is_open(r)) {
		if (r->end.ended)
			time_field(out, "Ended", r->end.ended);
		if (run_may_have_started(r))
			duration_field(out, "Took", r->end.lasted);
		result_field(out, a);
	}
	payload_fields(out, r);
	if (r->id)
		buf_addf(out, "%-*s%llu\r\n", FIELD_INDENT, "Run", (unsigned long long)r->id);
}

static bool has_bytes(const struct buf *b)
{
	return b && b->len > 0;
}

static void output_part(struct buf *out, const struct content_action *a)
{
	bool live = a->run->state == STATE_RUNNING;

	if (has_bytes(a->head) || has_bytes(a->tail) || a->left_out) {
		part_heading(out, live ? "Output so far" : "Output");
		content_output(out, a->head, a->tail, a->left_out, live);
	} else if (live || run_may_have_started(a->run)) {
		part_heading(out, live ? "Output so far" : "Output");
		buf_adds(out, live ? "Nothing yet.\r\n" : "It wrote nothing.\r\n");
	}
}

static void press_part(struct buf *out, const struct content_action *a)
{
	struct part_presses p = {a->press_delete, a->press_move, a->run_folder};
	char duration[64];

	if (a->state == STATE_MISCONFIGURED)
		return;
	part_heading(out, "How to press it");
	if (a->drop_folder) {
		part_how_to_drop(out, a);
		if (!p.by_delete && !p.by_move)
			return;
		buf_adds(out,
			"When it has failed, press this file to try the same one again.\r\n\r\n");
	}
	part_how_to_press(out, &p);
	if (a->confirm)
		buf_addf(out, "The first press asks; press again within %s to run it.\r\n",
			text_duration(duration, sizeof duration, a->confirm));
	if (a->cancel_by_press)
		buf_adds(out, "While it runs, a press cancels it.\r\n");
	else if (a->state == STATE_RUNNING)
		buf_adds(out, "While it runs, a press does nothing: the file comes back.\r\n");
	if (a->hold)
		buf_adds(out,
			"Several buttons pressed at once run nothing: they all come back.\r\n");
}

/* One line each: why it was not run stands in its own text at the time. */
static void recent_result(struct buf *b, const struct run *r, uint64_t timeout)
{
	char words[WORDS_MAX], duration[64];

	run_result_words(r, timeout, words, sizeof words);
	if (strncmp(words, RUN_NOT_RUN, strlen(RUN_NOT_RUN)) == 0)
		buf_adds(b, "not run");
	else
		buf_adds(b, words);
	if (run_may_have_started(r) && !run_is_open(r))
		buf_addf(b, ", %s", text_duration(duration, sizeof duration, r->end.lasted));
}

static void recent_line(struct buf *out, const struct run *r, uint64_t timeout, size_t who_width)
{
	struct buf b = BUF_INIT(4096);
	size_t start = out->len, at;

	part_when(out, r->pressed);
	at = out->len - start + 2;
	part_pad(out, 2);
	part_person(&b, r);
	size_t columns = part_columns(buf_str(&b));
	buf_adds(out, buf_str(&b));
	part_pad(out, columns < who_width ? who_width - columns + 2 : 2);
	buf_reset(&b);
	recent_result(&b, r, timeout);
	part_wrap(out, at + (columns < who_width ? who_width : columns) + 2, at, buf_str(&b));
	buf_done(&b);
}

static size_t who_columns(const struct content_action *a)
{
	struct buf who = BUF_INIT(4096);
	size_t width = 0;

	for (size_t i = 0; i < a->n_recent; i++) {
		buf_reset(&who);
		part_person(&who, a->recent[i]);
		size_t columns = part_columns(buf_str(&who));
		if (columns > width && columns <= WHO_MAX)
			width = columns;
	}
	buf_done(&who);
	return width;
}

static void recent_part(struct buf *out, const struct content_action *a)
{
	size_t width = who_columns(a);

	if (a->n_recent == 0)
		return;
	part_heading(out, "Earlier runs");
	for (size_t i = 0; i < a->n_recent; i++)
		recent_line(out, a->recent[i], a->timeout, width);
}

int content_flag(struct buf *out, const struct content_action *a)
{
	headline(out, a);
	if (a->run) {
		run_fields(out, a);
		output_part(out, a);
	} else if (a->state == STATE_READY) {
		buf_adds(out, "\r\nIt has not run yet.\r\n");
	}
	press_part(out, a);
	recent_part(out, a);
	return out->error;
}
