/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/merge.h"

#include "common/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ACTIONS_MAX 1000 /* in one group */

struct fragment *new_fragment(struct loader *l)
{
	struct fragment *f;

	if (l->n_fragments == l->fragments_cap) {
		size_t cap = l->fragments_cap ? l->fragments_cap * 2 : 16;

		f = reallocarray(l->fragments, cap, sizeof(*f));
		if (!f) {
			l->error = -ENOMEM;
			return NULL;
		}
		l->fragments = f;
		l->fragments_cap = cap;
	}
	f = &l->fragments[l->n_fragments];
	memset(f, 0, sizeof(*f));
	f->order = (unsigned)l->n_fragments++;
	f->old = l->reading_old;
	return f;
}

/* A document that does not say whose it is: what was good of its file must stay. */
static bool note_nameless(struct loader *l)
{
	struct broken_file *b;

	if (l->mute)
		return false;
	b = reallocarray(l->broken, l->n_broken + 1, sizeof(*b));
	if (!b) {
		l->error = -ENOMEM;
		return false;
	}
	l->broken = b;
	b[l->n_broken++] = (struct broken_file){.file = l->file, .message = l->first};
	return false;
}

static bool read_labels(struct loader *l, const struct node *v, struct fragment *f)
{
	char *labels[STATE_MAX_] = {NULL};
	struct key_set set = {0};
	struct scope s = {.group = &f->group, .labels = labels, .set = &set};

	if (!want_map(l, "labels", v) || !read_table(l, v, IN_LABELS, &s))
		return false;
	f->group.labels = (char **)(uintptr_t)arena_unique(l->arena, labels, sizeof(labels));
	f->spots[KEY_LABELS - KEY_GROUP_NAME] = (struct spot){v->line, v->column};
	return f->group.labels != NULL;
}

/* One of the tables of a group, into the same fragment. */
static void read_part(struct loader *l, const struct scope *group, enum key_id id)
{
	const struct node *v = scope_find(group, id);
	struct scope s = *group;

	/* "file:" with all of it commented out says nothing; "directory:" must say something. */
	if (v && node_is_null(v) && id != KEY_DIRECTORY)
		return;
	if (v && want_map(l, schema[id].name, v))
		read_table(l, v, (enum where)schema[id].extra, &s);
}

static void read_defaults(struct loader *l, const struct scope *group)
{
	const struct node *v = scope_find(group, KEY_COMMAND_DEFAULTS);

	if (v && (v->kind == NODE_LIST || (v->kind == NODE_SCALAR && !node_is_null(v))))
		wrong(l, v,
			"command of a group is a mapping of defaults for its actions; what is to "
			"be run stands in an action's command");
	else
		read_part(l, group, KEY_COMMAND_DEFAULTS);
}

/* The same name twice in one list. */
static bool check_repeated(struct loader *l, const struct fragment *f, const struct action *a)
{
	for (const struct action *o = f->group.actions; o < a; o++)
		if (o->name && same_name(o->name, a->name))
			return wrong_at(l, &a->place,
				"the action \"%s\" stands here twice; the other is in line %u",
				a->name, o->place.line);
	return true;
}

static void read_one(
	struct loader *l, struct fragment *f, const struct node *item, const struct draft *base)
{
	struct action *a = &f->group.actions[f->group.n_actions];
	char *outer = l->first;
	bool ok;

	l->first = NULL;
	a->place = node_place(l, item);
	if (f->old)
		a->place.line = a->place.column = 0;
	ok = read_action(l, item, base, a);
	if (a->name && !check_repeated(l, f, a)) {
		a->name = NULL;
		ok = false;
	}
	if (!ok)
		a->misconfigured = l->first;
	if (outer)
		l->first = outer;
	if (a->name)
		f->group.n_actions++;
	else
		memset(a, 0, sizeof(*a));
}

static void read_actions(
	struct loader *l, struct fragment *f, const struct node *v, const struct draft *base)
{
	if (!want_list(l, "actions", v))
		return;
	if (v->n > ACTIONS_MAX) {
		wrong(l, v, "actions has more than %d entries", ACTIONS_MAX);
		return;
	}
	if (v->n == 0)
		wrong(l, v, "actions is empty");
	f->group.actions = arena_alloc(l->arena, v->n * sizeof(*f->group.actions));
	for (uint32_t i = 0; f->group.actions && i < v->n; i++)
		read_one(l, f, v->items[i], base);
}

