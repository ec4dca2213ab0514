/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who flagmand is, whom its agent runs as, and which capabilities it can hand on.
 *
 * Started by root it is privileged: the agent gets a user of its own.  Started by anybody else,
 * everything is that user.
 */
#ifndef FLAGMAN_EXECUTOR_IDENTITY_H
#define FLAGMAN_EXECUTOR_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct identity {
	bool privileged;
	uid_t uid; /* the agent's */
	gid_t gid;
	char *name, *home, *shell;
	uint64_t permitted; /* capabilities that flagmand itself holds, by number */
};

/* USER is --user.  0, or -errno with a sentence in *WHY: -ESRCH no such user, -EPERM it is root. */
int identity_find(const char *user, struct identity *ret, const char **why);
void identity_release(struct identity *id);

/* The groups of the agent's user, as id(1) says, and MORE if there is such a group (NULL: none);
 * not what the agent has, which are those of the directories.  How many are in GROUPS, which has
 * room for IDENTITY_GROUPS_MAX; what is beyond that is left out.  None if not privileged. */
#define IDENTITY_GROUPS_MAX 256
size_t identity_groups(const struct identity *id, const char *more, gid_t *groups);

/* The lowest capability in MASK in words, "cap_net_admin"; NULL for none. */
const char *capability_name(uint64_t mask);

#endif
