/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directories in the share: made, marked and mended by the executor, because making them with
 * the right owners takes root.
 *
 *	<path>               made if it is missing (root, 0755, marked); else never touched
 *	<path>/.flagman      0751, root's: custody, payloads of runs under random names
 *	<path>/.flagman/staging	  0700, the agent's
 *	<path>/OBJECT        user, group, mode of the configuration
 *	<path>/OBJECT/Run    and the drop folders: likewise
 *
 * MUSTs, because members of the group can rename and replace what is in <object>, and sometimes
 * what is in <path>:
 *  1. Every directory, those of <path> too, is opened by one name with O_NOFOLLOW from the
 *     descriptor of its parent, and changed through its own descriptor.  Symlinks in
 *     directory.path were followed when the configuration was read, and checked then.
 *  2. Only what carries flagman's mark (mark.h) is mended.  What does not is adopted if it is an
 *     empty directory, else left alone, and its board says so.
 *  3. A new one is made in staging, gets its owner, mode and mark there, and then its name
 *     (renameat2, no replacement): it is never seen half made.  Staging is the agent's, so it is
 *     looked at before it is changed, and again under its name.  Folders are made in a directory
 *     in staging, so that SELinux labels them as folders.
 *  4. A <path> whose file system is not the one that flagman knew (base.h) is not populated: it
 *     is a mount point without its mount.
 *
 * Nothing here is fatal: what is wrong becomes the base's or the board's error, in words, and one
 * line in the log.
 */
#ifndef FLAGMAN_EXECUTOR_DIRECTORIES_H
#define FLAGMAN_EXECUTOR_DIRECTORIES_H

#include "executor/generation.h"
#include "executor/identity.h"

/* All of G's.  STATE is <state>.  ACCEPT: the administrator has asked for a reload, so the file
 * systems are taken as they are. */
void directories_prepare(int state, const struct identity *id, struct generation *g, bool accept);
/* Those of one board again. */
void directories_mend(int state, const struct identity *id, struct generation *g, uint32_t board);

#endif