/* What the document says of its object. */
struct whole {
	char *object, *description;
	const char *file; /* where the fragments come from */
	bool several;     /* groups: each must have a name */
};

static void read_keys(struct loader *l, struct fragment *f, const struct node *map)
{
	struct draft base;
	struct scope s = {.group = &f->group, .draft = &base, .set = &f->set, .spots = f->spots};
	const struct node *v;

	memcpy(&base, &l->defaults, sizeof(base));
	base.drop = NULL;
	read_table(l, map, IN_GROUP, &s);
	read_part(l, &s, KEY_DIRECTORY);
	read_part(l, &s, KEY_FILE);
	v = scope_find(&s, KEY_LABELS);
	if (v && (node_is_null(v) || !read_labels(l, v, f)))
		key_set_remove(&f->set, KEY_LABELS);
	read_defaults(l, &s);
	v = scope_find(&s, KEY_ACTIONS);
	if (v)
		read_actions(l, f, v, &base);
	else
		wrong(l, map, "actions is missing in action-group");
}

static bool read_group_map(struct loader *l, const struct node *map, const struct whole *w)
{
	struct fragment *f;
	const struct node *name = NULL;
	size_t before = l->errors;

	if (!want_map(l, "action-group", map))
		return false;
	f = new_fragment(l);
	if (!f)
		return false;
	for (uint32_t i = 0; i < map->n; i++)
		if (map->pairs[i].key->kind == NODE_SCALAR &&
			strcmp(map->pairs[i].key->text, "name") == 0 &&
			map->pairs[i].value->kind == NODE_SCALAR)
			name = map->pairs[i].value;
	l->first = NULL;
	l->group = name ? name->text : "";
	f->group.object = w->object;
	f->group.name = arena_string(l->arena, "");
	f->group.place = node_place(l, map);
	f->group.place.file = w->file;
	if (f->old)
		f->group.place.line = f->group.place.column = 0;
	if (!name && w->several)
		wrong(l, map, "a group in a list of several needs a name");
	read_keys(l, f, map);
	if (!key_set_has(&f->set, KEY_GROUP_DESCRIPTION) && w->description) {
		f->group.description = w->description;
		key_set_add(&f->set, KEY_GROUP_DESCRIPTION);
	}
	for (size_t i = 0; i < f->group.n_actions; i++)
		f->group.actions[i].place.file = w->file;
	if (l->errors != before)
		f->message = l->first ? l->first : arena_string(l->arena, "it has errors");
	l->group = NULL;
	return !f->message;
}

static bool read_groups(struct loader *l, const struct node *v, struct whole *w)
{
	if (!v)
		return true;
	if (v->kind != NODE_LIST)
		return read_group_map(l, v, w);
	if (v->n == 0)
		return wrong(l, v, "action-group has no group in it");
	w->several = v->n > 1;
	for (uint32_t i = 0; i < v->n; i++)
		read_group_map(l, v->items[i], w);
	return true;
}

bool read_document(struct loader *l, const struct node *doc)
{
	struct key_set set = {0};
	struct scope s = {.set = &set};
	struct whole w = {.file = l->file};
	const struct node *v;
	size_t before = l->errors;

	if (node_is_null(doc)) /* nothing between two lines of --- */
		return true;
	l->first = NULL;
	if (!want_map(l, "a snippet", doc))
		return note_nameless(l);
	read_table(l, doc, IN_DOCUMENT, &s);
	if (l->errors == before)
		require_keys(l, doc, IN_DOCUMENT, &set);
	v = scope_find(&s, KEY_OBJECT);
	if (v)
		read_value(l, &schema[KEY_OBJECT], v, &(struct scope){.plain = &w.object});
	v = scope_find(&s, KEY_DOC_DESCRIPTION);
	if (v)
		read_value(l, &schema[KEY_DOC_DESCRIPTION], v,
			&(struct scope){.plain = &w.description});
	v = scope_find(&s, KEY_SOURCE);
	if (v && v->kind == NODE_SCALAR)
		w.file = arena_string(l->arena, v->text);
	if (l->errors != before)
		note_nameless(l);
	l->object = w.object;
	if (w.object)
		read_groups(l, scope_find(&s, KEY_ACTION_GROUP), &w);
	l->object = NULL;
	return l->errors == before;
}
