/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in the way of a press: runs of the same object or group, and locks. */
#include "agent/press_rules.h"

#include "agent/board.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "common/log.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

static bool share_a_lock(const char *x, const char *y)
{
	for (; x && *x; x = view_next(x))
		for (const char *z = y; z && *z; z = view_next(z))
			if (strcmp(x, z) == 0)
				return true;
	return false;
}

static bool same_scope(
	const struct agent *a, const struct flag *f, const struct live *l, enum serialise mine)
{
	if (!l->flag || mine == SERIALISE_NONE || l->serialise == SERIALISE_NONE)
		return false;
	if (flag_board(a, f) == flag_board(a, l->flag))
		return true;
	return (mine == SERIALISE_OBJECT || l->serialise == SERIALISE_OBJECT) &&
	       board_same_object(a, flag_board(a, f), flag_board(a, l->flag));
}

struct live *press_blocker(const struct agent *a, const struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	const char *locks = view_str(a->view, p->locks);
	struct live *l;

	if (TAILQ_EMPTY(&a->active) || (p->serialise == SERIALISE_NONE && !locks))
		return NULL;
	TAILQ_FOREACH (l, &a->active, actives)
		if (l->flag != f && (same_scope(a, f, l, p->serialise) ||
					    (locks && share_a_lock(locks, l->names.locks))))
			return l;
	return NULL;
}

void press_neighbours(struct agent *a, struct live *l)
{
	struct flag *f = l->flag;

	if (f && l->serialise != SERIALISE_NONE) {
		struct board *b = board_of_object(a, flag_board(a, f));
		for (; b < a->boards + a->n_boards && board_same_object(a, b, flag_board(a, f));
			b++)
			for (uint32_t i = 0; i < board_view(a, b)->n_actions; i++)
				flag_mark(a, &a->flags[board_view(a, b)->first_action + i],
					DIRTY_NAME | DIRTY_CONTENT | DIRTY_NEWS);
	}
	if (l->names.locks)
		for (size_t i = 0; i < a->n_flags; i++)
			if (share_a_lock(view_str(a->view, flag_press(a, &a->flags[i])->locks),
				    l->names.locks))
				flag_mark(a, &a->flags[i], DIRTY_NAME | DIRTY_CONTENT | DIRTY_NEWS);
}

void press_say_blocker(struct agent *a, struct flag *f, const struct live *by, const char *before)
{
	press_note(a, f, "%s%s of %s runs%s%s.", before, by->run.action, by->run.object,
		by->run.user ? ", started by " : "", by->run.user ? by->run.user : "");
}
