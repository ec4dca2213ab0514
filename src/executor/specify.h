/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an order to the specification that a runner gets: arguments, environment, identity, limits.
 *
 * A script's text reaches its shell as an unlinked memory file, descriptor 3, which the shell
 * opens as /proc/self/fd/3 (for itself, close-on-exec) while the text's first words close number 3
 * itself: so what the script starts has 0, 1 and 2, and ps(1) shows no text.  Through sudo, which
 * closes descriptors, the text is an argument.
 *
 * verify reads from standard input what was burned before (EXEC_DISCS, exec.h).
 */
#ifndef FLAGMAN_EXECUTOR_SPECIFY_H
#define FLAGMAN_EXECUTOR_SPECIFY_H

#include "executor/environment.h"
#include "executor/identity.h"
#include "executor/policy.h"
#include "wire/spec.h"

#include <sys/resource.h>

struct specified {
	struct spec spec;
	struct environment environment;
	const char **argv; /* owned */
	uint32_t *groups;  /* owned */
	char sudo_group[16];
	int extra; /* a script's memory file, or what is to be read from standard input; or -1 */
};

struct specify_facts {
	const struct identity *id;
	struct rlimit nofile; /* as flagmand found it, before it raised its own */
	const char *notify;   /* path of the run's notification socket, or NULL */
	bool selinux;         /* it is on: contexts are more than words */
	int agent;            /* the agent's directory: what it knows of burned discs lies there */
};

/* 0, or -errno with the cause in WHY.  The order's pointers must outlive *RET, which the caller
 * specified_done()s in either case. */
int specify(const struct order *o, const struct specify_facts *f, struct specified *ret, char *why,
	size_t size);
void specified_done(struct specified *s);

#endif
