/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups against each other: two that would share a directory, one that would live within
 * another's, and two that no section of smb.conf serves together.  The live one stays, else the
 * first by file name.
 */
#include "config/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool beats(const struct merged *a, const struct merged *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->first->live != b->first->live)
		return a->first->live;
	return a->first->order < b->first->order;
}

static void lose(struct loader *l, struct merged *loser)
{
	loser->lost = true;
	mark_bad(l, &loser->group, l->first);
}

static void clash(struct loader *l, struct merged *a, struct merged *b)
{
	struct merged *winner = beats(a, b) ? a : b, *loser = winner == a ? b : a;
	const struct place path = merged_place(loser, KEY_DIRECTORY_PATH);
	const struct place its_path = merged_place(winner, KEY_DIRECTORY_PATH);
	const char *other = place_words(l, &winner->group.place);
	const struct group *g = &loser->group, *w = &winner->group;
	bool mute = l->mute;

	if (a->lost || b->lost)
		return;
	l->mute = loser->rank != 0;
	l->first = NULL;
	l->object = g->object;
	l->group = g->name;
	if (strcmp(g->object, w->object) != 0)
		wrong_at(l, &g->place, "the object %s differs only in case from %s in %s",
			g->object, w->object, other);
	else if (g->real == w->real)
		wrong_at(l, &path,
			"two groups of object %s have the same directory.path; the other is in %s",
			g->object, place_words(l, &its_path));
	else
		wrong_at(l, &g->place, "the group \"%s\" differs only in case from \"%s\" in %s",
			g->name, w->name, other);
	l->mute = mute;
	l->object = l->group = NULL;
	lose(l, loser);
}

struct entry {
	const char *fold, *name; /* of object and group; equal strings are one */
	struct merged *group;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = strcmp(x->fold, y->fold);

	return r ? r : (x->group > y->group) - (x->group < y->group);
}

static bool meet(const struct entry *a, const struct entry *b)
{
	if (a->group->group.object != b->group->group.object)
		return true;
	return a->group->group.real == b->group->group.real || a->name == b->name;
}

/* Those whose objects fold to the same stand beside each other. */
static void check_neighbours(struct loader *l, struct entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n && e[i].fold == e[j].fold; j++)
			if (meet(&e[i], &e[j]))
				clash(l, e[i].group, e[j].group);
}

/* The group whose object's directory is PATH (of LEN bytes), or NULL. */
static struct merged *find_directory(struct merged *groups, size_t n, const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);
	size_t low = 0, high = n, parent = (size_t)(slash - path), len_name = len - parent - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *object = groups[middle].group.object;
		int r = strncmp(object, slash + 1, len_name);

		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n && strncmp(groups[low].group.object, slash + 1, len_name) == 0; low++)
		if (strlen(groups[low].group.object) == len_name &&
			strlen(groups[low].group.real) == parent &&
			memcmp(groups[low].group.real, path, parent) == 0)
			return &groups[low];
	return NULL;
}

static void check_nested(struct loader *l, struct merged *groups, size_t n, struct merged *g)
{
	const char *path = g->group.real;

	for (size_t len = strlen(path); len > 0; len--) {
		const struct place at = merged_place(g, KEY_DIRECTORY_PATH);
		struct merged *outer;

		if (path[len] != '\0' && path[len] != '/')
			continue;
		outer = find_directory(groups, n, path, len);
		if (!outer || outer->lost || g->lost)
			continue;
		l->first = NULL;
		l->mute = g->rank != 0;
		l->object = g->group.object;
		l->group = g->group.name;
		wrong_at(l, &at,
			"directory.path %s lies in the directory of object %s, which is in %s",
			g->group.path, outer->group.object, place_words(l, &outer->group.place));
		l->mute = false;
		l->object = l->group = NULL;
		lose(l, g);
	}
}

/* Those of one directory.path stand together, the one that stays before the others. */
static int compare_places(const void *pa, const void *pb)
{
	const struct merged *a = *(struct merged *const *)pa, *b = *(struct merged *const *)pb;

	if (a->group.real != b->group.real)
		return (uintptr_t)a->group.real < (uintptr_t)b->group.real ? -1 : 1;
	return beats(a, b) ? -1 : beats(b, a);
}

static void two_accesses(struct loader *l, const struct merged *winner, struct merged *loser)
{
	bool press_only = loser->group.access == ACCESS_PRESS_ONLY;
	const struct place at = merged_place(loser, key_set_has(&loser->set, KEY_DIRECTORY_ACCESS)
							    ? KEY_DIRECTORY_ACCESS
							    : KEY_DIRECTORY_PATH);
	const struct place other = merged_place(winner, KEY_DIRECTORY_PATH);
	bool mute = l->mute;

	l->mute = loser->rank != 0;
	l->first = NULL;
	l->object = loser->group.object;
	l->group = loser->group.name;
	wrong_at(l, &at,
		"object %s is %spress-only and object %s, in %s, %s: no share serves both, so give "
		"each a directory.path of its own",
		loser->group.object, press_only ? "" : "not ", winner->group.object,
		place_words(l, &other), press_only ? "is not" : "is");
	l->mute = mute;
	l->object = l->group = NULL;
	lose(l, loser);
}

/* With acl_xattr members can delete nothing in a plain directory of theirs, and without it
 * press-only grants nothing. */
static void check_accesses(struct loader *l, struct merged *groups, size_t n)
{
	struct merged **order;
	size_t n_order = 0;
	bool mixed = false;

	for (size_t i = 1; i < n && !mixed; i++)
		mixed = groups[i].group.access != groups[0].group.access;
	order = mixed ? calloc(n, sizeof(*order)) : NULL;
	if (!order) {
		l->error = mixed ? -ENOMEM : l->error;
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!groups[i].lost)
			order[n_order++] = &groups[i];
	qsort(order, n_order, sizeof(struct merged *), compare_places);
	for (size_t i = 1, first = 0; i < n_order; i++) {
		if (order[i]->group.real != order[first]->group.real)
			first = i;
		else if (order[i]->group.access != order[first]->group.access)
			two_accesses(l, order[first], order[i]);
	}
	free(order);
}

static size_t without_losers(struct merged *groups, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!groups[i].lost)
			groups[kept++] = groups[i];
	return kept;
}

static struct entry *make_entries(struct loader *l, struct merged *groups, size_t n)
{
	struct entry *e = calloc(n + 1, sizeof(*e));

	for (size_t i = 0; e && i < n; i++) {
		e[i] = (struct entry){
			.fold = fold(l, groups[i].group.object),
			.name = fold(l, groups[i].group.name),
			.group = &groups[i],
		};
		if (!e[i].fold || !e[i].name) {
			free(e);
			e = NULL;
		}
	}
	if (!e)
		l->error = -ENOMEM;
	return e;
}

bool cross_check(struct loader *l, struct merged *groups, size_t *n)
{
	struct entry *e = make_entries(l, groups, *n);
	const char *last = NULL;
	bool again = false;

	if (!e)
		return false;
	qsort(e, *n, sizeof(*e), compare_entries);
	check_neighbours(l, e, *n);
	for (size_t i = 0; i < *n; i++) {
		if (groups[i].group.real != last)
			check_nested(l, groups, *n, &groups[i]);
		last = groups[i].lost ? NULL : groups[i].group.real;
	}
	check_accesses(l, groups, *n);
	for (size_t i = 0; i < *n; i++)
		again = again || (groups[i].lost && groups[i].rank < 2);
	*n = without_losers(groups, *n);
	free(e);
	return again;
}
