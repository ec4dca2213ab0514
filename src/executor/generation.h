/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One reading of the configuration, under its number: what the executor looks identities up in.
 *
 * A board's id is its group's index in the configuration, an action's id counts through all
 * groups.  Older generations are kept until the agent has said EXEC_ADOPTED; runs copy what they
 * need.  An agent that does not say so for GENERATION_KEPT is refused what only they have: an
 * action that the administrator took away must not live on because the agent wants it to.
 */
#ifndef FLAGMAN_EXECUTOR_GENERATION_H
#define FLAGMAN_EXECUTOR_GENERATION_H

#include "common/text.h"
#include "config/config.h"

#include <stdint.h>

#define GENERATION_KEPT (30 * USEC_PER_SEC)

struct base_state {
	const char *path; /* the configuration's, without symlinks */
	uint64_t dev;     /* its file system; 0: not usable */
	char *error;      /* why it can't be used, or NULL */
	bool shared;      /* others than flagmand's user may rename what is in it */
	bool drops;       /* it has a drop folder */
	char *owned;      /* the path of a former one, or NULL */
};

struct board_state {
	uint32_t base, first_action;
	char *error; /* why its directory can't be used, or NULL */
};

struct generation {
	uint64_t number;
	struct config *config;
	struct base_state *bases; /* one for each different path, in order of it */
	uint32_t n_bases;
	struct base_state *former; /* of earlier configurations, and not yet cleared (former.h) */
	uint32_t n_former, n_away; /* how many; and how many more can't be reached */
	gid_t *former_gids;        /* of the directories in them */
	size_t n_former_gids;
	struct board_state *boards; /* as config->groups */
	uint32_t n_actions;
	uint64_t replaced; /* us, monotonic: when a newer one was read; 0: it is the newest */
	struct generation *older;
};

/* Takes over CONFIG.  NULL when out of memory (CONFIG is the caller's then). */
struct generation *generation_new(uint64_t number, struct config *config);
struct generation *generation_free(struct generation *g); /* this one only; returns NULL */
/* NUMBER in the list that begins with NEWEST, or NULL. */
struct generation *generation_find(struct generation *newest, uint64_t number);

/* Likewise, if it is the newest, or was so until less than GENERATION_KEPT before NOW (us,
 * monotonic). */
struct generation *generation_current(struct generation *newest, uint64_t number, uint64_t now);
/* Frees those that are not current any more. */
void generation_tidy(struct generation *newest, uint64_t now);

/* The action with that id and its group's index, or NULL. */
const struct action *generation_action(
	const struct generation *g, uint32_t action, uint32_t *ret_board);

/* The capabilities that some command of it has in its bounding set, or ambient. */
uint64_t generation_bounding(const struct generation *g);

/* The group ids that the agent needs: those of directories and files, sorted, each once; allocated.
 * FORMER: with those that it needs until it has adopted G.  0 or -ENOMEM. */
int generation_groups(const struct generation *g, bool former, gid_t **ret, size_t *ret_n);

#endif
