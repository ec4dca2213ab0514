/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The boards at start: what follows from what was found. */
#include "agent/adopt.h"
#include "agent/adopt_facts.h"
#include "agent/board.h"
#include "agent/custody.h"
#include "agent/find.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/press_rules.h"
#include "agent/runs.h"
#include "common/log.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void apply_keep(struct agent *a, struct flag *f, struct row *row, int dirfd)
{
	char name[FLAG_NAME_MAX], want[FLAG_NAME_MAX];
	enum state s = row->state;

	f->token = row->token;
	f->id = row->id;
	f->place = PLACE_PUBLISHED;
	f->owned = true;
	f->shown_state = row->state;
	f->shown_step = STEP_NONE;
	flag_name(a, f, s, STEP_NONE, name);
	if (row->shown && strcmp(row->shown, name) != 0) {
		/* renamed, blocked, or at some per cent when all ended */
		if (renameat2(dirfd, row->shown, dirfd, name, RENAME_NOREPLACE) < 0) {
			(void)unlinkat(dirfd, row->shown, 0);
			f->place = PLACE_NONE;
		}
	}
	f->fd = steal_fd(&row->fd);
	if (f->fd < 0 && f->place == PLACE_PUBLISHED && a->n_fds < a->fd_budget) {
		f->fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		a->n_fds += f->fd >= 0;
	}
	f->reown = row->disowned;
	if (row->resolved) {
		flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
		return;
	}
	if (s == STATE_STARTING || s == STATE_WAITING || s == STATE_RUNNING || s == STATE_CONFIRM ||
		s == STATE_RECEIVING)
		s = STATE_READY;
	f->state = (uint8_t)s;
	f->since = row->since;
	f->run = row->run;
	if (row->note)
		press_note(a, f, "%s", row->note);
	f->dirty &= (uint8_t) ~(DIRTY_ROW | DIRTY_CONTENT);
	if (row->blank)
		flag_mark(a, f, DIRTY_CONTENT);
	press_arm(a, f);
	if (strcmp(flag_name(a, f, flag_display(a, f, NULL), STEP_NONE, want), name) != 0 ||
		f->place == PLACE_NONE || f->reown)
		flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
}

/* As look_replaced() does it.  Under the name that the fresh flag takes, flag_flush() puts right
 * what stands there: it can tell a copy. */
static void put_right(struct agent *a, struct flag *f, const struct row *row, int dirfd)
{
	const struct view_board *v = board_view(a, flag_board(a, f));
	const char *object = board_object(a, flag_board(a, f));
	char next[FLAG_NAME_MAX];
	struct file_info info;

	log_info("%s: %s was replaced by another file: put right", object, row->replaced);
	flag_name(a, f, flag_display(a, f, NULL), STEP_NONE, next);
	if (strcmp(next, row->replaced) == 0 || file_info_at(dirfd, row->replaced, &info) < 0)
		return;
	for (uint32_t i = 0; i < v->n_actions; i++)
		if (file_id_equal(&info.id, &a->adoption->rows[v->first_action + i].id))
			return; /* another flag, which goes back to its own place */
	int r = flag_put_aside(dirfd, row->replaced, -1);
	if (r < 0)
		log_warning(
			"%s: %s stands in a flag's place: %s", object, row->replaced, strerror(-r));
}

bool adopt_is_trigger(const struct agent *a, const struct flag *f, enum found found)
{
	unsigned bit = TRIGGER_BIT(found == FOUND_TAKEN ? TRIGGER_MOVE : TRIGGER_DELETE);

	return (flag_press(a, f)->triggers & bit) != 0;
}

/* Its action wants two presses, and nobody had been asked for the second. */
static bool is_first(const struct agent *a, const struct flag *f, const struct row *row)
{
	const struct view_press *p = flag_press(a, f);

	return p->confirm &&
	       !(row->state == STATE_CONFIRM && press_confirms(p, row->since, row->pressed));
}

