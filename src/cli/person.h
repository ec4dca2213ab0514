/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody else may do with a file, told from its owner, mode and POSIX ACL (acl(5)): so it
 * needs no right to become that person, and gives an ordinary user the same answer.  What a
 * security module or a server on the network says besides is not known here.
 */
#ifndef FLAGMAN_CLI_PERSON_H
#define FLAGMAN_CLI_PERSON_H

#include <stddef.h>
#include <sys/types.h>

struct person {
	uid_t uid;   /* (uid_t)-1: nobody in particular, who is in the groups */
	gid_t *gids; /* owned */
	size_t n_gids;
};

/* The user NAME with all groups of the data base.  0, -ENOENT, -ENOMEM; P is void on failure. */
int person_named(const char *name, struct person *ret);
int person_join(struct person *p, gid_t gid); /* 0 or -ENOMEM */
void person_done(struct person *p);

/* WANT is R_OK, W_OK, X_OK or several.  1, 0, or -errno where PATH can't be looked at. */
int person_may(const struct person *p, const char *path, int want);
/* May P pass the directories that lead to PATH, an absolute path?  1; 0: not RET_DIR (SIZE bytes);
 * -errno. */
int person_may_reach(const struct person *p, const char *path, char *ret_dir, size_t size);

#endif
