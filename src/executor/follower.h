/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samba's audit log, followed for the agent (samba-audit in flagman.yaml): journalctl or tail, as
 * flagman's user, its output a pipe that the agent reads.  Both follow their log through rotation;
 * neither flagmand nor the agent opens it.
 *
 * One at most.  It begins and ends with the agent; one that ends by itself is started again after a
 * pause.  Threat: its user can stop or kill it, and then nobody is named.  It has that user's own
 * groups, as id(1) says, and systemd-journal for the journal: never those of the directories.
 */
#ifndef FLAGMAN_EXECUTOR_FOLLOWER_H
#define FLAGMAN_EXECUTOR_FOLLOWER_H

#include "executor/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct executor;

#define FOLLOWER_ARGV_MAX 12

struct follower {
	pid_t pid;              /* 0: none */
	char *source;           /* what it follows, as configured; owned; NULL: nothing */
	uint64_t began;         /* us, monotonic */
	uint64_t pause;         /* before the next start */
	sd_event_source *timer; /* to start it again */
};

/* What is run for SOURCE; its strings are static, or SOURCE.  Of the journal only what comes from
 * smbd's own service: journald knows that by the sender's cgroup, while anybody may log under any
 * identifier. */
void follower_argv(const char *source, const char *argv[FOLLOWER_ARGV_MAX]);

/* As the newest generation says: started, replaced or ended.  Nothing without an agent. */
void follower_configure(struct executor *x);
/* The agent has ended, or all does. */
void follower_end(struct executor *x);
/* True if PID, which has ended, was it. */
bool follower_reap(struct executor *x, pid_t pid);

#endif
