/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/control.h"

#include "agent/control_client.h"
#include "agent/control_records.h"
#include "agent/names.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define CONNECTIONS_MAX  64
#define CONNECTIONS_USER 16 /* of anybody but root and the service's user */
#define GROUPS_MAX       1024

static void connection_free(struct connection *c)
{
	struct connection **p = &c->control->connections;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->control->n--;
	channel_free(c->channel);
	free(c->groups);
	free(c->kept);
	close_fd(c->kept_fd);
	free(c);
}

/* Who runs something is told to it, and shown: the request waits for the name. */
static void keep(struct connection *c, const struct control_request *m, int *fd)
{
	c->kept = malloc(sizeof(*m));
	if (!c->kept)
		log_fatal(EX_OSERR, "out of memory");
	*c->kept = *m;
	c->kept_fd = steal_fd(fd);
}

static void on_message(struct channel *channel, const struct wire_header *header, int *fds,
	size_t n_fds, int error, void *userdata)
{
	struct connection *c = userdata;
	const struct control_request *m = (const struct control_request *)header;
	int none = -1;

	(void)channel;
	if (!header || c->asked) {
		if (error)
			log_warning(
				"a client of the control socket (uid %u) broke the protocol: %s",
				c->uid, strerror(-error));
		connection_free(c);
		return;
	}
	c->asked = true;
	if (m->header.type == CONTROL_RUN && !names_known(c->control->agent, c->uid))
		keep(c, m, n_fds ? &fds[0] : &none);
	else
		control_request(c, m, n_fds ? &fds[0] : &none);
}

static void peer(struct connection *c, int fd, const struct ucred *cred)
{
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);

	c->uid = cred->uid;
	c->gid = cred->gid;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
		c->groups = malloc(size ? size : 1);
		c->n_groups = c->groups ? size / sizeof(gid_t) : 0;
		if (c->groups)
			memcpy(c->groups, groups, size);
	}
}

/* Whoever holds connections and asks nothing is in nobody's way but his own. */
static bool has_room(const struct control *k, uid_t uid)
{
	unsigned others = 0, own = 0;

	for (const struct connection *c = k->connections; c; c = c->next) {
		own += c->uid == uid;
		others += c->uid != 0 && c->uid != getuid();
	}
	if (k->n >= CONNECTIONS_MAX || k->n >= k->agent->fd_limit / 8)
		return false;
	return uid == 0 || uid == getuid() ||
	       (own < CONNECTIONS_USER && others < CONNECTIONS_MAX - CONNECTIONS_USER);
}

static int on_connect(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct control *k = userdata;
	struct ucred cred = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	socklen_t len = sizeof(cred);
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)s;
	(void)events;
	if (conn < 0)
		return 0;
	(void)getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	struct connection *c = has_room(k, cred.uid) ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close_fd(conn);
		return 0;
	}
	c->control = k;
	c->next = k->connections;
	k->connections = c;
	k->n++;
	c->kept_fd = -1;
	peer(c, conn, &cred);
	if (channel_new(k->agent->event, conn, control_from_client, CONTROL_TYPE_MAX_, on_message,
		    c, &c->channel) < 0)
		connection_free(c);
	return 0;
}

int control_new(struct agent *a, int listen_fd, struct control **ret)
{
	struct control *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->agent = a;
	k->fd = listen_fd;
	r = sd_event_add_io(a->event, &k->source, listen_fd, EPOLLIN, on_connect, k);
	if (r >= 0)
		r = sd_event_source_set_enabled(k->source, SD_EVENT_OFF);
	if (r < 0) {
		sd_event_source_unref(k->source);
		free(k);
		return r;
	}
	*ret = k;
	return 0;
}

int control_serve(struct control *k)
{
	return sd_event_source_set_enabled(k->source, SD_EVENT_ON);
}

struct control *control_free(struct control *k)
{
	if (!k)
		return NULL;
	while (k->connections)
		connection_free(k->connections);
	sd_event_source_disable_unref(k->source);
	free(k);
	return NULL;
}

void control_changed(struct agent *a, struct flag *f)
{
	struct control_action m;
	bool made = false;

	for (struct connection *c = a->control->connections; c; c = c->next) {
		if (c->verb != CONTROL_STATUS || !c->follow ||
			!control_selects(c, a->view, (uint32_t)(f - a->flags)))
			continue;
		if (!made)
			control_record_action(a, f, &m);
		made = true;
		(void)control_say(c, &m, sizeof(m));
	}
}

void control_removed(struct agent *a, const struct view *v, uint32_t action)
{
	struct control_action m;

	if (!a->control->connections)
		return;
	control_record_removed(v, action, &m);
	for (struct connection *c = a->control->connections; c; c = c->next)
		if (c->verb == CONTROL_STATUS && c->follow && control_selects(c, v, action))
			(void)control_say(c, &m, sizeof(m));
}

void control_output(struct agent *a, struct live *l)
{
	for (struct connection *c = a->control->connections; c; c = c->next)
		if ((c->follow || c->wait) && c->run && c->run == l->run.id)
			control_say_live(c, l);
}

void control_ended(struct agent *a, struct live *l)
{
	char words[256];
	int status;

	run_result_words(&l->run, l->timeout, words, sizeof(words));
	if (l->run.end.kind == END_EXITED || l->run.end.kind == END_NOT_STARTED)
		status = l->run.end.code;
	else if (l->run.end.kind == END_SIGNALED)
		status = 128 + (l->run.end.code & 127);
	else
		status = EX_TEMPFAIL;
	if (l->run.end.stop == STOP_TIMEOUT)
		status = 124;
	for (struct connection *c = a->control->connections; c; c = c->next) {
		if (!c->run || c->run != l->run.id || !(c->follow || c->wait))
			continue;
		if (c->wait)
			control_say_run(c, &l->run, l->timeout);
		control_finish(c, c->wait ? status : 0, "%s of %s: %s", l->run.action,
			l->run.object, words);
	}
}

void control_named(struct agent *a)
{
	for (struct connection *c = a->control->connections; c; c = c->next) {
		if (!c->kept || !names_known(a, c->uid))
			continue;
		control_request(c, c->kept, &c->kept_fd);
		free(c->kept);
		c->kept = NULL;
		close_fd(c->kept_fd);
		c->kept_fd = -1;
	}
}

void control_reloaded(struct agent *a, const struct exec_reloaded *m)
{
	for (struct connection *c = a->control->connections; c; c = c->next) {
		if (c->verb != CONTROL_RELOAD || c->cookie != m->cookie)
			continue;
		if (m->n_errors)
			control_finish(c, EX_CONFIG, "%u errors; the first: %.400s", m->n_errors,
				m->first);
		else
			control_finish(c, 0, "%s", "");
	}
}
