/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often each action was started of late. */
#include "executor/rates.h"

#include "common/text.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct rate {
	struct rate *next;
	const char *object, *group, *action; /* in text */
	uint64_t interval;                   /* of the last question */
	uint64_t *starts;                    /* oldest first */
	unsigned n, size;
	char text[];
};

static int compare(const void *x, const void *y)
{
	const struct rate *a = x, *b = y;
	int r = strcmp(a->object, b->object);

	if (r == 0)
		r = strcmp(a->group, b->group);
	return r ? r : strcmp(a->action, b->action);
}

static struct rate *find(const struct rates *rates, const struct group *g, const struct action *a)
{
	const struct rate key = {.object = g->object, .group = g->name, .action = a->name};
	struct rate *const *found = tfind(&key, &rates->tree, compare);

	return found ? *found : NULL;
}

static const char *add_name(char **at, const char *name)
{
	const char *start = *at;

	*at = stpcpy(*at, name) + 1;
	return start;
}

static struct rate *make(struct rates *rates, const struct group *g, const struct action *a)
{
	struct rate *r =
		calloc(1, sizeof(*r) + strlen(g->object) + strlen(g->name) + strlen(a->name) + 3);
	char *at = r ? r->text : NULL;

	if (!r)
		return NULL;
	r->object = add_name(&at, g->object);
	r->group = add_name(&at, g->name);
	r->action = add_name(&at, a->name);
	if (!tsearch(r, &rates->tree, compare)) {
		free(r);
		return NULL;
	}
	r->next = rates->first;
	rates->first = r;
	return r;
}

/* How long a start counts. */
static uint64_t counts_for(uint64_t interval)
{
	uint64_t slack = interval / 10 < RATES_SLACK ? interval / 10 : RATES_SLACK;

	return interval - slack;
}

static void drop_old(struct rate *r, uint64_t now)
{
	unsigned old = 0;

	while (old < r->n && now - r->starts[old] >= counts_for(r->interval))
		old++;
	if (old > 0)
		memmove(r->starts, r->starts + old, (r->n - old) * sizeof(*r->starts));
	r->n -= old;
}

int rates_ask(struct rates *rates, const struct group *g, const struct action *a, uint64_t now)
{
	struct rate *r = find(rates, g, a);

	if (!a->press->start_limit_interval || !a->press->start_limit_burst)
		return 0;
	if (!r)
		r = make(rates, g, a);
	if (!r)
		return -ENOMEM;
	r->interval = a->press->start_limit_interval;
	drop_old(r, now);
	if (r->n >= a->press->start_limit_burst)
		return -EAGAIN;
	if (r->n == r->size) {
		unsigned size = r->size ? 2 * r->size : 2;
		uint64_t *grown = realloc(r->starts, size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		r->starts = grown;
		r->size = size;
	}
	return 0;
}

void rates_count(struct rates *rates, const struct group *g, const struct action *a, uint64_t now)
{
	struct rate *r = find(rates, g, a);

	if (r && r->n < r->size)
		r->starts[r->n++] = now;
}

static void forget(struct rates *rates, struct rate *r)
{
	(void)tdelete(r, &rates->tree, compare);
	free(r->starts);
	free(r);
}

void rates_tidy(struct rates *rates, uint64_t now)
{
	struct rate **at = &rates->first;

	while (*at) {
		struct rate *r = *at;
		drop_old(r, now);
		if (r->n > 0) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		forget(rates, r);
	}
}

void rates_done(struct rates *rates)
{
	while (rates->first) {
		struct rate *r = rates->first;
		rates->first = r->next;
		forget(rates, r);
	}
}
