/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fragments to groups.
 *
 * Fragments of one group (the same object and name) become one: their actions together, and of
 * every other key the one value that they agree about.  Where they don't, the definition that is
 * live stays, and at a cold start the first by file name; the other fragment has an error then, and
 * is replaced like any other that has.
 *
 * A fragment that turns out wrong here may bring its last good version in, so it goes in rounds,
 * until a round finds nothing new.  Messages that come again in the next round are said once.
 */
#include "config/loader.h"

#include "common/fd.h"
#include "common/names.h"

#include "config/merge.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 8

const char *fold(struct loader *l, const char *name)
{
	_cleanup_free_ char *folded = NULL;
	char ascii[256];
	size_t n = 0;

	while (name[n] && (unsigned char)name[n] < 0x80 && n < sizeof(ascii) - 1) {
		ascii[n] = (char)tolower((unsigned char)name[n]);
		n++;
	}
	ascii[n] = '\0';
	if (!name[n])
		return arena_string(l->temporary, ascii);
	return name_fold(name, &folded) < 0 ? arena_string(l->temporary, name)
					    : arena_string(l->temporary, folded);
}

/* ---- the order in which fragments count ---- */

static const struct group *live_group(const struct loader *l, const struct group *g)
{
	const struct config *live = l->options->live;

	return live ? find_exactly(live, g->object, g->name) : NULL;
}

static bool is_live(const struct loader *l, const struct fragment *f)
{
	const struct group *live = live_group(l, &f->group);

	return live && strcmp(live->place.file, f->group.place.file) == 0;
}

/* 0: says what it says; 1: a last good version; 2: has errors, and nothing stands in for it. */
static int rank(const struct fragment *f)
{
	return f->message ? 2 : f->old ? 1 : 0;
}

static int compare_groups(const struct fragment *a, const struct fragment *b)
{
	int r = strcmp(a->group.object, b->group.object);

	return r ? r : strcmp(a->group.name, b->group.name);
}

