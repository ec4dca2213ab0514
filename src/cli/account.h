/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users and groups by name.  A file of its own because <grp.h> has a struct group, and so has
 * config/config.h.
 */
#ifndef FLAGMAN_CLI_ACCOUNT_H
#define FLAGMAN_CLI_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCOUNT_NAME_MAX 256

/* The name, or the number where it has none; BUF holds ACCOUNT_NAME_MAX and is returned. */
char *account_user_name(uid_t uid, char *buf);
char *account_group_name(gid_t gid, char *buf);
/* False where there is none; the result is untouched then. */
bool account_group(const char *name, gid_t *ret);
bool account_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);
/* Is the user NAME, whose own group is OWN, in group GID? */
bool account_is_member(const char *name, gid_t own, gid_t gid);
/* All groups of the user NAME, whose own group is OWN; allocated.  0 or -ENOMEM. */
int account_groups(const char *name, gid_t own, gid_t **ret, size_t *ret_n);
/* Whom the group's entry lists, NULL-terminated and allocated; not those whose own group it is, nor
 * always those that a directory service knows.  NULL when out of memory. */
char **account_members(gid_t gid);
void account_members_free(char **members);

#endif
