/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/control.h"

#include "agent/board.h"
#include "agent/control_records.h"
#include "agent/custody.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/runs.h"
#include "agent/watch.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define GROUPS_MAX      1024

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
	uint64_t run;       /* log --follow, run --wait */
	struct token token; /* ... a payload that is not a run yet */
	uint64_t sent;      /* bytes of its output */
	uint64_t cookie;    /* reload */
};

struct control {
	struct agent *agent;
	int fd;
	sd_event_source *source;
	struct connection *connections;
	unsigned n;
};

static void connection_free(struct connection *c)
{
	struct connection **p = &c->control->connections;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->control->n--;
	channel_free(c->channel);
	free(c->groups);
	free(c);
}

static int say(struct connection *c, void *message, size_t size)
{
	return channel_send(c->channel, message, size, NULL, 0);
}

static void end(struct connection *c, int exit_status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void end(struct connection *c, int exit_status, const char *fmt, ...)
{
	struct control_end m = {.header.type = CONTROL_END, .exit_status = exit_status};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m.message, sizeof(m.message), fmt, ap);
	va_end(ap);
	(void)say(c, &m, sizeof(m));
	c->follow = c->wait = false;
	c->run = 0;
}

static bool is_master(const struct connection *c)
{
	return c->uid == 0 || c->uid == getuid();
}

static bool may(const struct agent *a, const struct connection *c, const struct board *b)
{
	gid_t gid = board_view(a, b)->dir_gid;

	if (is_master(c) || c->gid == gid)
		return true;
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

static bool named(const char *want, const char *name)
{
	return !*want || name_equal(want, name);
}

static bool selects(const struct agent *a, const struct connection *c, const struct flag *f)
{
	const struct board *b = flag_board(a, f);

	return may(a, c, b) && named(c->object, board_object(a, b)) &&
	       named(c->group, board_group(a, b)) && named(c->action, flag_action_name(a, f));
}

/* The next flag that C asks for, from number FROM on. */
static struct flag *next_flag(const struct agent *a, const struct connection *c, size_t *from)
{
	while (*from < a->n_flags) {
		struct flag *f = &a->flags[(*from)++];
		if (f->adopted && selects(a, c, f))
			return f;
	}
	return NULL;
}

static struct flag *only_flag(struct connection *c)
{
	struct agent *a = c->control->agent;
	size_t i = 0;
	struct flag *f = next_flag(a, c, &i);

	if (!f)
		end(c, EX_NOINPUT, "there is no such action, or you are not in its group");
	else if (next_flag(a, c, &i)) {
		end(c, EX_USAGE, "that names several actions: say OBJECT/ACTION");
		return NULL;
	}
	return f;
}

static void peer_user(const struct connection *c, struct run *run)
{
	char buf[1024], number[32];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(c->uid, &pw, buf, sizeof(buf), &found) == 0 && found) {
		run->user = strdup(found->pw_name);
	} else {
		snprintf(number, sizeof(number), "uid %u", c->uid);
		run->user = strdup(number);
	}
	run->certainty = CERTAINTY_PEER;
}

/* --- verbs --- */

static void verb_status(struct connection *c)
{
	struct agent *a = c->control->agent;
	struct control_action m;
	size_t i = 0, n = 0;

	for (struct flag *f; (f = next_flag(a, c, &i)); n++) {
		control_record_action(a, f, &m);
		if (say(c, &m, sizeof(m)) < 0)
			return;
	}
	if (!n && (*c->object || *c->action))
		end(c, EX_NOINPUT, "there is no such action, or you are not in its group");
	else if (!c->follow)
		end(c, 0, "%s", n ? "" : "nothing is configured that you may press");
}

static void wait_for(struct connection *c, const struct run *run)
{
	c->run = run->id;
	c->token = run->token;
	c->sent = 0;
}

