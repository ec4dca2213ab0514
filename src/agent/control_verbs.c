/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each verb of flagman(1) does here. */
#include "agent/board.h"
#include "agent/control.h"
#include "agent/control_client.h"
#include "agent/control_records.h"
#include "agent/custody.h"
#include "agent/flag.h"
#include "agent/names.h"
#include "agent/press.h"
#include "agent/runs.h"
#include "agent/watch.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

int control_say(struct connection *c, void *message, size_t size)
{
	return channel_send(c->channel, message, size, NULL, 0);
}

void control_finish(struct connection *c, int exit_status, const char *fmt, ...)
{
	struct control_end m = {.header.type = CONTROL_END, .exit_status = exit_status};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m.message, sizeof(m.message), fmt, ap);
	va_end(ap);
	(void)control_say(c, &m, sizeof(m));
	c->follow = c->wait = false;
	c->run = 0;
}

void control_say_run(struct connection *c, const struct run *r, uint64_t timeout)
{
	struct control_run m;

	control_record_run(r, timeout, &m);
	(void)control_say(c, &m, sizeof(m));
}

static bool is_master(const struct connection *c)
{
	return c->uid == 0 || c->uid == getuid();
}

static bool may(const struct connection *c, gid_t gid)
{
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

bool control_selects(const struct connection *c, const struct view *v, uint32_t action)
{
	const struct view_action *act = &v->actions[action];
	const struct view_board *b = &v->boards[act->board];

	return may(c, b->dir_gid) && named(c->object, view_str(v, b->object)) &&
	       named(c->group, view_str(v, b->group)) && named(c->action, view_str(v, act->name));
}

/* The next flag that C asks for, from number FROM on. */
static struct flag *next_flag(const struct agent *a, const struct connection *c, size_t *from)
{
	while (*from < a->n_flags) {
		uint32_t i = (uint32_t)(*from)++;
		if (a->flags[i].adopted && control_selects(c, a->view, i))
			return &a->flags[i];
	}
	return NULL;
}

static struct flag *only_flag(struct connection *c)
{
	struct agent *a = c->control->agent;
	size_t i = 0;
	struct flag *f = next_flag(a, c, &i);

	if (!f)
		control_finish(
			c, EX_NOINPUT, "there is no such action, or you are not in its group");
	else if (next_flag(a, c, &i)) {
		control_finish(c, EX_USAGE, "that names several actions: say OBJECT/ACTION");
		return NULL;
	}
	return f;
}

/* --- verbs --- */

static void verb_status(struct connection *c)
{
	struct agent *a = c->control->agent;
	struct control_action m;
	size_t i = 0, n = 0;

	for (struct flag *f; (f = next_flag(a, c, &i)); n++) {
		control_record_action(a, f, &m);
		if (control_say(c, &m, sizeof(m)) < 0)
			return;
	}
	if (!n && (*c->object || *c->action))
		control_finish(
			c, EX_NOINPUT, "there is no such action, or you are not in its group");
	else if (!c->follow)
		control_finish(c, 0, "%s", n ? "" : "nothing is configured that you may press");
}

static void verb_run(struct connection *c, const struct control_request *m, int *fd)
{
	struct agent *a = c->control->agent;
	struct flag *f = only_flag(c);
	struct run run = {
		.token = token_new(),
		.trigger = TRIGGER_CLI,
		.uid = c->uid,
		.nameless = true,
		.certainty = CERTAINTY_PEER,
	};
	const char *why = NULL;
	bool ok;

	if (!f)
		return;
	if (!flag_board(a, f)->usable) {
		control_finish(c, EX_TEMPFAIL, "its directory cannot be used now");
		return;
	}
	if (*fd < 0 && flag_action(a, f)->drop != VIEW_NONE &&
		!(f->live && f->live->kept_payload)) {
		control_finish(c, EX_USAGE, "this action takes a file: --payload FILE");
		return;
	}
	(void)names_fill(a, &run);
	if (*fd >= 0) {
		run.payload = strdup(m->payload_name);
		if (!run.payload || !*run.payload || strchr(run.payload, '/'))
			why = "the payload has no proper name";
		else
			c->run = custody_copy(a, f, steal_fd(fd), &run, &why);
		ok = c->run != 0;
		if (ok && store_get_run(a->store, c->run, &run) == 0)
			control_say_run(c, &run, USEC_INFINITY);
	} else {
		ok = press_request(a, f, &run, false, &why);
		if (ok) {
			c->run = f->live->run.id;
			control_say_run(c, &f->live->run, f->live->timeout);
		}
	}
	run_done(&run);
	if (!ok)
		control_finish(c, EX_TEMPFAIL, "not run: %s", why);
	else if (!c->wait)
		control_finish(c, 0, "%s", "");
}

static void verb_cancel(struct connection *c)
{
	struct agent *a = c->control->agent;
	size_t i = 0, n = 0, found = 0;

	for (struct flag *f; (f = next_flag(a, c, &i));) {
		if (c->run && !(f->live && f->live->run.id == c->run))
			continue;
		found++;
		if (!press_cancel(a, f))
			continue;
		n++;
		control_say_run(c, &f->live->run, f->live->timeout);
	}
	if (!found)
		control_finish(c, EX_NOINPUT,
			"there is no such action or run, or you are not in its group");
	else if (!n)
		control_finish(c, EX_TEMPFAIL, "nothing of it runs or waits");
	else
		control_finish(c, 0, "%s", "");
}

static struct live *live_of_run(struct agent *a, uint64_t run)
{
	struct live *l;

	TAILQ_FOREACH (l, &a->active, actives)
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
			return may(c, board_view(a, &a->boards[i])->dir_gid);
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
		control_finish(c, EX_NOINPUT, "it has never run");
		return;
	}
	if (!may_see_run(c, l ? &l->run : &run)) {
		control_finish(c, EX_NOINPUT, "there is no such run, or you are not in its group");
	} else {
		c->run = id;
		if (l)
			control_say_live(c, l);
		else
			control_say_stored(c, id);
		if (!l || !follow)
			control_finish(c, 0, "%s", "");
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
	return control_say(c, &m, sizeof(m)) == 0;
}

/* `flagman history --disc`: names are compared here, a limit counts what is shown. */
struct disc_sink {
	struct connection *c;
	const char *object, *group, *action;
	uint32_t left; /* UINT32_MAX: any number */
};

static bool say_disc(const struct disc *d, const struct run *r, void *userdata)
{
	struct disc_sink *s = userdata;
	struct control_disc m;

	if (!r->id || !may_see_run(s->c, r) || (*s->object && strcmp(s->object, r->object) != 0) ||
		(*s->group && strcmp(s->group, r->group) != 0) ||
		(*s->action && strcmp(s->action, r->action) != 0))
		return true;
	control_record_disc(d, r, &m);
	if (control_say(s->c, &m, sizeof(m)) < 0)
		return false;
	return s->left == UINT32_MAX || --s->left > 0;
}

static int say_history(struct connection *c, const struct control_request *m, const char *object,
	const char *group, const char *action)
{
	struct agent *a = c->control->agent;
	struct disc_sink s = {c, object, group, action, m->limit ? m->limit : UINT32_MAX};

	if (m->flags & CONTROL_DISCS)
		return store_each_disc(a->store, say_disc, &s);
	return store_each_run(
		a->store, object, group, action, m->limit, m->flags & CONTROL_LIVE, say_record, c);
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
	int r = say_history(c, m, object, group, action);
	if (r < 0)
		control_finish(
			c, EX_IOERR, "the history cannot be read: %s", store_error(a->store));
	else
		control_finish(c, 0, "%s", "");
}

static void verb_reload(struct connection *c)
{
	struct agent *a = c->control->agent;
	struct exec_reload m = {.header.type = EXEC_RELOAD, .cookie = ++a->next_cookie};

	if (!is_master(c)) {
		control_finish(c, EX_NOPERM, "only root may do that");
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
		control_finish(c, EX_NOPERM, "only root may do that");
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
		control_finish(c, 0, "%s", "");
	else
		control_finish(c, EX_NOINPUT, "there is no such object");
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

static void fact_words(struct connection *c, const char *name, const char *words)
{
	struct control_fact m = {.header.type = CONTROL_FACT};

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.value, sizeof(m.value), "%s", words);
	(void)control_say(c, &m, sizeof(m));
}

static void fact(struct connection *c, const char *name, unsigned long long value)
{
	char number[32];

	snprintf(number, sizeof(number), "%llu", value);
	fact_words(c, name, number);
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
	fact(c, "user", getuid());
	fact_words(c, "version", FLAGMAN_VERSION);
	if (a->trouble[0])
		fact_words(c, "trouble", a->trouble);
	control_finish(c, 0, "%s", "");
}

void control_request(struct connection *c, const struct control_request *m, int *fd)
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
