/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May this be run, and what is it?  Pure: the request, the configuration and a few facts in, an
 * order or a refusal out.  What is not allowed here is refused.
 */
#ifndef FLAGMAN_EXECUTOR_POLICY_H
#define FLAGMAN_EXECUTOR_POLICY_H

#include "executor/generation.h"
#include "wire/exec.h"

#include <stdbool.h>

struct policy_facts {
	bool privileged;
	uid_t own_uid;      /* flagmand's */
	uint64_t permitted; /* capabilities that it holds */
	size_t live;        /* runs under way */
	size_t max_runs;
};

/* What is to be run: pointers into the configuration and the request. */
struct order {
	const struct exec_start *request;
	const struct group *group;
	const struct action *action;
	uint32_t board;
	const char *base; /* group.real: its payload is in <base>/.flagman/<token> */
};

/* G is the request's generation, or NULL when there is none of that number.  START_OK fills *RET;
 * otherwise WHY (of the size of exec_started.why) says it in words. */
enum start_result policy_decide(const struct exec_start *request, const struct generation *g,
	const struct policy_facts *facts, struct order *ret, char *why, size_t size);

#endif
