/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A command's environment, made from nothing: what it inherits is exactly what stands here.
 * A later value replaces an earlier one of the same name.
 */
#ifndef FLAGMAN_EXECUTOR_ENVIRONMENT_H
#define FLAGMAN_EXECUTOR_ENVIRONMENT_H

#include <stddef.h>
#include <sys/types.h>

struct environment {
	char **items; /* NULL-terminated "NAME=value"; owned */
	size_t n, capacity;
	int error; /* sticks: -ENOMEM */
};

void environment_done(struct environment *e);
void environment_set(struct environment *e, const char *name, const char *value);
void environment_put(struct environment *e, const char *pair); /* "NAME=value" */

/*
 * The text of an environment-file: NAME=value lines; empty ones and those that begin with '#' or
 * ';' are skipped; a value may be quoted as a whole.  Returns 0, or the number of the first line
 * that is wrong.
 */
unsigned environment_parse(struct environment *e, const char *text, size_t len);

/*
 * Reads such a file.  Threat: who can write it can make root load a library.  So it is regular,
 * owned by root, by flagmand's user or by UID, and not writable by others or the group.  A leading
 * '-' means that it may be missing.  0 or -errno (-EBADMSG: a line; -EPERM: not to be trusted).
 */
int environment_load(struct environment *e, const char *path, uid_t uid);

#endif