static int compare_fragments(const void *x, const void *y)
{
	const struct fragment *a = *(struct fragment *const *)x, *b = *(struct fragment *const *)y;
	int r = compare_groups(a, b);

	if (r)
		return r;
	if (rank(a) != rank(b))
		return rank(a) - rank(b);
	if (a->live != b->live)
		return a->live ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* ---- two fragments ---- */

static bool equal_slot(const struct key *k, const struct group *a, const struct group *b)
{
	const char *x = (const char *)a + k->offset, *y = (const char *)b + k->offset;

	/* Texts and lists are interned. */
	switch (k->type) {
	case TYPE_USER:
	case TYPE_GROUP:
	case TYPE_MODE:
	case TYPE_WORD:
		return memcmp(x, y, sizeof(uint32_t)) == 0;
	default: /* interned: x and y are where two pointers stand */
		/* cppcheck-suppress pointerSize ; it is the size of what they point to */
		return memcmp(x, y, sizeof(void *)) == 0;
	}
}

static void copy_slot(const struct key *k, struct group *to, const struct group *from)
{
	char *x = (char *)to + k->offset;
	const char *y = (const char *)from + k->offset;

	memcpy(x, y,
		k->type == TYPE_USER || k->type == TYPE_GROUP || k->type == TYPE_MODE ||
				k->type == TYPE_WORD
			? sizeof(uint32_t)
			: sizeof(char *));
}

/* Labels are one value, for all that they are a mapping. */
static const struct key labels_key = {
	.name = "labels",
	.type = TYPE_NAMES,
	.offset = offsetof(struct group, labels),
};

static struct place spot_place(const struct fragment *f, enum key_id id)
{
	const struct spot *spot = &f->spots[id - KEY_GROUP_NAME];
	struct place p = f->group.place;

	if (spot->line && !f->old) {
		p.line = spot->line;
		p.column = spot->column;
	}
	return p;
}

struct place merged_place(const struct merged *m, enum key_id id)
{
	const struct place *p = &m->at[id - KEY_GROUP_NAME];

	return p->file ? *p : m->group.place;
}

static bool merge_key(
	struct loader *l, struct merged *m, struct fragment *f, enum key_id id, const struct key *k)
{
	struct place here, there;

	if (!key_set_has(&f->set, id))
		return true;
	here = spot_place(f, id);
	if (!key_set_has(&m->set, id)) {
		copy_slot(k, &m->group, &f->group);
		key_set_add(&m->set, id);
		m->at[id - KEY_GROUP_NAME] = here;
		return true;
	}
	if (rank(f) != 0 || equal_slot(k, &m->group, &f->group))
		return true;
	there = merged_place(m, id);
	return wrong_at(l, &here, "%s%s of object %s differs from that in %s",
		k->where & IN_DIRECTORY ? "directory."
		: k->where & IN_FILE    ? "file."
					: "",
		k->name, f->group.object, place_words(l, &there));
}

static bool merge_keys(struct loader *l, struct merged *m, struct fragment *f)
{
	bool ok = true;

	for (const struct key *k = schema; k < schema + KEY_N; k++)
		if (k->home == HOME_GROUP && key_id(k) != KEY_GROUP_NAME)
			ok = merge_key(l, m, f, key_id(k), k) && ok;
	return merge_key(l, m, f, KEY_LABELS, &labels_key) && ok;
}

/* One action more, unless it is there. */
static void merge_action(
	struct loader *l, struct merged *m, const struct fragment *f, const struct action *a)
{
	struct group *g = &m->group;

	for (size_t i = 0; i < g->n_actions; i++) {
		if (!same_name(g->actions[i].name, a->name))
			continue;
		if (rank(f) == 0)
			wrong_at(l, &a->place, "the action \"%s\" of object %s stands also in %s",
				a->name, g->object, place_words(l, &g->actions[i].place));
		return;
	}
	g->actions[g->n_actions] = *a;
	if (f->message && !a->misconfigured)
		g->actions[g->n_actions].misconfigured = f->message;
	g->n_actions++;
}

/* Shown, and never run: what it would need is empty but there. */
static void disarm(struct loader *l, struct action *a)
{
	static const char *const nothing[] = {NULL};

	if (!a->misconfigured)
		return;
	a->argv = unique_strings(l, nothing, 0);
	a->script = NULL;
	a->drop = NULL;
	a->press = arena_unique(l->arena, &l->defaults.press, sizeof(l->defaults.press));
	a->how = arena_unique(l->arena, &l->defaults.how, sizeof(l->defaults.how));
}

static bool merge_fragment(struct loader *l, struct merged *m, struct fragment *f)
{
	l->first = NULL;
	l->object = f->group.object;
	l->group = f->group.name;
	if (!merge_keys(l, m, f)) {
		f->message = l->first;
		return false;
	}
	for (size_t i = 0; i < f->group.n_actions; i++)
		merge_action(l, m, f, &f->group.actions[i]);
	if (f->old)
		m->group.last_good = true;
	return true;
}

/* All fragments of one group.  False: one of them is found wrong, so nothing of this is final. */
static bool merge_group(struct loader *l, struct fragment **f, size_t n, struct merged *m)
{
	size_t n_actions = 0;
	bool ok = true, single = n == 1 && !f[0]->message;
	struct action *own = f[0]->group.actions;

	memset(m, 0, sizeof(*m));
	m->first = f[0];
	m->rank = rank(f[0]);
	m->group.object = f[0]->group.object;
	m->group.name = f[0]->group.name;
	m->group.place = f[0]->group.place;
	for (size_t i = 0; i < n; i++)
		n_actions += f[i]->group.n_actions;
	m->group.actions =
		single ? NULL : arena_alloc(l->arena, (n_actions + 1) * sizeof(struct action));
	if (single) { /* nearly always: nothing to put together */
		m->group.actions = own;
		m->group.n_actions = n_actions;
		m->group.last_good = f[0]->old;
		return merge_keys(l, m, f[0]);
	}
	for (size_t i = 0; m->group.actions && i < n; i++)
		ok = merge_fragment(l, m, f[i]) && ok;
	for (size_t i = 0; m->group.actions && i < m->group.n_actions; i++)
		disarm(l, &m->group.actions[i]);
	return ok && m->group.actions && !out_of_memory(l);
}

/* ---- all of them ---- */

/* Of G's fragments those that are OLD, or those that are not, are wrong; how many were good. */
static size_t mark(struct loader *l, const struct group *g, char *message, bool old)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_fragments; i++) {
		struct fragment *f = &l->fragments[i];

		if (f->group.object != g->object || f->group.name != g->name)
			continue;
		if (!f->message && f->old == old) {
			f->message = message ? message : arena_string(l->arena, "it has errors");
			n++;
		}
		if (old)
			f->replaced = false; /* what stood in for it is no better */
	}
	return n;
}

