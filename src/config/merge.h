/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups while they are put together: merge.c makes them, check.c and cross.c judge them.
 */
#ifndef FLAGMAN_CONFIG_MERGE_H
#define FLAGMAN_CONFIG_MERGE_H

#include "config/loader.h"

struct merged {
	struct group group;
	struct key_set set;	      /* keys that somebody said */
	const struct fragment *first; /* the one that counts most */
	int rank;		      /* of that: 0 good, 1 old, 2 wrong */
	bool lost;		      /* against another group */
};

/* What equal names have in common; lives as long as the load. */
const char *fold(struct loader *l, const char *name);

/* All good fragments of G's group are wrong, with this message. */
void mark_bad(struct loader *l, const struct group *g, char *message);

bool same_name(const char *a, const char *b);

/* path.c: directory.path of G may hold flags. */
bool check_share_path(struct loader *l, const struct group *g);

/* The defaults of a group, and what must hold for it as a whole.  False: it can't be used. */
bool check_group(struct loader *l, struct group *g, const struct key_set *set);

/* Groups against each other.  Those that lose are taken out of the list (which is sorted by object
 * and name), and their fragments marked.  True: there were some. */
bool cross_check(struct loader *l, struct merged *groups, size_t *n);

/* Last good versions of the fragments that are wrong by now.  0 or -errno. */
int recall_old(struct loader *l);

#endif
