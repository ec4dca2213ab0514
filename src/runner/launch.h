/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a root process to the command: one ordered list of system calls in a child.
 *
 * Everything that needs thought or memory is computed before (launch_prepare); the child makes raw
 * system calls only, because it may share the runner's memory (CLONE_VM|CLONE_VFORK: half the time
 * of fork(2)).  What goes wrong is written to a shared page as an exit status of systemd.exec(5),
 * an errno and the step's name.
 *
 * The child that goes straight into a cgroup (clone3(2), CLONE_INTO_CGROUP) is forked instead:
 * sharing memory there needs assembler.
 */
#ifndef FLAGMAN_RUNNER_LAUNCH_H
#define FLAGMAN_RUNNER_LAUNCH_H

#include "wire/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LAUNCH_CANDIDATES 16 /* directories of PATH that are tried */
#define LAUNCH_SCRIPT_FD  3  /* where a script's text is, when /bin/sh starts */

struct launch_failure {
	int status; /* 200 to 227: systemd.exec's; 0: the command runs */
	int error;  /* errno */
	const char *step;
};

struct launch {
	const struct spec *spec;
	int output; /* write end of the pipe: the command's stdout and stderr */
	int status; /* the claim's `status`: where it notes what was started */
	int cgroup; /* directory, or -1 */
	int script; /* or -1 */
	pid_t runner;
	uint64_t runner_ticks;          /* when it was started */
	uint64_t drop;                  /* capabilities to drop from the bounding set */
	uint64_t permitted;             /* what the runner holds: root keeps it until execve */
	struct launch_failure *failure; /* shared page */
	const char *programs[LAUNCH_CANDIDATES + 1];
	char *memory; /* the candidates' */
	char started[CLAIM_STARTED_SIZE];
	size_t started_len, started_pid; /* length; where its ten digits of pid go */
};

/* Once in a process that will be a runner: the shared page; what capabilities there are, of which
 * those that are not in BOUNDING leave the bounding set at once.  0 or -errno. */
int launch_init(struct launch *l, uint64_t bounding);
/* For a specification; what it points to must live as long.  0 or -errno. */
int launch_prepare(struct launch *l, const struct spec *s);
void launch_release(struct launch *l); /* what launch_prepare() has allocated */
/* Starts it.  Returns the pid (to be waited for even if l->failure->status is set), or -errno when
 * not even a child could be made. */
pid_t launch(struct launch *l);

#endif
