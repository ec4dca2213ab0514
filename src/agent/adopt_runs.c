/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The runs at start: adopted, ended, interrupted, missed, or pressed anew. */
#include "agent/adopt.h"
#include "agent/adopt_facts.h"
#include "agent/board.h"
#include "agent/custody.h"
#include "agent/find.h"
#include "agent/flag.h"
#include "agent/press.h"
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

#define CALLED_OFF_MOST 32 /* in a row, after which nobody asks what was shown before */

static bool is_taken(struct agent *a, struct board *b, const struct token *t)
{
	struct file_info info;

	return board_has_taken(board_base(a, b), t, &info);
}

/* The flag that was taken for a press: not a payload, which stays. */
static void let_go(struct agent *a, struct board *b, const struct token *t)
{
	char hex[TOKEN_HEX + 1];

	(void)unlinkat(board_base(a, b)->staging_fd, token_hex(t, hex), 0);
}

bool adopt_is_young(const struct agent *a, const struct flag *f, int64_t pressed)
{
	const struct view_press *p = flag_press(a, f);
	int64_t age = now_realtime() - pressed;

	return p->missed == MISSED_RUN && age >= 0 && (uint64_t)age < p->missed_at_most;
}

static void missed(struct agent *a, struct flag *f, struct run *run, enum cause cause)
{
	struct live *l = press_live(a, f);

	if (l->kept_payload)
		custody_again(a, l, run);
	run_done(&l->run);
	l->run = *run;
	*run = (struct run){0};
	l->run.state = STATE_MISSED;
	l->run.cause = cause;
	l->run.end.ended = now_realtime();
	l->kept_payload = l->run.payload != NULL;
	f->run = l->run.id;
	flag_mark(a, f, DIRTY_RUN);
	flag_set_state(a, f, STATE_MISSED);
	press_arm(a, f);
	log_warning("%s/%s: pressed and not run: %s", l->run.object, l->run.action,
		cause == CAUSE_OTHER_BOOT ? "the machine went down" : "flagman was not running");
}

/* When an adopted run began, by the clock that does not jump.  The history knows the other one:
 * what that says can be absurd, but nothing runs for longer than the machine. */
static uint64_t began_at(const struct run *run)
{
	int64_t gone = now_realtime() - (run->claimed ? run->claimed : run->pressed);
	uint64_t now = now_boottime();

	if (gone < 0)
		return now;
	return (uint64_t)gone < now ? now - (uint64_t)gone : 0;
}

/* RUN is moved from. */
void adopt_run(struct agent *a, struct flag *f, struct run *run, enum verdict v, struct claim *c)
{
	struct run_end interrupted = {.kind = END_INTERRUPTED};
	struct live *l;

	if (v == VERDICT_PRESS || v == VERDICT_RUN) {
		const char *why = NULL;
		f->state = STATE_READY;
		if (!press_request(a, f, run, v == VERDICT_PRESS, &why))
			missed(a, f, run, CAUSE_WHILE_DOWN);
		return;
	}
	if (v == VERDICT_MISSED || v == VERDICT_MISSED_BOOT) {
		missed(a, f, run, v == VERDICT_MISSED ? CAUSE_WHILE_DOWN : CAUSE_OTHER_BOOT);
		return;
	}
	l = press_live(a, f);
	run_done(&l->run);
	l->run = *run;
	*run = (struct run){0};
	l->timeout = flag_press(a, f)->timeout;
	f->run = l->run.id;
	flag_mark(a, f, DIRTY_RUN);
	if (v == VERDICT_ADOPT) {
		l->run.state = STATE_RUNNING;
		flag_set_state(a, f, STATE_RUNNING);
		l->began_at = began_at(&l->run);
		runs_adopt(a, l, c->fds);
		press_neighbours(a, l);
		return;
	}
	if (c && c->fds[0] >= 0)
		l->claim_fd = steal_fd(&c->fds[0]);
	runs_adopt_end(a, l, c ? &c->m.end : &interrupted);
	runs_forget(l);
}

/* Why a run that had not begun is called off: what happened meanwhile does that to a living one.
 * NULL: nothing did. */
static const char *why_called_off(
	const struct agent *a, const struct flag *f, const struct row *row, const struct run *run)
{
	const struct board *b = flag_board(a, f);

	/* the row must be that of the flag that came after the press */
	if (!b->usable || !row->known || !row->same_boot || token_equal(&row->token, &run->token))
		return NULL;
	if (row->state != STATE_STARTING && row->state != STATE_WAITING)
		return NULL;
	if (row->state == STATE_STARTING && a->adoption->seen[b - a->boards].changed)
		return "Its directory was removed or replaced.";
	if (row->reappeared && run->trigger == TRIGGER_DELETE)
		return "Its file was saved by an editor: that is not a press.";
	if (!row->payload && (row->found == FOUND_ABSENT || row->found == FOUND_TAKEN) &&
		adopt_is_trigger(a, f, row->found))
		return "It was pressed again before it began: called off.";
	return NULL;
}

