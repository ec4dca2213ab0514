/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/find.h"

#include "common/log.h"

#include <string.h>

static int compare_names(
	const char *object1, const char *group1, const char *object2, const char *group2)
{
	int r = strcmp(object1, object2);

	return r ? r : strcmp(group1, group2);
}

static int compare_boards(const void *x, const void *y, void *agent)
{
	const struct agent *a = agent;
	const struct board *p = &a->boards[*(const uint32_t *)x],
			   *q = &a->boards[*(const uint32_t *)y];

	return compare_names(
		board_object(a, p), board_group(a, p), board_object(a, q), board_group(a, q));
}

void find_index(struct agent *a)
{
	free(a->by_name);
	a->by_name = calloc(a->n_boards ? a->n_boards : 1, sizeof(*a->by_name));
	if (!a->by_name)
		log_fatal(71, "out of memory");
	for (uint32_t i = 0; i < a->n_boards; i++)
		a->by_name[i] = i;
	qsort_r(a->by_name, a->n_boards, sizeof(*a->by_name), compare_boards, a);
}

struct board *find_board(const struct agent *a, const char *object, const char *group)
{
	size_t low = 0, high = a->n_boards;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct board *b = &a->boards[a->by_name[mid]];
		int r = compare_names(object, group, board_object(a, b), board_group(a, b));
		if (r == 0)
			return b;
		if (r < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

struct flag *find_flag(
	const struct agent *a, const char *object, const char *group, const char *action)
{
	struct board *b = find_board(a, object, group);
	const struct view_board *v = b ? board_view(a, b) : NULL;

	for (uint32_t i = 0; b && i < v->n_actions; i++)
		if (strcmp(flag_action_name(a, &a->flags[v->first_action + i]), action) == 0)
			return &a->flags[v->first_action + i];
	/* that is nearly always it; or it was written otherwise when that was noted */
	for (uint32_t i = 0; b && i < v->n_actions; i++)
		if (name_equal(flag_action_name(a, &a->flags[v->first_action + i]), action))
			return &a->flags[v->first_action + i];
	return NULL;
}
