/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a root process to the command.
 *
 * The command's process is made before there is a run: it waits for the specification, and when
 * that comes, it is a list of raw system calls away from being the command.  It shares the runner's
 * memory (CLONE_VM, no copy to make and none to give up) but not its life: the runner does nothing
 * but close descriptors and sleep until the child has executed or died, which the hang-up of a
 * close-on-exec pipe tells, so the two don't work in that memory at the same time.  From
 * setresuid(2) on the child belongs to the command's user, who may stop it but not look into it:
 * the kernel makes that memory undumpable.
 *
 * A child that is born into a cgroup (clone3(2), CLONE_INTO_CGROUP) has memory of its own instead:
 * sharing it there needs assembler.  So what both must see is on a shared mapping: the message, and
 * what went wrong, as an exit status of systemd.exec(5), an errno and the step's name.
 */
#ifndef FLAGMAN_RUNNER_LAUNCH_H
#define FLAGMAN_RUNNER_LAUNCH_H

#include "wire/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LAUNCH_CANDIDATES 16  /* directories of PATH that are tried */
#define LAUNCH_SCRIPT_FD  3   /* where a script's text is, when /bin/sh starts */
#define LAUNCH_CHANGE_MAX 300 /* "changeprofile " and a profile's name */
#define LAUNCH_DENIED_MAX 128 /* as much as a claim keeps */

struct launch_failure {
	int status; /* 200 to 231: systemd.exec's; 0: the command runs */
	int error;  /* errno */
	const char *step;
};

struct launch_shared {
	struct launch_failure failure;
	uint64_t began;                 /* us, monotonic: when the specification was there */
	int64_t started;                /* the same in us since 1970 */
	size_t size;                    /* of the specification; 0: none came */
	char denied[LAUNCH_DENIED_MAX]; /* a step's name, where it may have been AppArmor */
	char message[SPEC_SIZE_MAX + 1] __attribute__((aligned(8)));
};

struct launch {
	struct launch_shared *shared;
	const struct spec *spec;
	int socket;  /* from it comes the specification */
	int output;  /* write end of the pipe: the command's stdout and stderr */
	int claim;   /* its file: where it notes what was started */
	int cgroup;  /* directory, or -1 */
	int extra;   /* a script's text, or standard input; or -1 */
	int running; /* write end of a pipe that the execution closes */
	pid_t runner;
	uint64_t runner_ticks; /* noted before it was started */
	uint64_t ticks;        /* and before the child was */
	uint64_t drop;         /* capabilities to drop from the bounding set */
	uint64_t permitted;    /* what the runner holds: root keeps it until execve */
	const char *programs[LAUNCH_CANDIDATES + 1];
	size_t context_len;
	char *memory;                   /* the candidates' */
	char change[LAUNCH_CHANGE_MAX]; /* what AppArmor is told; "": nothing */
	char started[CLAIM_STARTED_SIZE];
	size_t started_len, started_pid; /* length; where its ten digits of pid go */
};

/* Once in the nursery: what AppArmor is to it, and to those that it forks. */
void launch_look_at_apparmor(void);
/* As field 22 of proc_pid_stat(5) would have it of a process that starts now. */
uint64_t launch_ticks(void);
/* Once in a process that has become a runner.  BOUNDING: its bounding set; TICKS were noted before
 * it was forked.  The descriptors are the caller's to fill in.  0 or -errno. */
int launch_init(struct launch *l, uint64_t bounding, uint64_t ticks);
/* Makes the child, which waits.  Its pid, or -errno with shared->failure filled in; then nobody
 * reads the socket. */
pid_t launch(struct launch *l);

/* For a specification; what it points to must live as long.  0 or -errno. */
int launch_prepare(struct launch *l, const struct spec *s);
void launch_release(struct launch *l); /* what launch_prepare() has allocated */

#endif
