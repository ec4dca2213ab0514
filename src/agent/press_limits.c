/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cooldown, start limit, confirmation. */
#include "agent/press_rules.h"

#include "agent/board.h"
#include "agent/custody.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "common/log.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

#define STARTS_MOST   64                 /* of earlier lives that count */
#define CONFIRM_LEAST (2 * USEC_PER_SEC) /* sooner is a double click */

/* What the history says, once for each flag that is pressed.  It only knows the wall clock: a start
 * that would be still to come was noted before that was set back, and nobody knows how old it is.
 * It does not count, or it would for years. */
static void load_starts(struct agent *a, struct flag *f, struct live *l)
{
	const struct view_press *p = flag_press(a, f);
	const struct board *b = flag_board(a, f);
	int64_t found[STARTS_MOST], now = now_realtime();
	unsigned most = p->start_limit_burst < STARTS_MOST ? p->start_limit_burst : STARTS_MOST;
	int n;

	if (l->starts_loaded)
		return;
	l->starts_loaded = true;
	n = store_starts_since(a->store, board_object(a, b), board_group(a, b),
		flag_action_name(a, f), now - (int64_t)p->start_limit_interval, now, found, most);
	for (int i = 0; i < n; i++)
		press_count_start(l, (int64_t)now_boottime() - (now - found[i]));
}

void press_count_start(struct live *l, int64_t when)
{
	if (l->n_starts == l->starts_size) {
		unsigned size = l->starts_size ? 2 * l->starts_size : 4;
		int64_t *grown = realloc(l->starts, size * sizeof(*grown));
		if (!grown)
			log_fatal(71, "out of memory");
		l->starts = grown;
		l->starts_size = size;
	}
	l->starts[l->n_starts++] = when;
}

/* A ring of the last starts would do; they are few, so the old ones are dropped by copying. */
bool press_over_limit(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	struct live *l = press_live(a, f);
	int64_t now = (int64_t)now_boottime();
	unsigned kept = 0;

	if (!p->start_limit_burst)
		return false;
	load_starts(a, f, l);
	for (unsigned i = 0; i < l->n_starts; i++) {
		if ((uint64_t)(now - l->starts[i]) < p->start_limit_interval)
			l->starts[kept++] = l->starts[i];
	}
	l->n_starts = kept;
	return kept >= p->start_limit_burst;
}

const char *press_refusal(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	struct live *l = f->live;
	struct live *by;

	if (flag_action(a, f)->misconfigured)
		return "The configuration of this action is wrong: see above.";
	if (l && l->ended_at && now_boottime() < l->ended_at + p->cooldown)
		return "It ended just now: wait a moment before pressing it again.";
	if (l && custody_kept_is_gone(a, l))
		return "Its payload is gone: drop it again.";
	by = press_blocker(a, f);
	if (by && p->when_busy == WHEN_BUSY_BLOCK)
		return "Another action runs.";
	return NULL;
}

bool press_wants_second(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	struct live *l = press_live(a, f);
	uint64_t now = now_boottime();
	char words[64];

	if (!p->confirm)
		return false;
	if (f->state == STATE_CONFIRM) {
		if (now >= l->asked_at + CONFIRM_LEAST)
			return false;
		press_note(a, f, "That was too quick for a second thought: press it again.");
		return true;
	}
	l->before = f->state;
	l->asked_at = now;
	flag_set_state(a, f, STATE_CONFIRM);
	press_note(a, f, "Press it once more within %s to run it; otherwise nothing happens.",
		text_duration(words, sizeof(words), p->confirm));
	agent_timer(a, &l->timer, now + p->confirm, press_on_timer, l);
	return true;
}

bool press_confirms(const struct view_press *p, int64_t asked, int64_t pressed)
{
	int64_t after = pressed - asked;

	return after >= (int64_t)CONFIRM_LEAST && (uint64_t)after <= p->confirm;
}

void press_pause(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	char words[64];

	flag_set_state(a, f, STATE_PAUSED);
	press_arm(a, f);
	text_duration(words, sizeof(words), p->start_limit_interval);
	press_note(a, f,
		"It ran %u times within %s: something is pressing it in a loop.  It is paused for "
		"%s.",
		p->start_limit_burst, words, words);
	log_warning("%s/%s: paused: %u runs within %s", board_object(a, flag_board(a, f)),
		flag_action_name(a, f), p->start_limit_burst, words);
}
