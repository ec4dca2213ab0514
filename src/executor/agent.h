/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's process and the channel to it: started with the rights that the configuration needs,
 * told what there is, and started again whenever it ends.
 *
 * It runs as its own user with no capabilities and the groups of all action directories; so when
 * those groups, or the directories' places, change, it must end and come back.  Two never overlap:
 * the next one is started when the last one has been buried.
 */
#ifndef FLAGMAN_EXECUTOR_AGENT_H
#define FLAGMAN_EXECUTOR_AGENT_H

#include "wire/channel.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct executor;
struct generation;

struct agent {
	pid_t pid; /* 0: none */
	struct channel *channel;
	uint64_t began, ended;  /* us, monotonic; 0: never */
	uint64_t pause;         /* before the next start, if it dies young */
	sd_event_source *timer; /* to start it again, or to kill it */
	bool quitting;
	uint64_t outdated; /* when it has adopted this generation, its rights are not what they
			    * should be; 0: they are */
	gid_t *groups;     /* that it has; owned */
	size_t n_groups;
	char *bases; /* paths that it knows of, each with a newline; owned */
};

/* Starts it with the newest generation's rights.  0 or -errno; then it is tried again later. */
int agent_start(struct executor *x);
/* SIZE bytes at MESSAGE, as channel_send().  When there is no agent, nothing is sent: the next one
 * hears of everything by its claims. */
void agent_send(struct executor *x, void *message, size_t size, const int *fds, size_t n_fds);
/* The view of the newest generation; or asks it to end if its rights are not enough for that. */
void agent_configure(struct executor *x);
/* It has said EXEC_ADOPTED. */
void agent_adopted(struct executor *x, uint64_t generation);
/* Asks it to end, kills it after 2 s. */
void agent_quit(struct executor *x);
/* May it go there?  PATH is a base's. */
bool agent_has_base(const struct agent *a, const char *path);
/* To be called when PID has ended; true if it was the agent. */
bool agent_reap(struct executor *x, pid_t pid, int status);
void agent_close(struct executor *x);

#endif
