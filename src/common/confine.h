/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walls that a process builds around itself, once it holds all that it will ever need: agent
 * and watcher, which read what strangers write.  None of it can be undone, by us or by whoever
 * takes the process over.
 *
 *	confine_self()   no privilege, none to be gained, nothing to be looked into
 *	confine_files()  Landlock: these directories, and nothing else of the file system
 *	confine_calls()  seccomp: these system calls; others fail with EPERM, and audit notes them
 *
 * Landlock does not know stat(2), chmod(2) and chown(2); those are left to the kernel's
 *permissions, and the process has no capability.  A kernel that has one of the walls not at all is
 *no reason not to work: the caller says so in the log (capabilities(7), landlock(7), seccomp(2)).
 */
#ifndef FLAGMAN_COMMON_CONFINE_H
#define FLAGMAN_COMMON_CONFINE_H

#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A system call that is allowed, if its argument is as it should be. */
struct confine_call {
	int call;
	bool checked;
	struct scmp_arg_cmp argument;
};
/* clang-format off */
#define CONFINE_CALL(name) {SCMP_SYS(name), false, {0, SCMP_CMP_EQ, 0, 0}}
/* ARGUMENT, counted from 0, is VALUE; several such lines: is one of these. */
#define CONFINE_CALL_EQ(name, argument, value) \
	{SCMP_SYS(name), true, {(argument), SCMP_CMP_EQ, (uint32_t)(value), 0}}
/* ARGUMENT has none of BITS. */
#define CONFINE_CALL_WITHOUT(name, argument, bits) \
	{SCMP_SYS(name), true, {(argument), SCMP_CMP_MASKED_EQ, (uint32_t)(bits), 0}}
#define CONFINE_FCNTL(command) \
	CONFINE_CALL_EQ(fcntl, 1, command), CONFINE_CALL_EQ(fcntl64, 1, command)
/* clang-format on */

/* No new privileges, no capabilities, no core, no dump, no new process.  0 or -errno. */
int confine_self(void);

/* Below the N directories of DIRS everything but executing and making devices, sockets, FIFOs and
 * symlinks; elsewhere nothing can be opened, made, renamed or removed.  Returns the version of the
 * kernel's Landlock, 0 where it has none that can do this, or -errno. */
int confine_files(const int *dirs, size_t n);

/* CALLS and what every process needs to compute, log and end.  0 or -errno. */
int confine_calls(const struct confine_call *calls, size_t n);

/* The three, and words in the log where the kernel lacks one; WHO for these.  Does not return if
 * the process would go on with more than it may have. */
void confine(const char *who, const int *dirs, size_t n_dirs, const struct confine_call *calls,
	size_t n_calls);

#endif
