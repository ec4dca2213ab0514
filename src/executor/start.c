/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EXEC_START, from request to answer.  The order is the design's: decide; take the payload into
 * custody and give it to the command's user; claim; start; answer.  Whatever fails before the claim
 * leaves nothing behind; whatever fails after it is the run's end.
 *
 * This is what a press waits for: no file is read here (but an environment-file, where one is
 * configured), no name looked up, nothing logged before the command runs.
 */
#include "executor/executor.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "executor/custody.h"
#include "executor/policy.h"
#include "executor/refusals.h"
#include "executor/specify.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_MIN (64U * 1024) /* bytes free for a run */

struct start {
	const struct exec_start *request;
	struct order order;
	struct ready ready;
	struct specified specified;
	const struct base_state *payload; /* in whose custody it is, or NULL */
	struct exec_started answer;
};

static bool is_no_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EROFS;
}

static enum start_result fail(struct start *s, int error, const char *what)
{
	s->answer.error = -error;
	if (!*s->answer.why)
		snprintf(s->answer.why, sizeof(s->answer.why), "%s: %s", what, strerror(-error));
	return is_no_room(error) ? START_NO_ROOM : START_ERROR;
}

static enum start_result decide(struct executor *x, struct start *s)
{
	const struct policy_facts facts = {
		.privileged = x->id.privileged,
		.own_uid = x->id.privileged ? 0 : x->id.uid,
		.permitted = x->id.permitted,
		.live = x->runs.n,
		.max_runs = x->generations ? x->generations->config->settings.max_runs : 0,
	};

	if (x->withdrawing) {
		snprintf(s->answer.why, sizeof(s->answer.why), "flagman is being removed");
		return START_REFUSED;
	}
	return policy_decide(s->request,
		generation_current(x->generations, s->request->generation, now_monotonic()), &facts,
		&s->order, s->answer.why, sizeof(s->answer.why));
}

/* The agent counts too.  This is for one that does not. */
static enum start_result check_rate(struct executor *x, struct start *s)
{
	const struct press *p = s->order.action->press;
	int r = rates_ask(&x->rates, s->order.group, s->order.action, now_boottime());
	char words[64];

	if (r == -EAGAIN) {
		snprintf(s->answer.why, sizeof(s->answer.why), "it ran %u times within %s",
			p->start_limit_burst,
			text_duration(words, sizeof(words), p->start_limit_interval));
		return START_REFUSED;
	}
	return r < 0 ? fail(s, r, "can't count its starts") : START_OK;
}

static const struct base_state *base_of(struct executor *x, const struct start *s)
{
	const struct generation *g = generation_find(x->generations, s->request->generation);

	return &g->bases[g->boards[s->order.board].base];
}

/* Last before the claim, so that little can fail while it is there. */
static enum start_result take_payload(struct executor *x, struct start *s)
{
	const struct spec *spec = &s->specified.spec;
	const struct base_state *b = base_of(x, s);
	const char *why = NULL;
	int r;

	if (!s->request->payload)
		return START_OK;
	r = custody_enter(b, &s->request->token, &x->id, spec->uid, spec->gid, &why);
	if (r == 0) {
		s->payload = b;
		return START_OK;
	}
	s->answer.error = -r;
	snprintf(s->answer.why, sizeof(s->answer.why), "the payload %s", why);
	return START_REFUSED;
}

static enum start_result prepare(struct executor *x, struct start *s)
{
	struct specify_facts f = {
		.id = &x->id, .nofile = x->nofile, .agent = x->places.agent, .selinux = x->selinux};
	int r = pool_take(&x->pool, &s->ready);

	if (r < 0)
		return fail(s, r, "can't prepare a run");
	f.notify = *s->ready.notify ? s->ready.notify : NULL;
	r = specify(&s->order, &f, &s->specified, s->answer.why, sizeof(s->answer.why));
	s->specified.spec.token = s->request->token;
	buf_reset(&x->spec);
	if (r == 0)
		r = spec_encode(&x->spec, &s->specified.spec);
	if (r < 0)
		return fail(s, r, "can't describe the run");
	return START_OK;
}

static bool is_full(const struct statvfs *v)
{
	return v->f_blocks != 0 && v->f_bavail * v->f_frsize < ROOM_MIN;
}

/* What was prepared could be claimed all the same.  But neither output nor history would be kept,
 * or nobody would see on the share what runs. */
static bool has_room(struct executor *x, const struct start *s)
{
	struct statvfs v;

	if (fstatvfs(x->places.claims.runs, &v) == 0 && is_full(&v))
		return false;
	return statvfs(base_of(x, s)->path, &v) < 0 || !is_full(&v);
}

static enum start_result claim(struct executor *x, struct start *s)
{
	int r = has_room(x, s) ? 0 : -ENOSPC;

	if (r == 0)
		r = claim_make(&x->places.claims, s->ready.id, &s->request->token);

