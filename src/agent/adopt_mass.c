/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flags of three objects that went at once while nobody looked: nobody meant one button. */
#include "agent/adopt_facts.h"
#include "agent/board.h"
#include "agent/press.h"
#include "agent/press_rules.h"
#include "common/log.h"

/* A flag that went, or (row NULL) a press that is in its hold again. */
struct gone {
	uint32_t object;
	int64_t pressed;
	uint64_t hold;
	struct row *row;
};

struct list {
	struct gone *all;
	size_t n;
};

static int compare_times(const void *x, const void *y)
{
	int64_t p = ((const struct gone *)x)->pressed, q = ((const struct gone *)y)->pressed;

	return p < q ? -1 : p > q;
}

/* Would it lead to a run, and after a hold?  What is Not run by itself needs no mercy. */
static bool counts(const struct agent *a, struct flag *f, const struct row *row)
{
	if (!flag_press(a, f)->hold || !adopt_is_gone(a->adoption, row) ||
		!adopt_is_trigger(a, f, row->found) ||
		a->adoption->seen[flag_board(a, f) - a->boards].changed)
		return false;
	if (row->found == FOUND_ABSENT && a->restarted)
		return true;
	return adopt_is_young(a, f, row->pressed) && (row->found == FOUND_TAKEN || row->same_boot);
}

static void collect(struct agent *a, struct list *list)
{
	struct live *l;

	for (size_t i = 0; i < a->n_flags; i++) {
		struct flag *f = &a->flags[i];
		struct row *row = &a->adoption->rows[i];
		if (flag_board(a, f)->usable && counts(a, f, row))
			list->all[list->n++] = (struct gone){
				.object = board_view(a, flag_board(a, f))->object,
				.pressed = row->pressed,
				.hold = flag_press(a, f)->hold,
				.row = row,
			};
	}
	for (l = TAILQ_FIRST(&a->holding); l; l = TAILQ_NEXT(l, holdings)) {
		struct gone g = {
			.object = board_view(a, flag_board(a, l->flag))->object,
			.pressed = l->run.pressed,
			.hold = flag_press(a, l->flag)->hold,
		};
		list->all[list->n++] = g;
	}
}

/* All of them together, of three objects or more. */
static void judge(struct agent *a, const struct gone *g, size_t n)
{
	uint32_t objects[MASS_OBJECTS];
	size_t n_objects = 0;
	bool held = false;

	for (size_t i = 0; i < n && n_objects < MASS_OBJECTS; i++) {
		size_t k = 0;
		while (k < n_objects && objects[k] != g[i].object)
			k++;
		if (k == n_objects)
			objects[n_objects++] = g[i].object;
	}
	if (n_objects < MASS_OBJECTS)
		return;
	log_info("flags of several objects were missing: put back, nothing is run");
	for (size_t i = 0; i < n; i++) {
		if (g[i].row)
			g[i].row->mass = true;
		held = held || !g[i].row;
	}
	if (held)
		press_mass_objects(a);
}

/* Under a living executor all of it happened within the seconds that it took to start an agent.
 * Else the times tell: what went within its hold of the one before it belongs to that. */
void adopt_mass(struct agent *a)
{
	struct list list = {0};
	size_t from = 0;

	list.all = calloc(a->n_flags + 1, sizeof(*list.all));
	if (!list.all)
		log_fatal(71, "out of memory");
	collect(a, &list);
	qsort(list.all, list.n, sizeof(*list.all), compare_times);
	for (size_t i = 1; i <= list.n; i++) {
		if (i < list.n && (a->restarted || list.all[i].pressed - list.all[i - 1].pressed <=
							   (int64_t)list.all[i].hold))
			continue;
		judge(a, &list.all[from], i - from);
		from = i;
	}
	free(list.all);
}
