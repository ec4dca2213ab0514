/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/merge.h"
#include "config/print.h"

#include "common/names.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* The defaults of the schema are YAML: they are read as if somebody had written them. */
static bool read_default(struct loader *l, const struct key *k, struct scope *s)
{
	struct yaml_reader *r = yaml_open(k->fallback, strlen(k->fallback), l->scratch);
	struct yaml_trouble trouble;
	const struct node *node;
	bool ok = r && yaml_next(r, &node, &trouble) == 1 && read_value(l, k, node, s);

	yaml_close(r);
	arena_reset(l->scratch);
	return ok;
}

static bool read_defaults(struct loader *l)
{
	struct drop drop;
	char *labels[STATE_MAX_] = {NULL};
	struct key_set set = {0};
	struct scope s = {
		.draft = &l->defaults,
		.group = &l->group_defaults,
		.drop = &drop,
		.settings = &l->config->settings,
		.set = &set,
	};
	bool ok = true;

	memset(&drop, 0, sizeof(drop));
	l->defaults.how.uid = (uid_t)-1;
	l->defaults.how.gid = (gid_t)-1;
	l->defaults.how.bounding = all_capabilities();
	for (const struct key *k = schema; k < schema + KEY_N; k++)
		if (k->fallback && (k->home == HOME_DRAFT || k->home == HOME_GROUP ||
					   k->home == HOME_DROP || k->home == HOME_SETTINGS))
			ok = read_default(l, k, &s) && ok;
	l->defaults.press.timeout = l->defaults.how.timeout;
	l->defaults.drop = arena_unique(l->arena, &drop, sizeof(drop));
	l->group_defaults.labels =
		(char **)(uintptr_t)arena_unique(l->arena, labels, sizeof(labels));
	return ok && l->defaults.drop && l->group_defaults.labels;
}

int loader_start(struct loader *l, const struct config_options *options)
{
	struct config *c = calloc(1, sizeof(*c));

	memset(l, 0, sizeof(*l));
	l->options = options;

	if (!c)
		return -ENOMEM;
	l->config = c;
	l->hooks = config_hooks();
	c->arena = l->arena = arena_new();
	l->scratch = arena_new();
	l->temporary = arena_new();
	l->names = arena_new();
	l->programs = arena_new();
	if (!l->arena || !l->scratch || !l->temporary || !l->names || !l->programs)
		return -ENOMEM;
	l->file = "";
	if (!read_defaults(l))
		return -ENOMEM;
	l->file = NULL;
	return 0;
}

void loader_finish(struct loader *l)
{
	arena_free(l->scratch);
	arena_free(l->temporary);
	arena_free(l->names);
	arena_free(l->programs);
	free(l->problems);
	free(l->fragments);
	free(l->broken);
	free(l->text);
	identity_done(&l->users);
	identity_done(&l->groups);
}

bool out_of_memory(const struct loader *l)
{
	return l->error || arena_failed(l->arena) || arena_failed(l->scratch) ||
	       arena_failed(l->temporary) || arena_failed(l->names) || arena_failed(l->programs);
}

int config_load(const struct config_options *options, struct config **ret)
{
	struct loader l;
	int r = loader_start(&l, options);

	if (r == 0) {
		read_settings(&l);
		r = read_sources(&l);
	}
	if (r == 0)
		r = out_of_memory(&l) ? -ENOMEM : 0; /* nothing half read is looked at */
	if (r == 0)
		r = merge_fragments(&l);
	if (r == 0)
		r = problems_finish(&l);
	if (r == 0 && out_of_memory(&l))
		r = -ENOMEM;
	loader_finish(&l);
	if (r < 0) {
		config_free(l.config);
		return r;
	}
	arena_seal(l.config->arena);
	/* Reading took several times what is kept; an idle daemon gives it back. */
	malloc_trim(0);
	*ret = l.config;
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	arena_free(c->arena);
	free(c);
}

static int compare_to(const struct group *g, const char *object, const char *name)
{
	int r = strcmp(g->object, object);

	return r ? r : strcmp(g->name, name);
}

const struct group *find_exactly(const struct config *c, const char *object, const char *group)
{
	size_t low = 0, high = c->n_groups;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = compare_to(&c->groups[middle], object, group);

		if (r == 0)
			return &c->groups[middle];
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct group *config_find(const struct config *c, const char *object, const char *group)
{
	const struct group *g = find_exactly(c, object, group);

	if (g)
		return g;
	/* As typed by a person: another case, another normal form. */
	for (size_t i = 0; i < c->n_groups; i++)
		if (name_equal(c->groups[i].object, object) && name_equal(c->groups[i].name, group))
			return &c->groups[i];
	return NULL;
}
