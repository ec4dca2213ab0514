/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Users and groups are looked up once for each load: behind getpwnam(3) may stand a directory
 * service on the other side of the network.
 */
void identity_done(struct identity_cache *c)
{
	free(c->entries);
	*c = (struct identity_cache){0};
}

static struct identity *add_identity(struct loader *l, struct identity_cache *c, const char *name)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 16;
		struct identity *p = reallocarray(c->entries, cap, sizeof(*p));

		if (!p) {
			l->error = -ENOMEM;
			return NULL;
		}
		c->entries = p;
		c->cap = cap;
	}
	c->entries[c->n] = (struct identity){.name = name};
	return &c->entries[c->n++];
}

static bool all_digits(const char *s)
{
	return s[0] && s[strspn(s, "0123456789")] == '\0' && strlen(s) < 10;
}

static const struct identity *find_user(struct loader *l, const char *name)
{
	const char *key = arena_string(l->arena, name);
	struct identity *e;

	for (size_t i = 0; key && i < l->users.n; i++)
		if (l->users.entries[i].name == key)
			return &l->users.entries[i];
	e = key ? add_identity(l, &l->users, key) : NULL;
	if (!e)
		return NULL;
	e->known = all_digits(name) ? l->hooks->user_by_id((uid_t)strtoul(name, NULL, 10), &e->user)
				    : l->hooks->user_by_name(name, &e->user);
	if (e->known) {
		e->user.name = arena_string(l->arena, e->user.name);
		e->user.home = arena_string(l->arena, e->user.home);
		e->user.shell = arena_string(l->arena, e->user.shell);
	}
	return e;
}

static const struct identity *find_group(struct loader *l, const char *name)
{
	const char *key = arena_string(l->arena, name);
	struct identity *e;

	for (size_t i = 0; key && i < l->groups.n; i++)
		if (l->groups.entries[i].name == key)
			return &l->groups.entries[i];
	e = key ? add_identity(l, &l->groups, key) : NULL;
	if (!e)
		return NULL;
	if (all_digits(name)) {
		e->gid = (gid_t)strtoul(name, NULL, 10);
		e->known = true;
	} else {
		e->known = l->hooks->group_by_name(name, &e->gid);
	}
	return e;
}

bool read_user(struct loader *l, const struct key *k, const struct node *v, uid_t *ret)
{
	const struct identity *e;

	if (!want_scalar(l, k->name, v))
		return false;
	e = find_user(l, v->text);
	if (e && !e->known && all_digits(v->text)) {
		*ret = (uid_t)strtoul(v->text, NULL, 10); /* an owner needs no name */
		return true;
	}
	if (!e || !e->known)
		return wrong(l, v, "%s: there is no user \"%s\" on this machine", k->name, v->text);
	*ret = e->user.uid;
	return true;
}

bool read_group(struct loader *l, const struct key *k, const struct node *v, gid_t *ret)
{
	const struct identity *e;

	if (!want_scalar(l, k->name, v))
		return false;
	e = find_group(l, v->text);
	if (!e || !e->known)
		return wrong(
			l, v, "%s: there is no group \"%s\" on this machine", k->name, v->text);
	*ret = e->gid;
	return true;
}

static void set_user(struct draft *d, const struct account *a)
{
	d->how.uid = a->uid;
	d->how.user_name = (char *)(uintptr_t)a->name;
	d->how.home = (char *)(uintptr_t)a->home;
	d->how.shell = (char *)(uintptr_t)a->shell;
	if (!key_set_has(&d->set, KEY_GROUP))
		d->how.gid = a->gid;
}

bool read_run_as(struct loader *l, const struct node *v, struct draft *d)
{
	const struct identity *e;

	if (!want_scalar(l, "user", v))
		return false;
	e = find_user(l, v->text);
	if (!e || !e->known)
		return wrong(l, v, "user: there is no user \"%s\" on this machine", v->text);
	set_user(d, &e->user);
	d->how.user_set = true;
	return true;
}

void default_run_as(struct loader *l, struct draft *d)
{
	char number[24];
	const struct identity *e;

	snprintf(number, sizeof(number), "%u", (unsigned)l->options->trusted_uid);
	e = find_user(l, number);
	if (e && e->known) {
		set_user(d, &e->user);
		return;
	}
	/* A container's user may have no name. */
	set_user(d, &(struct account){.name = arena_string(l->arena, number),
			    .home = arena_string(l->arena, "/"),
			    .shell = arena_string(l->arena, "/bin/sh"),
			    .uid = l->options->trusted_uid,
			    .gid = (gid_t)l->options->trusted_uid});
}

static int compare_gids(const void *a, const void *b)
{
	const gid_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool read_run_groups(struct loader *l, const struct key *k, const struct node *v, struct draft *d)
{
	gid_t gids[64];
	size_t n = 0, max = sizeof(gids) / sizeof(gids[0]);
	uint32_t count = v->kind == NODE_LIST ? v->n : 1;

	if (!check_not_odd(l, k->name, v))
		return false;
	if (count > max)
		return wrong(l, v, "%s has more than %zu entries", k->name, max);
	for (uint32_t i = 0; i < count; i++)
		if (!read_group(l, k, v->kind == NODE_LIST ? v->items[i] : v, &gids[n++]))
			return false;
	qsort(gids, n, sizeof(gids[0]), compare_gids);
	d->how.n_groups = n;
	d->how.groups =
		n ? (gid_t *)(uintptr_t)arena_unique(l->arena, gids, n * sizeof(gids[0])) : NULL;
	return true;
}

const char *user_name(struct loader *l, uid_t uid, char buf[static 24])
{
	const struct identity *e;

	snprintf(buf, 24, "%u", (unsigned)uid);
	e = find_user(l, buf);
	return e && e->known ? e->user.name : buf;
}

const char *group_name(struct loader *l, gid_t gid, char buf[static 24])
{
	const char *name;

	for (size_t i = 0; i < l->groups.n; i++) {
		const struct identity *e = &l->groups.entries[i];
		if (e->known && e->gid == gid && !all_digits(e->name))
			return e->name;
	}
	name = l->hooks->group_by_id(gid);
	snprintf(buf, 24, "%u", (unsigned)gid);
	return name ? name : buf;
}