struct earlier {
	uint64_t run;
	const struct view_press *press;
	int64_t pressed;
	enum state state;
};

/* The last result, if it was still shown. */
static bool find_shown(const struct run *r, void *userdata)
{
	struct earlier *e = userdata;
	uint64_t delay = r->state == STATE_DONE ? e->press->result_delay : e->press->failed_delay;

	if (r->id >= e->run || r->cause == CAUSE_CALLED_OFF)
		return true;
	if (delay == USEC_INFINITY || r->end.ended + (int64_t)delay > e->pressed)
		e->state = r->state;
	return false;
}

/* What the flag showed when it was pressed for RUN. */
static enum state state_before(struct agent *a, const struct flag *f, const struct run *run)
{
	struct earlier e = {run->id, flag_press(a, f), run->pressed, STATE_READY};

	(void)store_each_run(a->store, run->object, run->group, run->action, CALLED_OFF_MOST, false,
		find_shown, &e);
	return e.state;
}

/* RUN is moved from. */
static void call_off(struct agent *a, struct flag *f, struct run *run, const char *why)
{
	struct live *l = press_live(a, f);
	enum state before = state_before(a, f, run);

	run_done(&l->run);
	l->run = *run;
	*run = (struct run){0};
	l->before = before;
	l->taken = !l->run.payload;
	f->run = l->run.id;
	press_call_off(a, l, why);
}

/* Runs that were starting, waiting or running when the agent died. */
void adopt_open_run(struct agent *a, struct run *run)
{
	struct adoption *ad = a->adoption;
	struct flag *f = find_flag(a, run->object, run->group, run->action);
	struct claim *c = adopt_claim_of(ad, &run->token);
	struct facts facts = {
		.found = FOUND_ABSENT,
		.claimed = c != NULL,
		.claim = c ? (enum claim_state)c->m.state : CLAIM_INTERRUPTED,
		.agent_restarted = a->restarted,
		.same_boot = true,
	};

	if (c)
		c->used = true;
	if (!f) {
		if (c && c->m.state == CLAIM_RUNNING) {
			c->used = false; /* its end is noted when it comes */
			return;
		}
		run->state = c ? STATE_FAILED : STATE_MISSED;
		run->cause = c ? CAUSE_INTERRUPTED : CAUSE_GONE;
		if (store_begin(a->store) == 0)
			(void)store_put_run(a->store, run);
		return;
	}
	struct row *row = &ad->rows[f - a->flags];
	facts.same_boot = row->same_boot;
	facts.missed_run = adopt_is_young(a, f, run->pressed);
	if (!c && run->trigger == TRIGGER_CLI && run->payload && !run->payload_sha256) {
		/* it may be half a copy: whoever sent it has the whole, and was told */
		let_go(a, flag_board(a, f), &run->token);
		row->resolved = true;
		f->adopted = true;
		missed(a, f, run, CAUSE_WHILE_DOWN);
		f->live->kept_payload = false;
		return;
	}
	if (is_taken(a, flag_board(a, f), &run->token) ||
		(!c && row->known && run->trigger != TRIGGER_DROP && run->payload &&
			custody_fetch(a, f, row->run, run)))
		facts.found = FOUND_TAKEN;
	row->resolved = true;
	f->adopted = true;
	const char *why = c ? NULL : why_called_off(a, f, row, run);
	if (why) {
		row->called_off = true;
		call_off(a, f, run, why);
		return;
	}
	if (run->trigger == TRIGGER_DROP && !c && a->restarted && custody_resume(a, f, run))
		return;
	if (run->trigger == TRIGGER_DROP && !c && facts.found != FOUND_TAKEN) {
		run->state = STATE_CANCELLED; /* it never left its folder */
		run->cause = CAUSE_CALLED_OFF;
		if (store_begin(a->store) == 0)
			(void)store_put_run(a->store, run);
		row->resolved = false;
		return;
	}
	enum verdict v = verdict_of(&facts);
	if (facts.found == FOUND_TAKEN && a->restarted && !c)
		v = VERDICT_PRESS;
	adopt_run(a, f, run, v, c);
	if (facts.found == FOUND_TAKEN && f->live && !f->live->run.payload)
		let_go(a, flag_board(a, f), &f->live->run.token); /* the run has it all */
}
