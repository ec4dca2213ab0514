/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding and signalling all that belongs to a run: its cgroup, where it has one; else everything
 * below its runner (which is subreaper, so nothing escapes by forking) and in its session (which
 * is what is left when the runner has died).
 *
 * Threat: pids are reused.  A process counts only if its start time says so, and is signalled
 * through a pidfd that was checked after it was opened.
 */
#ifndef FLAGMAN_EXECUTOR_KILLING_H
#define FLAGMAN_EXECUTOR_KILLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct prey {
	int cgroup;       /* directory, or -1 */
	pid_t session;    /* the command's pid; 0: it was not started */
	uint64_t started; /* its start time in ticks, a little before at most */
	pid_t runner;
	uint64_t runner_started;
};

/* What proc_pid_stat(5) says, as far as it is needed. */
struct process {
	pid_t pid, parent, session;
	uint64_t started;
	char state;
};
/* Pure: the text of /proc/PID/stat. */
bool process_parse(const char *text, struct process *ret);
/* Pure: marks in BELONGS those of the N processes that are PREY (not the runner itself, not
 * zombies). */
void prey_select(const struct process *all, size_t n, const struct prey *prey, bool *belongs);

/* The text of a claim's `started`: "<boot-id> <pid> <start> <runner> <start>".  False when the run
 * was not started, or in another boot: then there is nothing to kill. */
bool prey_parse(const char *text, const char *boot, struct prey *ret);

/* Sends SIG to all of it; with SIGKILL again until nothing new turns up.  How many were
 * signalled. */
int prey_signal(const struct prey *prey, int sig);

#endif
