/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing owners, on descriptors: flags from the agent's to the configuration's, payloads to the
 * agent's user and to the command's.  And the way of a payload between two directories:
 *
 *	<base>/.flagman/staging/<token>   the agent's: it took the payload, checks it, returns it
 *	<base>/.flagman/<token>           a command has it: only root writes to this directory
 *
 * A command opens its payload by path, often as root.  In staging the agent could put a symlink or
 * another file under that name.  So the payload is in custody from before the claim until the run
 * is over, and back before the agent hears of the end.  Nothing is synced: wherever a power cut or
 * a kill leaves it, the next start finds it by its token (payloads.h).
 *
 * MUSTs, because the other side may be hostile:
 *  1. What is changed is a regular file with one link on the base's file system, checked on the
 *     descriptor that is changed, and links are counted again afterwards.
 *  2. A payload is found by its token in staging, never following a symlink, and opened O_PATH:
 *     opening a device or a FIFO by mistake has no effect.
 *  3. Owner and mode come from the configuration, never from a message; set-id bits never survive.
 *  4. A flag is taken over only from the agent's user.
 *  5. What is renamed out of staging is looked at again under its new name, where the agent can't
 *     exchange it any more: it must be the inode that was checked, or it goes back.
 *  6. A directory that somebody else could write to is no custody.
 *  7. What a command gets nobody has open for writing, and nobody can open for writing again.
 */
#ifndef FLAGMAN_EXECUTOR_CUSTODY_H
#define FLAGMAN_EXECUTOR_CUSTODY_H

#include "common/token.h"
#include "executor/generation.h"
#include "executor/identity.h"

#include <stdbool.h>

/* FD is the agent's new file: gets the group's file user, group and mode.  0 or -errno with a
 * phrase in *WHY. */
int custody_own(int fd, const struct group *g, const struct base_state *b,
	const struct identity *id, const char **why);

/* The payload TOKEN in staging, checked (MUST 1, 2); OWNER is who must own it, (uid_t)-1 for
 * anybody. A descriptor (O_PATH) or -errno. */
int custody_open(
	const struct base_state *b, const struct token *token, uid_t owner, const char **why);
/* Gives what custody_open() returned to UID and GID, 0400; checks the links again. */
int custody_give(int fd, uid_t uid, gid_t gid, const char **why);

/* For a command: the agent's payload TOKEN leaves staging and is given to UID and GID.  0, or
 * -errno with a phrase in *WHY; then it is where it was. */
int custody_enter(const struct base_state *b, const struct token *token,
	const struct identity *agent, uid_t uid, gid_t gid, const char **why);
/* Back to staging, and to the agent.  0 or -errno: -ENOENT when it is not in custody there, -EEXIST
 * when something stands in its place in staging; it stays in custody then. */
int custody_return(const char *base, const struct token *token, const struct identity *agent);
/* All that is in custody in BASE and that IN_USE does not want.  0, or the -errno of one that had
 * to stay. */
typedef bool custody_in_use(const struct token *token, void *userdata);
int custody_return_all(
	const char *base, const struct identity *agent, custody_in_use *in_use, void *userdata);

#endif