/* What was taken to staging for a flag is let go: it is pressed, or put back.  A payload stays. */
static void drop_taken(struct agent *a, struct flag *f, const struct row *row)
{
	char hex[TOKEN_HEX + 1];

	if (row->found == FOUND_TAKEN && !row->payload)
		(void)unlinkat(board_base(a, flag_board(a, f))->staging_fd,
			token_hex(&row->token, hex), 0);
}

/* Nothing was pressed, though the flag is gone: a fresh one, and its text may say why. */
static void apply_fresh(struct agent *a, struct flag *f, const struct row *row,
	const struct facts *facts, int dirfd)
{
	if (facts->found == FOUND_REPLACED)
		put_right(a, f, row, dirfd);
	else if (facts->found == FOUND_ABSENT || facts->found == FOUND_TAKEN)
		log_info("%s/%s: it was missing: put back", board_object(a, flag_board(a, f)),
			flag_action_name(a, f));
	if (facts->mass)
		press_mass_note(a, f);
	else if (facts->no_trigger)
		press_note(a, f, "%s it is not how it is pressed here.",
			facts->found == FOUND_TAKEN ? "Moving" : "Deleting");
	drop_taken(a, f, row);
}

static void apply_row(struct agent *a, struct flag *f, struct row *row, const struct facts *facts,
	struct claim *c, int dirfd)
{
	enum verdict v = verdict_of(facts);
	struct run run = {0};

	f->adopted = true;
	if (v == VERDICT_FRESH && row->known && !row->resolved)
		flag_forget(a, f);
	if (row->resolved && row->replaced && (row->called_off || !row->reappeared))
		put_right(a, f, row, dirfd);
	if (row->resolved && (!f->live || !token_equal(&f->live->run.token, &row->token)))
		drop_taken(a, f, row);
	if (v == VERDICT_KEEP) {
		apply_keep(a, f, row, dirfd);
		return;
	}
	if (row->present) { /* spent, though it is there */
		char name[FLAG_NAME_MAX];
		(void)unlinkat(dirfd,
			row->shown ? row->shown : flag_name(a, f, row->state, STEP_NONE, name), 0);
	}
	flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
	if (row->resolved)
		return;
	if (row->known) { /* what it showed, until the verdict says more */
		f->state = row->state == STATE_DONE || row->state == STATE_FAILED ||
					   row->state == STATE_CANCELLED ||
					   row->state == STATE_MISSED
				   ? row->state
				   : STATE_READY;
		f->since = row->since;
		f->run = row->run;
		press_arm(a, f);
		if (flag_action(a, f)->drop != VIEW_NONE && !c)
			custody_find_kept(a, f, row->payload ? &row->token : NULL);
	}
	if (v == VERDICT_FRESH) {
		apply_fresh(a, f, row, facts, dirfd);
		return;
	}
	if (v == VERDICT_CONFIRM) {
		press_first(a, f);
		return;
	}
	if (store_get_run_by_token(a->store, &row->token, &run) < 0) {
		const struct board *b = flag_board(a, f);
		run = (struct run){
			.id = c && c->m.run ? c->m.run : a->next_run++,
			.token = row->token,
			.object = adopt_copy(board_object(a, b)),
			.group = adopt_copy(board_group(a, b)),
			.action = adopt_copy(flag_action_name(a, f)),
			.trigger = facts->found == FOUND_TAKEN ? TRIGGER_MOVE : TRIGGER_DELETE,
			.pressed = row->pressed,
		};
	}
	if (row->payload && c && !run.payload)
		custody_hand_over(a, f, &run);
	adopt_run(a, f, &run, v, c);
	if (f->live && !f->live->run.payload)
		drop_taken(a, f, row); /* the run has it all */
	run_done(&run);
	if (c)
		c->used = true;
}

