/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the control socket: who it is, what it asked, what it was told.  Shared by the server
 * (control.c), the verbs (control_verbs.c) and the output of runs (control_output.c).
 */
#ifndef FLAGMAN_AGENT_CONTROL_CLIENT_H
#define FLAGMAN_AGENT_CONTROL_CLIENT_H

#include "agent/agent.h"
#include "wire/control.h"

struct connection {
	struct control *control;
	struct channel *channel;
	struct connection *next;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	bool asked, follow, wait;
	uint32_t verb;
	char object[CONTROL_NAME_MAX], group[CONTROL_NAME_MAX], action[CONTROL_NAME_MAX];
	uint64_t run;                 /* log --follow, run --wait */
	uint64_t sent;                /* bytes of its output */
	uint64_t cookie;              /* reload */
	struct control_request *kept; /* waits for the name of its user; owned */
	int kept_fd;
};

struct control {
	struct agent *agent;
	int fd;
	sd_event_source *source;
	struct connection *connections;
	unsigned n;
};

/* Does the one request.  *FD is taken over where it is used. */
void control_request(struct connection *c, const struct control_request *m, int *fd);
bool control_selects(const struct connection *c, const struct view *v, uint32_t action);

/* A CONTROL_RECORD of R. */
void control_say_run(struct connection *c, const struct run *r, uint64_t timeout);
int control_say(struct connection *c, void *message, size_t size);
void control_finish(struct connection *c, int exit_status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The output of C's run, as far as it was not sent yet. */
void control_say_live(struct connection *c, struct live *l);
void control_say_stored(struct connection *c, uint64_t run);

#endif
