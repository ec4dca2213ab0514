/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/loader.h"

#include "common/names.h"

#include <string.h>

static const struct node *value_of(const struct node *map, const char *key)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (map->pairs[i].key->kind == NODE_SCALAR &&
			strcmp(map->pairs[i].key->text, key) == 0)
			return map->pairs[i].value;
	return NULL;
}

/*
 * The three forms of an entry of `actions`:
 *	- name: Restart			- action: {name: Restart}		- action:
 *								  name: Restart
 */
const struct node *unwrap_action(struct loader *l, const struct node *item)
{
	const struct node *inner;

	if (!want_map(l, "an action", item))
		return NULL;
	inner = value_of(item, "action");
	if (!inner || node_is_null(inner))
		return item;
	if (inner->kind == NODE_MAP && item->n > 1) {
		wrong(l, item, "keys stand beside action: and below it; indent them all alike");
		return NULL;
	}
	if (inner->kind == NODE_SCALAR) {
		wrong(l, inner, "action takes no value; write name: %s", inner->text);
		return NULL;
	}
	return want_map(l, "action", inner) ? inner : NULL;
}

/* The name as soon as possible: the flag of a misconfigured action has it. */
static void read_action_name(
	struct loader *l, const struct node *map, const struct scope *s, struct action *a)
{
	const struct node *v = scope_find(s, KEY_NAME);

	if (!v) {
		wrong(l, map, "the action has no name");
		return;
	}
	read_value(l, &schema[KEY_NAME], v, &(struct scope){.plain = &a->name});
}

/* The one key that says what is run. */
static const struct found *find_what(
	struct loader *l, const struct node *map, const struct scope *s)
{
	const struct found *what = NULL;

	for (size_t i = 0; i < s->n_found; i++) {
		const struct found *f = &s->found[i];

		if (key_id(f->key) == KEY_NAME || key_id(f->key) == KEY_ACTION)
			continue;
		if (what) {
			wrong(l, f->at, "an action runs one thing: it has %s and %s",
				what->key->name, f->key->name);
			return NULL;
		}
		what = f;
	}
	if (!what)
		wrong(l, map,
			"the action does nothing: give it command, script, restart-service, "
			"service, burn, verify or eject");
	return what;
}

/* Capabilities: nothing can be ambient that is not in the bounding set. */
static bool check_capabilities(struct loader *l, const struct node *at, struct draft *d)
{
	if (!key_set_has(&d->set, KEY_BOUNDING))
		d->how.bounding = d->how.uid == 0 ? l->defaults.how.bounding : d->how.ambient;
	if (d->how.ambient & ~d->how.bounding)
		return wrong(l, at,
			"ambient-capabilities has some that capability-bounding-set has not");
	if (d->how.ambient && !l->options->privileged)
		return wrong(l, at,
			"ambient-capabilities: only a service that root runs can give "
			"capabilities");
	return true;
}

/* An ordinary user's instance can only be itself. */
static bool check_ordinary(struct loader *l, const struct node *at, struct draft *d)
{
	if (d->how.via == VIA_SUDO)
		return true;
	if (d->how.user_set && d->how.uid != l->options->trusted_uid)
		return wrong(l, at,
			"user: this service is not run by root, so it can't run a command as %s; "
			"leave user out, or set via: sudo",
			d->how.user_name);
	if (key_set_has(&d->set, KEY_GROUP) && !l->hooks->own_group(d->how.gid))
		return wrong(l, at,
			"group: this service is not run by root, and its user is not in that "
			"group");
	if (d->how.n_groups)
		return wrong(l, at,
			"supplementary-groups: only a service that root runs can give groups");
	return true;
}

bool finish_draft(struct loader *l, const struct node *at, struct draft *d)
{
	if (!key_set_has(&d->set, KEY_USER)) {
		if (l->options->privileged)
			return wrong(l, at,
				"the action does not say who runs it: write user: root if root is "
				"meant, here or in the group's command");
		default_run_as(l, d);
	}
	if (l->options->privileged && d->how.via == VIA_SUDO)
		return wrong(l, at, "via: this service is run by root and needs no sudo");
	if (!l->options->privileged && !check_ordinary(l, at, d))
		return false;
	d->press.timeout = d->how.timeout;
	return check_capabilities(l, at, d);
}

/* Who runs it is one thing: who names a user does not mean the group of another one. */
static void forget_inherited_group(const struct node *map, struct draft *d)
{
	if (!value_of(map, "user"))
		return;
	key_set_remove(&d->set, KEY_GROUP);
	key_set_remove(&d->set, KEY_SUPPLEMENTARY_GROUPS);
	d->how.groups = NULL;
	d->how.n_groups = 0;
}

bool read_action(
	struct loader *l, const struct node *item, const struct draft *base, struct action *a)
{
	const struct node *map = unwrap_action(l, item);
	struct draft d;
	struct key_set set = {0};
	struct scope s = {.draft = &d, .set = &set};
	const struct found *what;
	size_t before = l->errors;

	if (!map)
		return false;
	memcpy(&d, base, sizeof(d));
	forget_inherited_group(map, &d);
	read_table(l, map, IN_ACTION, &s);
	read_action_name(l, map, &s, a);
	what = find_what(l, map, &s);
	if (what)
		read_what(l, what->key, what->value, &d, a);
	if (l->errors != before || !finish_draft(l, map, &d))
		return false;
	a->description = d.description;
	a->press = arena_unique(l->arena, &d.press, sizeof(d.press));
	a->how = arena_unique(l->arena, &d.how, sizeof(d.how));
	a->drop = d.drop;
	return a->press && a->how;
}