static struct facts facts_of(
	const struct agent *a, const struct flag *f, const struct row *row, const struct claim *c)
{
	const struct seen *seen = &a->adoption->seen[flag_board(a, f) - a->boards];

	return (struct facts){
		.found = row->known ? (enum found)row->found : FOUND_UNKNOWN,
		.claimed = c != NULL,
		.claim = c ? (enum claim_state)c->m.state : CLAIM_INTERRUPTED,
		.agent_restarted = a->restarted,
		.same_boot = row->same_boot,
		.directory_changed = seen->changed && !row->payload,
		.absent_of_object = row->resolved  ? 2
				    : row->payload ? 0
						   : seen->gone,
		.mass = row->mass,
		.missed_run = adopt_is_young(a, f, row->pressed),
		.unconfirmed = is_first(a, f, row),
		.no_trigger = !row->payload && !adopt_is_trigger(a, f, row->found) &&
			      (row->found == FOUND_ABSENT || row->found == FOUND_TAKEN),
	};
}

/* Is something to be done in its directory?  After a clean stop nothing is, and ten thousand of
 * them need not be opened again. */
static bool needs_directory(struct agent *a, struct board *b)
{
	const struct view_board *v = board_view(a, b);

	for (uint32_t i = 0; i < v->n_actions; i++) {
		const struct row *row = &a->adoption->rows[v->first_action + i];
		bool kept = row->known && row->found == FOUND_PRESENT && row->fd >= 0;
		if (!kept || row->shown || row->replaced || row->resolved ||
			adopt_claim_of(a->adoption, &row->token))
			return true;
	}
	return false;
}

void adopt_verdicts(struct agent *a, struct board *b)
{
	const struct view_board *v = board_view(a, b);
	bool needed = b->usable && needs_directory(a, b);
	_cleanup_close_ int dirfd = needed ? board_open(a, b) : -1;

	if (needed && dirfd < 0) { /* it went just now */
		b->usable = false;
		board_look_at(a, b, LOOK_ALL);
	}

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		struct row *row = &a->adoption->rows[v->first_action + i];
		struct claim *c = row->known ? adopt_claim_of(a->adoption, &row->token) : NULL;
		struct facts facts = facts_of(a, f, row, c);
		if (!b->usable) { /* nothing can be told of its flags; they come with the directory
				   */
			f->adopted = true;
			if (row->known) {
				f->state = row->state == STATE_FAILED ? STATE_FAILED : STATE_READY;
				f->run = row->run;
			}
			continue;
		}
		apply_row(a, f, row, &facts, c, dirfd);
		if (a->adoption->seen[b - a->boards].changed) /* its row went with the old one */
			flag_mark(a, f, DIRTY_ROW);
	}
	for (uint32_t i = 0; b->usable && b->custody && i < v->n_actions; i++)
		custody_adopt(a, &a->flags[v->first_action + i]);
}

bool adopt_is_gone(struct adoption *ad, const struct row *row)
{
	return row->known && !row->resolved && !row->payload &&
	       (row->found == FOUND_ABSENT || row->found == FOUND_TAKEN) &&
	       !adopt_claim_of(ad, &row->token);
}

/* The boards of one object together: the number of its missing flags counts, and a press that is in
 * its hold again is one of them. */
size_t adopt_count(struct agent *a, size_t first)
{
	size_t n = 0;
	unsigned gone = 0;
	bool held = false;
	struct live *l;

	for (; first + n < a->n_boards &&
		board_same_object(a, &a->boards[first], &a->boards[first + n]);
		n++) {
		const struct board *b = &a->boards[first + n];
		const struct view_board *v = board_view(a, b);
		for (uint32_t i = 0; b->usable && i < v->n_actions; i++) {
			const struct row *row = &a->adoption->rows[v->first_action + i];
			gone += row->called_off || adopt_is_gone(a->adoption, row);
		}
	}
	TAILQ_FOREACH (l, &a->holding, holdings)
		held = held || board_same_object(a, flag_board(a, l->flag), &a->boards[first]);
	if (gone > 0 && held) {
		press_mass(a, &a->boards[first], "another button");
		gone++;
	}
	if (gone > 1)
		log_info("%s: %u flags were missing: put back, nothing is run",
			board_object(a, &a->boards[first]), gone);
	for (size_t k = 0; k < n; k++)
		a->adoption->seen[first + k].gone = gone;
	return n;
}
