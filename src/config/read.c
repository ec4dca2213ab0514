/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct node *scope_find(const struct scope *s, enum key_id id)
{
	for (size_t i = 0; i < s->n_found; i++)
		if (key_id(s->found[i].key) == id)
			return s->found[i].value;
	return NULL;
}

/* An alias without an anchor, a foreign tag: never what was meant, whatever should stand there. */
bool check_not_odd(struct loader *l, const char *what, const struct node *v)
{
	/* What looks like an alias may be half a password. */
	if (v->kind == NODE_UNKNOWN_ALIAS && strcmp(what, "environment") == 0)
		return wrong(l, v, "%s: a text that begins with * needs quotes", what);
	if (v->kind == NODE_TAGGED && strcmp(what, "environment") == 0)
		return wrong(l, v, "%s: a text that begins with ! needs quotes", what);
	if (v->kind == NODE_UNKNOWN_ALIAS)
		return wrong(l, v,
			"%s: *%s refers to an anchor &%s, and there is none before it; if it is a "
			"text, put it in quotes: \"*%s\"",
			what, v->text, v->text, v->text);
	if (v->kind == NODE_TAGGED)
		return wrong(l, v,
			"%s: the tag %s means nothing here; if it is a text, put it in quotes",
			what, v->text);
	return true;
}

bool want_scalar(struct loader *l, const char *what, const struct node *v)
{
	if (!check_not_odd(l, what, v))
		return false;
	if (v->kind == NODE_LIST)
		return wrong(l, v, "%s takes one value, not a list", what);
	if (v->kind == NODE_MAP)
		return wrong(l, v,
			"%s takes one value, not a mapping; if the text has ': ' in it, put it in "
			"quotes",
			what);
	if (node_is_null(v))
		return wrong(l, v, "%s has no value", what);
	if (v->hash_after)
		warn_of(l, v,
			"%s: ' #' begins a comment and ends the value; put it in quotes if the "
			"rest belongs to it",
			what);
	return true;
}

bool want_map(struct loader *l, const char *what, const struct node *v)
{
	if (!check_not_odd(l, what, v))
		return false;
	if (v->kind == NODE_MAP)
		return true;
	if (node_is_null(v))
		return wrong(
			l, v, "%s has nothing in it; indent what belongs to it below it", what);
	if (v->kind == NODE_LIST)
		return wrong(l, v, "%s is a mapping of keys, not a list", what);
	return wrong(l, v, "%s is a mapping of keys, not the text \"%s\"", what, v->text);
}

bool want_list(struct loader *l, const char *what, const struct node *v)
{
	if (!check_not_odd(l, what, v))
		return false;
	if (v->kind == NODE_LIST)
		return true;
	if (node_is_null(v))
		return wrong(
			l, v, "%s has nothing in it; indent what belongs to it below it", what);
	return wrong(l, v, "%s is a list: begin each entry with '- '", what);
}

/* A value that may be one or a list of them: the Nth, or NULL behind the last. */
const struct node *entry(const struct node *v, uint32_t i)
{
	if (v->kind == NODE_LIST)
		return i < v->n ? v->items[i] : NULL;
	return i == 0 ? v : NULL;
}

uint32_t n_entries(const struct node *v)
{
	return v->kind == NODE_LIST ? v->n : 1;
}

char **unique_strings(struct loader *l, const char *const *strings, size_t n)
{
	const char **copy = calloc(n + 1, sizeof(*copy));
	const void *unique = NULL;

	if (copy) {
		if (n)
			memcpy(copy, strings, n * sizeof(*copy));
		unique = arena_unique(l->arena, copy, (n + 1) * sizeof(*copy));
	}
	free(copy);
	if (!unique)
		l->error = -ENOMEM;
	return (char **)(uintptr_t)unique;
}

/* ---- drop ---- */

static bool read_drop(struct loader *l, const struct node *v, struct draft *d)
{
	struct drop drop;
	struct key_set set = {0};
	struct scope s = {.drop = &drop, .set = &set};
	size_t before = l->errors;

	memset(&drop, 0, sizeof(drop));
	/* the schema has a drop only where there is a draft */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	if (d->drop)
		memcpy(&drop, d->drop, sizeof(drop));
	else
		memcpy(&drop, l->defaults.drop, sizeof(drop));
	if (!want_map(l, "drop", v))
		return false;
	read_table(l, v, IN_DROP, &s);
	if (drop.folder)
		key_set_add(&set, KEY_DROP_FOLDER);
	if (drop.accept)
		key_set_add(&set, KEY_DROP_ACCEPT);
	if (l->errors == before)
		require_keys(l, v, IN_DROP, &set);
	if (l->errors != before)
		return false;
	d->drop = arena_unique(l->arena, &drop, sizeof(drop));
	return d->drop != NULL;
}

/* ---- any of them ---- */

static reader *const readers[TYPE_N] = {
	[TYPE_NAME] = read_name,
	[TYPE_TEXT] = read_text_value,
	[TYPE_BOOL] = read_bool,
	[TYPE_DURATION] = read_duration,
	[TYPE_CONFIRM] = read_confirm,
	[TYPE_SIZE] = read_size,
	[TYPE_COUNT] = read_count,
	[TYPE_NICE] = read_nice,
	[TYPE_MODE] = read_mode,
	[TYPE_WORD] = read_word,
	[TYPE_TRIGGERS] = read_triggers,
	[TYPE_NAMES] = read_names,
	[TYPE_PATH] = read_path,
	[TYPE_WORKDIR] = read_workdir,
	[TYPE_ENVFILE] = read_path,
	[TYPE_JOURNAL] = read_journal,
	[TYPE_CONTEXT] = read_context,
	[TYPE_CAPS] = read_caps,
	[TYPE_ENVIRONMENT] = read_environment,
	[TYPE_STATUSES] = read_statuses,
	[TYPE_UNIT] = read_unit,
	[TYPE_PROFILE] = read_profile,
	[TYPE_DEVICE] = read_device,
	[TYPE_SPEED] = read_speed,
};