void mark_bad(struct loader *l, const struct group *g, char *message)
{
	/* What is new is to blame first: the old ones got on with each other. */
	if (mark(l, g, message, false) == 0)
		mark(l, g, message, true);
}

/* A whole group: what is wrong with it is told once; a fragment that failed before stays silent. */
static bool settle_group(struct loader *l, struct fragment **f, size_t n, struct merged *m)
{
	bool mute = l->mute, ok;

	l->mute = l->mute || rank(f[0]) != 0;
	l->first = NULL;
	ok = merge_group(l, f, n, m);
	if (ok) {
		l->first = NULL;
		l->object = m->group.object;
		l->group = m->group.name;
		ok = m->rank == 2 ? check_misconfigured(l, m) : check_group(l, m);
		if (!ok)
			mark_bad(l, &m->group, l->first);
	}
	l->mute = mute;
	l->object = l->group = NULL;
	return ok;
}

/* What can't even be shown as misconfigured is left out, old versions with errors too. */
static size_t usable(struct loader *l, struct fragment **list)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_fragments; i++) {
		struct fragment *f = &l->fragments[i];

		if (f->message && (f->old || f->replaced || f->group.n_actions == 0))
			continue;
		f->live = l->options->live && is_live(l, f);
		list[n++] = f;
	}
	qsort(list, n, sizeof(*list), compare_fragments);
	return n;
}

/* One round: groups from all fragments.  *RET_AGAIN: some were found wrong. */
static int one_round(struct loader *l, struct fragment **list, struct merged *groups, size_t *ret_n,
	bool *ret_again)
{
	size_t n = usable(l, list), n_groups = 0;

	*ret_again = false;
	for (size_t i = 0, j; i < n; i = j) {
		struct merged *m = &groups[n_groups];
		bool hopeless = list[i]->message != NULL;

		for (j = i + 1; j < n && compare_groups(list[i], list[j]) == 0;)
			j++;
		if (settle_group(l, list + i, j - i, m))
			n_groups++;
		else if (!hopeless)
			*ret_again = true;
	}
	if (cross_check(l, groups, &n_groups))
		*ret_again = true;
	*ret_n = n_groups;
	return l->error;
}

static int keep_groups(struct loader *l, const struct merged *groups, size_t n)
{
	struct config *c = l->config;

	c->groups = arena_alloc(l->arena, n * sizeof(*c->groups));
	if (!c->groups)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		c->groups[i] = groups[i].group;
		c->n_actions += groups[i].group.n_actions;
	}
	c->n_groups = n;
	return 0;
}

int merge_fragments(struct loader *l)
{
	struct fragment **list = NULL;
	struct merged *groups = NULL;
	size_t n = 0;
	bool again = true;
	int r = 0;

	for (int round = 0; r == 0 && again && round < ROUNDS_MAX; round++) {
		r = recall_old(l);
		if (r == 0 && out_of_memory(l))
			r = -ENOMEM;
		if (r < 0)
			break;
		free(list);
		free(groups);
		list = calloc(l->n_fragments + 1, sizeof(struct fragment *));
		groups = calloc(l->n_fragments + 1, sizeof(*groups));
		r = list && groups ? one_round(l, list, groups, &n, &again) : -ENOMEM;
	}
	if (r == 0)
		r = keep_groups(l, groups, n);
	free(list);
	free(groups);
	return r;
}
