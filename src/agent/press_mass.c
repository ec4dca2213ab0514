/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who deletes everything with Ctrl-A restarts nothing. */
#include "agent/press_rules.h"

#include "agent/board.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "common/log.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

static const char mass_text[] = "Several things of %s went at once (%s): nobody meant one button, "
				"so nothing was run.";

static void call_off_mass(struct agent *a, struct board *b, const char *what)
{
	for (struct live *l = TAILQ_FIRST(&a->holding), *next; l; l = next) {
		char why[512];
		next = TAILQ_NEXT(l, holdings);
		if (!l->flag || (b && !board_same_object(a, flag_board(a, l->flag), b)))
			continue;
		snprintf(why, sizeof(why), mass_text, b ? l->run.object : "several objects", what);
		press_call_off(a, l, why);
	}
}

static uint64_t longest_hold(const struct agent *a, const struct board *b)
{
	const struct view_board *v = board_view(a, b);
	uint64_t longest = 0;

	for (uint32_t i = 0; i < v->n_actions; i++) {
		uint64_t hold = flag_press(a, &a->flags[v->first_action + i])->hold;
		if (hold > longest)
			longest = hold;
	}
	return longest;
}

void press_mass(struct agent *a, struct board *b, const char *what)
{
	struct board *first = board_of_object(a, b);
	uint64_t until = now_boottime() + longest_hold(a, b);
	struct live *l;

	if (until > first->mass_until) {
		first->mass_until = until;
		first->mass_what = what;
	}
	TAILQ_FOREACH (l, &a->holding, holdings)
		if (l->flag && board_same_object(a, flag_board(a, l->flag), b)) {
			log_info("%s: %s went too: nothing is run", board_object(a, b), what);
			call_off_mass(a, b, what);
			return;
		}
}

void press_mass_objects(struct agent *a)
{
	call_off_mass(a, NULL, "buttons of several objects");
}

void press_mass_note(struct agent *a, struct flag *f)
{
	press_note(a, f, mass_text, "several objects", "buttons of several objects");
}

bool press_is_mass(struct agent *a, struct flag *f, uint64_t hold, char *why, size_t size)
{
	uint64_t now = now_boottime();
	struct board *first = board_of_object(a, flag_board(a, f));
	uint32_t objects[MASS_OBJECTS] = {board_view(a, first)->object};
	size_t n = 1;
	bool same = false;

	for (struct live *l = TAILQ_FIRST(&a->holding); l; l = TAILQ_NEXT(l, holdings)) {
		uint32_t o = l->flag ? board_view(a, flag_board(a, l->flag))->object : 0;
		size_t i = 0;
		same = same || o == objects[0];
		while (i < n && objects[i] != o)
			i++;
		if (i == n && n < MASS_OBJECTS)
			objects[n++] = o;
	}
	if (same) {
		first->mass_until = now + hold;
		first->mass_what = "several buttons";
		call_off_mass(a, first, "several buttons");
	}
	if (n == MASS_OBJECTS) {
		a->mass_until = now + hold;
		press_mass_objects(a);
	}
	if (now >= first->mass_until && now >= a->mass_until)
		return false;
	bool own = now < first->mass_until; /* else what went in it is long forgotten */
	if (own)
		first->mass_until = now + hold;
	if (now < a->mass_until)
		a->mass_until = now + hold;
	snprintf(why, size, mass_text, own ? board_object(a, first) : "several objects",
		own ? first->mass_what : "buttons of several objects");
	return true;
}