static char *home_of(const struct key *k, struct scope *s)
{
	switch (k->home) {
	case HOME_DRAFT:
		return (char *)s->draft;
	case HOME_GROUP:
		return (char *)s->group;
	case HOME_DROP:
		return (char *)s->drop;
	case HOME_DISC:
		return (char *)s->disc;
	case HOME_SETTINGS:
		return (char *)s->settings;
	default:
		return NULL;
	}
}

bool read_value(struct loader *l, const struct key *k, const struct node *v, struct scope *s)
{
	char *slot;

	if (k->type == TYPE_LABEL)
		return read_label(l, k, v, s->labels);
	if (k->home == HOME_NONE || s->plain)
		return readers[k->type](l, k, v, s->plain);
	slot = home_of(k, s) + k->offset;
	switch (k->type) {
	case TYPE_USER:
		return read_user(l, k, v, (uid_t *)(void *)slot);
	case TYPE_GROUP:
		return read_group(l, k, v, (gid_t *)(void *)slot);
	case TYPE_RUN_AS:
		return read_run_as(l, v, s->draft);
	case TYPE_RUN_GROUP:
		return read_group(l, k, v, &s->draft->how.gid);
	case TYPE_RUN_GROUPS:
		return read_run_groups(l, k, v, s->draft);
	case TYPE_LIMIT_COUNT:
	case TYPE_LIMIT_SIZE:
	case TYPE_LIMIT_SECONDS:
	case TYPE_LIMIT_USEC:
		return read_limit(l, k, v, slot, s->draft);
	case TYPE_TABLE:
		return read_drop(l, v, s->draft);
	default:
		return readers[k->type](l, k, v, slot);
	}
}

static bool unknown_key(struct loader *l, enum where w, const struct node *at)
{
	enum where there = 0;
	const struct key *elsewhere = schema_elsewhere(w, at->text, &there);
	const struct key *near = schema_suggest(w, at->text);

	if (near && (!elsewhere || strcmp(elsewhere->name, at->text) != 0))
		return wrong(l, at, "unknown key \"%s\" in %s; did you mean %s?", at->text,
			where_name(w), near->name);
	if (elsewhere)
		return wrong(l, at, "%s does not stand in %s but in %s", elsewhere->name,
			where_name(w), where_name(there));
	if (strcmp(at->text, "<<") == 0)
		return wrong(l, at, "<< merges a mapping, or a list of mappings; this is none");
	return wrong(l, at, "unknown key \"%s\" in %s", at->text, where_name(w));
}

static bool repeated_key(struct loader *l, const struct node *map, const struct node *at)
{
	unsigned first = at->line;

	for (uint32_t i = 0; i < map->n; i++)
		if (map->pairs[i].key->kind == NODE_SCALAR &&
			strcmp(map->pairs[i].key->text, at->text) == 0) {
			first = map->pairs[i].key->line;
			break;
		}
	return wrong(l, at, "%s stands here twice; the first is in line %u", at->text, first);
}

static bool read_key(struct loader *l, const struct node *map, const struct pair *p, enum where w,
	struct key_set *seen, struct scope *s)
{
	const struct key *k;

	if (p->key->kind != NODE_SCALAR)
		return check_not_odd(l, where_name(w), p->key) &&
		       wrong(l, p->key, "a key in %s is a plain text", where_name(w));
	k = schema_find(w, p->key->text);
	if (!k || (k->internal && !l->reading_old))
		return unknown_key(l, w, p->key);
	if (key_set_has(seen, key_id(k)))
		return repeated_key(l, map, p->key);
	key_set_add(seen, key_id(k));
	key_set_add(s->set, key_id(k));
	if (k->home == HOME_NONE && k->type != TYPE_LABEL) {
		s->found[s->n_found++] = (struct found){k, p->key, p->value};
		return true;
	}
	if (s->spots && k->home == HOME_GROUP)
		s->spots[key_id(k) - KEY_GROUP_NAME] =
			(struct spot){p->value->line, p->value->column};
	if (s->draft && k->home == HOME_DRAFT)
		key_set_add(&s->draft->set, key_id(k));
	if (read_value(l, k, p->value, s))
		return true;
	key_set_remove(s->set, key_id(k));
	return false;
}

bool read_table(struct loader *l, const struct node *map, enum where where, struct scope *s)
{
	struct key_set seen = {0};
	size_t before = l->errors;

	s->n_found = 0;
	for (uint32_t i = 0; i < map->n; i++)
		read_key(l, map, &map->pairs[i], where, &seen, s);
	return l->errors == before;
}

bool require_keys(struct loader *l, const struct node *at, enum where w, const struct key_set *set)
{
	bool ok = true;

	for (const struct key *k = schema; k < schema + KEY_N; k++)
		if ((k->where & w) && k->required && !key_set_has(set, key_id(k)))
			ok = wrong(l, at, "%s is missing in %s", k->name, where_name(w));
	return ok;
}
