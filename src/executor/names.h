/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose a uid is, for the agent: it may neither open /etc/passwd nor speak with whatever knows the
 * people of a domain.  Nor does flagmand, while it serves presses: behind getpwuid(3) may stand a
 * directory service that does not answer.  So flagman-names is started for each question, as the
 * agent's user, one at a time, and has five seconds.  Every question gets one answer.
 */
#ifndef FLAGMAN_EXECUTOR_NAMES_H
#define FLAGMAN_EXECUTOR_NAMES_H

#include "wire/exec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#define NAMES_MAX 256 /* questions that wait; the agent asks no more at once */

struct names {
	uint32_t asked[NAMES_MAX]; /* the first is being looked up */
	unsigned n;
	pid_t pid; /* of flagman-names; 0: none, or buried */
	int fd;    /* its answer; -1: none runs */
	sd_event_source *io, *timer;
	char name[EXEC_USER_MAX];
	size_t len;
};

struct executor;

void names_open(struct names *n);
/* Answers with EXEC_NAMED, sooner or later. */
void names_ask(struct executor *x, uint32_t uid);
/* The agent is gone: nobody waits for an answer any more. */
void names_forget(struct executor *x);
bool names_reap(struct names *n, pid_t pid);

#endif