	if (r == -EEXIST)
		return START_SERVED;
	if (r < 0)
		return fail(s, r, "can't make the claim");
	s->answer.claimed = now_realtime();
	rates_count(&x->rates, s->order.group, s->order.action, now_boottime());
	if (s->request->sync)
		(void)fsync(x->places.claims.runs);
	else
		x->unsynced = true;
	return START_OK;
}

/* What only its user may use: the notification socket. */
static void give(struct executor *x, struct start *s)
{
	const struct spec *spec = &s->specified.spec;

	if (*s->ready.notify && spec->uid != s->ready.notify_uid &&
		fchownat(x->places.notify, s->ready.id, spec->uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) <
			0)
		log_error("can't give the notification socket away: %s", strerror(errno));
	x->pool.last_uid = spec->uid;
}

static enum start_result launch(struct start *s, const struct buf *spec)
{
	int r = spec_send(s->ready.socket, spec->data, spec->len, &s->specified.extra,
		s->specified.extra >= 0);

	return r < 0 ? fail(s, r, "the runner") : START_OK;
}

static void answer(struct executor *x, struct start *s, enum start_result result)
{
	const int fds[] = {s->ready.fds.file, s->ready.fds.alive};

	s->answer.header.type = EXEC_STARTED;
	s->answer.token = s->request->token;
	s->answer.run = s->request->run;
	s->answer.result = result;
	agent_send(x, &s->answer, sizeof(s->answer), fds, result == START_OK ? 2 : 0);
}

/* The runs table takes over what the press no longer needs. */
static void enter(struct executor *x, struct start *s)
{
	const struct how *how = s->order.action->how;
	struct run *run;
	struct claim_plan plan = {
		.version = CLAIM_VERSION,
		.token = s->request->token,
		.leftovers = how->leftovers,
		.run = s->request->run,
		.claimed = s->answer.claimed,
		.deadline = how->timeout == USEC_INFINITY ? USEC_INFINITY
							  : now_monotonic() + how->timeout,
		.stop_grace = how->stop_grace,
	};
	snprintf(plan.id, sizeof(plan.id), "%s", s->ready.id);
	snprintf(plan.boot, sizeof(plan.boot), "%s", boot_id());
	memcpy(plan.success, how->success, sizeof(plan.success));
	run = runs_add(&x->runs, &s->request->token, &plan, &s->ready.fds);
	if (run && s->payload) {
		run->payload = strdup(s->payload->path);
		run->adopted = !run->payload; /* then it is looked for */
	}
	ready_close(&s->ready);
	x->plans = true;
	x->pool_failed = false;
	chores_wake(x);
	log_info("run %llu: %s/%s%s%s by %s (%s)", (unsigned long long)s->request->run,
		s->order.group->object, s->order.group->name, *s->order.group->name ? "/" : "",
		s->order.action->name, *s->request->user ? s->request->user : "somebody",
		trigger_word((enum trigger)s->request->trigger));
}

/* Before the claim: the payload goes back, and the ready runner, or away if the claim could not be
 * made. */
static void put_back(struct executor *x, struct start *s)
{
	if (s->payload)
		payload_return(x, s->payload->path, &s->request->token);
	if (*s->ready.id && x->pool.n < POOL_MAX)
		x->pool.ready[x->pool.n++] = s->ready;
	else if (*s->ready.id)
		pool_drop(&x->pool, &s->ready);
}

/* After the claim: it stands, but its runner is gone; the adopter's rule applies. */
static void abandon(struct executor *x, struct start *s)
{
	const struct run run = {.token = s->request->token, .plan.run = s->request->run};
	const struct run_end end = {.kind = END_INTERRUPTED};

	if (s->payload)
		payload_return(x, s->payload->path, &s->request->token);
	tell_ended(&run, &end, x);
	ready_tidy(&x->pool, s->ready.id);
	ready_close(&s->ready);
	log_error("run %llu: %s", (unsigned long long)s->request->run, s->answer.why);
	x->pool_failed = false;
	chores_wake(x);
}

void start_run(struct executor *x, const struct exec_start *request)
{
	struct start s = {
		.request = request,
		.ready = {.socket = -1, .fds = CLAIM_FDS_NONE},
		.specified = {.extra = -1},
	};
	enum start_result r = decide(x, &s);

	if (r == START_OK)
		r = check_rate(x, &s);
	if (r == START_OK)
		r = prepare(x, &s);
	if (r == START_OK)
		r = take_payload(x, &s);
	if (r == START_OK)
		r = claim(x, &s);
	if (r != START_OK) {
		put_back(x, &s);
		answer(x, &s, r);
		if (r != START_BUSY && r != START_SERVED)
			refusal_log("run %llu is not started: %s", (unsigned long long)request->run,
				s.answer.why);
	} else {
		give(x, &s);
		r = launch(&s, &x->spec);
		x->started_at = now_monotonic();
		(void)sched_yield(); /* the runner may wait for this processor: it goes first */
		answer(x, &s, START_OK);
		if (r == START_OK)
			enter(x, &s);
		else
			abandon(x, &s);
	}
	specified_done(&s.specified);
}
