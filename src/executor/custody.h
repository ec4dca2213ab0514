/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing owners, on descriptors: flags from the agent's to the configuration's, payloads to the
 * agent's user and to the command's.
 *
 * MUSTs, because the other side may be hostile:
 *  1. What is changed is a regular file with one link on the base's file system, checked on the
 *     descriptor that is changed, and links are counted again afterwards.
 *  2. A payload is found by its token below <base>/.flagman, never following a symlink, and opened
 *     O_PATH: opening a device or a FIFO by mistake has no effect.
 *  3. Owner and mode come from the configuration, never from a message; set-id bits never survive.
 *  4. A flag is taken over only from the agent's user.
 */
#ifndef FLAGMAN_EXECUTOR_CUSTODY_H
#define FLAGMAN_EXECUTOR_CUSTODY_H

#include "common/token.h"
#include "executor/generation.h"
#include "executor/identity.h"

/* FD is the agent's new file: gets the group's file user, group and mode.  0 or -errno with a
 * phrase in *WHY. */
int custody_own(int fd, const struct group *g, const struct base_state *b,
	const struct identity *id, const char **why);

/* The payload TOKEN, checked (MUST 1, 2); OWNER is who must own it, (uid_t)-1 for anybody.
 * A descriptor (O_PATH) or -errno. */
int custody_open(
	const struct base_state *b, const struct token *token, uid_t owner, const char **why);
/* Gives what custody_open() returned to UID and GID, 0400; checks the links again. */
int custody_give(int fd, uid_t uid, gid_t gid, const char **why);

#endif