static void verb_run(struct connection *c, const struct control_request *m, int *fd)
{
	struct agent *a = c->control->agent;
	struct flag *f = only_flag(c);
	struct run run = {.token = token_new(), .trigger = TRIGGER_CLI};
	const char *why = NULL;
	bool ok;

	if (!f)
		return;
	if (!flag_board(a, f)->usable) {
		end(c, EX_TEMPFAIL, "its directory cannot be used now");
		return;
	}
	if (*fd < 0 && flag_action(a, f)->drop != VIEW_NONE &&
		!(f->live && f->live->kept_payload)) {
		end(c, EX_USAGE, "this action takes a file: --payload FILE");
		return;
	}
	peer_user(c, &run);
	if (*fd >= 0) {
		run.payload = strdup(m->payload_name);
		ok = run.payload && *run.payload && !strchr(run.payload, '/') &&
		     custody_copy(a, f, steal_fd(fd), &run, &why);
		if (!ok && !why)
			why = "the payload has no proper name";
	} else {
		wait_for(c, &run);
		ok = press_request(a, f, &run, false, &why);
		if (ok)
			c->run = f->live->run.id;
	}
	run_done(&run);
	if (!ok)
		end(c, EX_TEMPFAIL, "not run: %s", why);
	else if (!c->wait)
		end(c, 0, "%s", "");
}

static void verb_cancel(struct connection *c)
{
	struct agent *a = c->control->agent;
	size_t i = 0, n = 0, found = 0;

	for (struct flag *f; (f = next_flag(a, c, &i));) {
		if (c->run && !(f->live && f->live->run.id == c->run))
			continue;
		found++;
		n += press_cancel(a, f);
	}
	if (!found)
		end(c, EX_NOINPUT, "there is no such action or run, or you are not in its group");
	else if (!n)
		end(c, EX_TEMPFAIL, "nothing of it runs or waits");
	else
		end(c, 0, "%s", "");
}

static int say_bytes(struct connection *c, const char *data, size_t len, uint64_t left_out)
{
	struct control_output m = {
		.header.type = CONTROL_OUTPUT, .run = c->run, .left_out = left_out};

	while (len || m.left_out) {
		m.size = (uint32_t)(len < sizeof(m.data) ? len : sizeof(m.data));
		memcpy(m.data, data, m.size);
		int r = say(c, &m, sizeof(m));
		if (r < 0)
			return r;
		data += m.size;
		len -= m.size;
		m.left_out = 0;
	}
	return 0;
}

/* Head, gap and tail as they are now, less what was sent. */
static void say_output(
	struct connection *c, const struct buf *head, const struct buf *tail, uint64_t left_out)
{
	uint64_t total = head->len + left_out + tail->len;

	if (c->sent < head->len) {
		if (say_bytes(c, head->data + c->sent, head->len - c->sent, 0) < 0)
			return;
		c->sent = head->len;
	}
	uint64_t tail_at = head->len + left_out;
	uint64_t gap = c->sent < tail_at ? tail_at - c->sent : 0;
	uint64_t skip = c->sent > tail_at ? c->sent - tail_at : 0;
	if (skip < tail->len && tail->len)
		(void)say_bytes(c, tail->data + skip, tail->len - skip, gap);
	c->sent = total;
}

static void say_live_output(struct connection *c, struct live *l)
{
	_cleanup_(buf_done) struct buf head = BUF_INIT(16U << 20), tail = BUF_INIT(16U << 20);
	struct claim_status st;
	uint64_t left_out = 0;

	if (l->output_fd >= 0 && claim_status_read(l->status_fd, &st) == 0 &&
		st.output_total > c->sent &&
		claim_output_read(l->output_fd, &st, &head, &tail, &left_out) == 0)
		say_output(c, &head, &tail, left_out);
}

static void say_stored_output(struct connection *c, uint64_t run)
{
	_cleanup_(buf_done) struct buf head = BUF_INIT(16U << 20), tail = BUF_INIT(16U << 20);
	uint64_t left_out = 0;

	if (store_get_output(c->control->agent->store, run, &head, &tail, &left_out) == 0)
		say_output(c, &head, &tail, left_out);
}

static struct live *live_of_run(struct agent *a, uint64_t run)
{
	struct live *l;

	TAILQ_FOREACH(l, &a->active, actives)
	if (l->run.id == run)
		return l;
	return NULL;
}

/* May the peer see this run?  Its board may be gone: then only the masters. */
static bool may_see_run(struct connection *c, const struct run *r)
{
	struct agent *a = c->control->agent;

	if (is_master(c))
		return true;
	for (size_t i = 0; i < a->n_boards; i++)
		if (strcmp(board_object(a, &a->boards[i]), r->object) == 0 &&
			strcmp(board_group(a, &a->boards[i]), r->group) == 0)
			return may(a, c, &a->boards[i]);
	return false;
}

