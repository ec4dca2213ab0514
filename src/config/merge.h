/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups while they are put together: merge.c makes them, check.c and cross.c judge them.
 */
#ifndef FLAGMAN_CONFIG_MERGE_H
#define FLAGMAN_CONFIG_MERGE_H

#include "config/loader.h"

struct merged {
	struct group group;
	struct key_set set;           /* keys that somebody said */
	const struct fragment *first; /* the one that counts most */
	int rank;                     /* of that: 0 good, 1 old, 2 wrong */
	bool lost;                    /* against another group */
	struct place at[SPOTS];       /* where its keys stand; file NULL: nowhere */
};

/* Where the value of a key of the group stands, or the group. */
struct place merged_place(const struct merged *m, enum key_id id);

/* What equal names have in common; lives as long as the load. */
const char *fold(struct loader *l, const char *name);

/* The good fragments of G's group are wrong, with this message; old versions if there are no
 * others. */
void mark_bad(struct loader *l, const struct group *g, char *message);

bool same_name(const char *a, const char *b);

/* load.c: config_find(), but for the name as it is; quick also when there is none. */
const struct group *find_exactly(const struct config *c, const char *object, const char *group);

/* path.c: directory.path of G may hold flags. */
bool check_share_path(struct loader *l, struct merged *m);

/* The defaults of a group, and what must hold for it as a whole.  False: it can't be used. */
bool check_group(struct loader *l, struct merged *m);

/* The same where all there is has errors: what can be shown is made to fit. */
bool check_misconfigured(struct loader *l, struct merged *m);

/* Groups against each other.  Those that lose are taken out of the list (which is sorted by object
 * and name), and their fragments marked.  True: there were some. */
bool cross_check(struct loader *l, struct merged *groups, size_t *n);

/* Last good versions of the fragments that are wrong by now.  0 or -errno. */
int recall_old(struct loader *l);

#endif
