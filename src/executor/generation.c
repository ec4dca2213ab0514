/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One reading of the configuration, under its number. */
#include "executor/generation.h"

#include "executor/former.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct base_state *)a)->path, ((const struct base_state *)b)->path);
}

/* One base for each path. */
static void make_bases(struct generation *g)
{
	const struct config *c = g->config;
	uint32_t n = 0;

	for (size_t i = 0; i < c->n_groups; i++)
		g->bases[i].path = c->groups[i].real;
	if (c->n_groups)
		qsort(g->bases, c->n_groups, sizeof(*g->bases), compare_paths);
	for (size_t i = 0; i < c->n_groups; i++)
		if (n == 0 || strcmp(g->bases[n - 1].path, g->bases[i].path) != 0)
			g->bases[n++].path = g->bases[i].path;
	g->n_bases = n;
}

static void make_boards(struct generation *g)
{
	const struct config *c = g->config;

	for (size_t i = 0; i < c->n_groups; i++) {
		struct base_state key = {.path = c->groups[i].real};
		const struct base_state *b =
			bsearch(&key, g->bases, g->n_bases, sizeof(key), compare_paths);
		g->boards[i] = (struct board_state){
			.base = (uint32_t)(b - g->bases), .first_action = g->n_actions};
		g->n_actions += (uint32_t)c->groups[i].n_actions;
	}
}

struct generation *generation_new(uint64_t number, struct config *config)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->number = number;
	g->bases = calloc(config->n_groups + 1, sizeof(*g->bases));
	g->boards = calloc(config->n_groups + 1, sizeof(*g->boards));
	if (!g->bases || !g->boards)
		return generation_free(g);
	g->config = config;
	make_bases(g);
	make_boards(g);
	return g;
}

struct generation *generation_free(struct generation *g)
{
	if (!g)
		return NULL;
	former_forget(g);
	for (uint32_t i = 0; i < g->n_bases; i++)
		free(g->bases[i].error);
	for (size_t i = 0; g->config && i < g->config->n_groups; i++)
		free(g->boards[i].error);
	free(g->bases);
	free(g->boards);
	config_free(g->config);
	free(g);
	return NULL;
}

struct generation *generation_find(struct generation *newest, uint64_t number)
{
	while (newest && newest->number != number)
		newest = newest->older;
	return newest;
}

static bool is_current(const struct generation *g, uint64_t now)
{
	return !g->replaced || now - g->replaced < GENERATION_KEPT;
}

struct generation *generation_current(struct generation *newest, uint64_t number, uint64_t now)
{
	struct generation *g = generation_find(newest, number);

	return g && is_current(g, now) ? g : NULL;
}

void generation_tidy(struct generation *newest, uint64_t now)
{
	while (newest && newest->older) {
		struct generation *old = newest->older;
		if (is_current(old, now)) {
			newest = old;
			continue;
		}
		newest->older = old->older;
		(void)generation_free(old);
	}
}

const struct action *generation_action(
	const struct generation *g, uint32_t action, uint32_t *ret_board)
{
	size_t low = 0, high = g->config->n_groups;

	if (action >= g->n_actions)
		return NULL;
	/* The last board whose first action is not beyond; one without actions shares its first
	 * with the next one and lies before it. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (g->boards[middle].first_action <= action)
			low = middle;
		else
			high = middle;
	}
	*ret_board = (uint32_t)low;
	return &g->config->groups[low].actions[action - g->boards[low].first_action];
}

uint64_t generation_bounding(const struct generation *g)
{
	const struct config *c = g->config;
	uint64_t all = 0;

	for (size_t i = 0; i < c->n_groups; i++)
		for (size_t j = 0; j < c->groups[i].n_actions; j++)
			if (c->groups[i].actions[j].how)
				all |= c->groups[i].actions[j].how->bounding |
				       c->groups[i].actions[j].how->ambient;
	return all;
}

static int compare_gids(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

	return (x > y) - (x < y);
}

int generation_groups(const struct generation *g, bool former, gid_t **ret, size_t *ret_n)
{
	const struct config *c = g->config;
	gid_t *gids = calloc(2 * c->n_groups + g->n_former_gids + 1, sizeof(*gids));
	size_t n = 0, kept = 0;

	if (!gids)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_groups; i++) {
		gids[n++] = c->groups[i].dir_gid;
		gids[n++] = c->groups[i].file_gid;
	}
	for (size_t i = 0; former && i < g->n_former_gids; i++)
		gids[n++] = g->former_gids[i];
	qsort(gids, n, sizeof(*gids), compare_gids);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || gids[kept - 1] != gids[i])
			gids[kept++] = gids[i];
	*ret = gids;
	*ret_n = kept;
	return 0;
}