static void verb_log(struct connection *c)
{
	struct agent *a = c->control->agent;
	struct run run = {0};
	bool follow = c->follow;
	uint64_t id = c->run;

	if (!id) {
		struct flag *f = only_flag(c);
		if (!f)
			return;
		id = f->live && f->live->run.id ? f->live->run.id : f->run;
	}
	struct live *l = live_of_run(a, id);
	if (!id || (!l && store_get_run(a->store, id, &run) < 0)) {
		end(c, EX_NOINPUT, "it has never run");
		return;
	}
	if (!may_see_run(c, l ? &l->run : &run)) {
		end(c, EX_NOINPUT, "there is no such run, or you are not in its group");
	} else {
		c->run = id;
		if (l)
			say_live_output(c, l);
		else
			say_stored_output(c, id);
		if (!l || !follow)
			end(c, 0, "%s", "");
	}
	run_done(&run);
}

static bool say_record(const struct run *r, void *userdata)
{
	struct connection *c = userdata;
	struct control_run m;

	if (!may_see_run(c, r))
		return true;
	control_record_run(r, USEC_INFINITY, &m);
	return say(c, &m, sizeof(m)) == 0;
}

static void verb_history(struct connection *c, const struct control_request *m)
{
	struct agent *a = c->control->agent;
	const char *object = c->object, *group = c->group, *action = c->action;
	size_t i = 0;
	struct flag *f = next_flag(a, c, &i);

	if (f && *object) /* the names as they are stored */
		object = board_object(a, flag_board(a, f));
	if (f && *group)
		group = board_group(a, flag_board(a, f));
	if (f && *action)
		action = flag_action_name(a, f);
	(void)store_commit(a->store);
	int r = store_each_run(
		a->store, object, group, action, m->limit, m->flags & CONTROL_LIVE, say_record, c);
	if (r < 0)
		end(c, EX_IOERR, "the history cannot be read: %s", store_error(a->store));
	else
		end(c, 0, "%s", "");
}

static void verb_reload(struct connection *c)
{
	struct agent *a = c->control->agent;
	struct exec_reload m = {.header.type = EXEC_RELOAD, .cookie = ++a->next_cookie};

	if (!is_master(c)) {
		end(c, EX_NOPERM, "only root may do that");
		return;
	}
	c->cookie = m.cookie;
	(void)channel_send(a->executor, &m, sizeof(m), NULL, 0);
}

static void each_board(struct connection *c, void (*act)(struct agent *, struct board *))
{
	struct agent *a = c->control->agent;
	size_t n = 0;

	if (!is_master(c)) {
		end(c, EX_NOPERM, "only root may do that");
		return;
	}
	for (size_t i = 0; i < a->n_boards; i++) {
		struct board *b = &a->boards[i];
		if (!*c->object || !name_equal(c->object, board_object(a, b)) ||
			!named(c->group, board_group(a, b)))
			continue;
		act(a, b);
		n++;
	}
	if (n)
		end(c, 0, "%s", "");
	else
		end(c, EX_NOINPUT, "there is no such object");
}

static void release(struct agent *a, struct board *b)
{
	press_call_off_board(a, b, "Its directory was released.");
	board_release(a, b);
	watch_change(a);
}

static void restore(struct agent *a, struct board *b)
{
	b->released = false;
	b->recheck = true;
	watch_change(a);
	board_look_at(a, b, LOOK_ALL);
	board_looks(a);
}

static void fact(struct connection *c, const char *name, unsigned long long value)
{
	struct control_fact m = {.header.type = CONTROL_FACT};

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.value, sizeof(m.value), "%llu", value);
	(void)say(c, &m, sizeof(m));
}

static void verb_health(struct connection *c)
{
	struct agent *a = c->control->agent;
	struct rlimit limit = {0};
	unsigned missing = 0, unusable = 0;

	for (size_t i = 0; i < a->n_flags; i++)
		missing += a->flags[i].place == PLACE_NONE;
	for (size_t i = 0; i < a->n_boards; i++)
		unusable += !a->boards[i].usable;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	fact(c, "generation", a->generation);
	fact(c, "objects", a->n_boards);
	fact(c, "actions", a->n_flags);
	fact(c, "directories-unusable", unusable);
	fact(c, "flags-missing", missing);
	fact(c, "watches", watch_count(a->watch));
	fact(c, "watches-failed", watch_failed(a->watch));
	fact(c, "descriptors-held", a->n_fds);
	fact(c, "descriptors-budget", a->fd_budget);
	fact(c, "descriptors-limit", limit.rlim_cur);
	fact(c, "runs-active", a->n_active);
	end(c, 0, "%s", "");
}

static void request(struct connection *c, const struct control_request *m, int *fd)
{
	c->verb = m->header.type;
	c->follow = m->flags & CONTROL_FOLLOW;
	c->wait = m->flags & CONTROL_WAIT;
	c->run = m->run;
	snprintf(c->object, sizeof(c->object), "%.*s", CONTROL_NAME_MAX - 1, m->object);
	snprintf(c->group, sizeof(c->group), "%.*s", CONTROL_NAME_MAX - 1, m->group);
	snprintf(c->action, sizeof(c->action), "%.*s", CONTROL_NAME_MAX - 1, m->action);
	switch (m->header.type) {
	case CONTROL_STATUS:
		verb_status(c);
		break;
	case CONTROL_RUN:
		verb_run(c, m, fd);
		break;
	case CONTROL_CANCEL:
		verb_cancel(c);
		break;
	case CONTROL_LOG:
		verb_log(c);
		break;
	case CONTROL_HISTORY:
		verb_history(c, m);
		break;
	case CONTROL_RELOAD:
		verb_reload(c);
		break;
	case CONTROL_RELEASE:
		each_board(c, release);
		break;
	case CONTROL_RESTORE:
		each_board(c, restore);
		break;
	default:
		verb_health(c);
		break;
	}
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
	if (!c->control->agent->started) {
		end(c, EX_TEMPFAIL, "flagman is still starting");
		return;
	}
	request(c, m, n_fds ? &fds[0] : &none);
}

static void peer(struct connection *c, int fd)
{
	struct ucred cred = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	socklen_t len = sizeof(cred);
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	c->uid = cred.uid;
	c->gid = cred.gid;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
		c->groups = malloc(size ? size : 1);
		c->n_groups = c->groups ? size / sizeof(gid_t) : 0;
		if (c->groups)
			memcpy(c->groups, groups, size);
	}
}

static int on_connect(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct control *k = userdata;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)s;
	(void)events;
	if (conn < 0)
		return 0;
	struct connection *c = k->n < CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close_fd(conn);
		return 0;
	}
	c->control = k;
	c->next = k->connections;
	k->connections = c;
	k->n++;
	peer(c, conn);
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
	if (r < 0) {
		free(k);
		return r;
	}
	*ret = k;
	return 0;
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
		if (c->verb != CONTROL_STATUS || !c->follow || !selects(a, c, f))
			continue;
		if (!made)
			control_record_action(a, f, &m);
		made = true;
		(void)say(c, &m, sizeof(m));
	}
}

void control_output(struct agent *a, struct live *l)
{
	for (struct connection *c = a->control->connections; c; c = c->next)
		if ((c->follow || c->wait) && c->run && c->run == l->run.id)
			say_live_output(c, l);
}

void control_ended(struct agent *a, struct live *l)
{
	char words[256];
	int status;

	run_result_words(&l->run, l->timeout, words, sizeof(words));
	if (l->run.end.kind == END_EXITED || l->run.end.kind == END_NOT_STARTED)
		status = l->run.end.code;
	else if (l->run.end.kind == END_SIGNALED)
		status = 128 + l->run.end.code;
	else
		status = EX_TEMPFAIL;
	if (l->run.end.stop == STOP_TIMEOUT)
		status = 124;
	for (struct connection *c = a->control->connections; c; c = c->next) {
		if (!c->run || c->run != l->run.id || !(c->follow || c->wait))
			continue;
		end(c, c->wait ? status : 0, "%s of %s: %s", l->run.action, l->run.object, words);
	}
}

void control_reloaded(struct agent *a, const struct exec_reloaded *m)
{
	for (struct connection *c = a->control->connections; c; c = c->next) {
		if (c->verb != CONTROL_RELOAD || c->cookie != m->cookie)
			continue;
		if (m->n_errors)
			end(c, EX_CONFIG, "%u errors; the first: %.400s", m->n_errors, m->first);
		else
			end(c, 0, "%s", "");
	}
}
