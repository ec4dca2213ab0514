/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs under way. */
#include "executor/runs.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/policy.h"
#include "common/text.h"
#include "executor/priority.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define KILL_AGAIN_USEC    (2 * USEC_PER_SEC) /* a SIGKILLed process may hang in the kernel */
#define TERM_AGAIN_USEC    (20 * 1000)
#define STOP_GRACE_DEFAULT (60 * USEC_PER_SEC)

struct run *runs_find(struct runs *rs, const struct token *token)
{
	struct run *r = rs->first;

	while (r && !token_equal(&r->token, token))
		r = r->next;
	return r;
}

bool runs_has(const struct runs *rs, const char *id)
{
	for (const struct run *r = rs->first; r; r = r->next)
		if (!strcmp(r->plan.id, id))
			return true;
	return false;
}

static void run_free(struct run *r)
{
	sd_event_source_disable_unref(r->alive);
	sd_event_source_disable_unref(r->timer);
	claim_close_fds(&r->fds);
	free(r->payload);
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	r->runs->n--;
	free(r);
}

void runs_close(struct runs *rs)
{
	while (rs->first)
		run_free(rs->first);
}

/* Everything that can be known of what is to be killed. */
static void find_prey(const struct runs *rs, int file, const char *id, struct prey *ret)
{
	*ret = (struct prey){.cgroup = -1};
	if (!claim_read_prey(file, ret))
		*ret = (struct prey){.cgroup = -1};
	ret->cgroup = *id ? cgroup_run(rs->cgroups, id, false) : -1;
}

static int signal_claim(const struct runs *rs, int file, const char *id, int sig)
{
	struct prey prey;
	int n;

	find_prey(rs, file, id, &prey);
	n = prey_signal(&prey, sig);
	close_fd(prey.cgroup);
	return n;
}

static void run_over(struct run *r, struct run_end *end)
{
	struct runs *rs = r->runs;

	ready_tidy(rs->pool, r->plan.id);
	rs->ended(r, end, rs->userdata);
	run_free(r);
}

/*
 * How the run of a claim ended, and the death of what must not be left: all of it, when its runner
 * died without a result -- which is then written in its place; KILL_REST: what is still below the
 * runner, which waits for that.  (Not its session: this may be long after its end.)
 */
static void read_end(const struct runs *rs, const struct token *token, int file, const char *id,
	bool kill_rest, struct run_end *ret)
{
	char hex[TOKEN_HEX + 1];
	struct prey prey;
	int error = claim_read_result(file, token, ret);

	if (error == 0 && !kill_rest)
		return;
	find_prey(rs, file, id, &prey);
	if (error == 0)
		prey.session = 0;
	if (prey_signal(&prey, SIGKILL) > 0 && error < 0)
		log_warning("claim %s: its runner died; killed what was left of it",
			token_hex(token, hex));
	close_fd(prey.cgroup);
	if (error < 0) {
		*ret = (struct run_end){.kind = END_INTERRUPTED, .ended = now_realtime()};
		error = claim_write_result(file, token, ret);
	}
	if (error < 0)
		log_error("claim %s: result: %s", token_hex(token, hex), strerror(-error));
}

static int on_alive(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct run *r = userdata;
	struct run_end end = {.kind = END_INTERRUPTED};
	_cleanup_close_ int file = -1;

	(void)s;
	(void)fd;
	if (!(events & (EPOLLHUP | EPOLLERR)))
		return 0;
	file = claim_open(&r->runs->places->claims, &r->token);
	if (file >= 0)
		read_end(r->runs, &r->token, file, r->plan.id,
			r->plan.leftovers == LEFTOVERS_KILL || r->stop != STOP_NONE, &end);
	claim_finish_end(&end, r->stop, r->plan.success);
	run_over(r, &end);
	return 0;
}

static void kill_now(struct run *r, int sig)
{
	_cleanup_close_ int file = claim_open(&r->runs->places->claims, &r->token);

	if (file >= 0)
		(void)signal_claim(r->runs, file, r->plan.id, sig);
}

static void arm(struct run *r, uint64_t usec);

/* TERM, until there was somebody to hear it: the command may just be starting. */
static void ask_to_end(struct run *r)
{
	_cleanup_close_ int file = claim_open(&r->runs->places->claims, &r->token);
	uint64_t again = now_monotonic() + TERM_AGAIN_USEC;

	if (!r->asked && file >= 0)
		r->asked = signal_claim(r->runs, file, r->plan.id, SIGTERM) > 0;
	if (!r->asked && again < r->kill_at)
		arm(r, again);
	else if (r->kill_at != USEC_INFINITY)
		arm(r, r->kill_at);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct run *r = userdata;

	(void)s;
	(void)usec;
	if (r->stop == STOP_NONE) {
		log_info("run %llu takes too long: stopping it", (unsigned long long)r->plan.run);
		run_stop(r, STOP_TIMEOUT);
		return 0;
	}
	if (now_monotonic() < r->kill_at) {
		ask_to_end(r);
		return 0;
	}
	if (!r->killed)
		log_info("run %llu did not stop: killing it", (unsigned long long)r->plan.run);
	r->killed = true;
	kill_now(r, SIGKILL);
	arm(r, now_monotonic() + KILL_AGAIN_USEC);
	return 0;
}

static void arm(struct run *r, uint64_t usec)
{
	int e;

	if (r->timer) {
		e = sd_event_source_set_time(r->timer, usec);
		if (e >= 0)
			e = sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
	} else {
		e = sd_event_add_time(
			r->runs->event, &r->timer, CLOCK_MONOTONIC, usec, 0, on_timer, r);
		if (e >= 0)
			e = sd_event_source_set_priority(r->timer, PRIORITY_MUST);
	}
	if (e < 0)
		log_error("run %llu: no timer: %s", (unsigned long long)r->plan.run, strerror(-e));
}

static void begin_to_stop(struct run *r, enum stop_reason reason)
{
	uint64_t grace = r->plan.stop_grace;

	r->stop = reason;
	r->kill_at = grace == USEC_INFINITY ? USEC_INFINITY : now_monotonic() + grace;
	ask_to_end(r);
}

void run_stop(struct run *r, enum stop_reason reason)
{
	_cleanup_close_ int file = -1;
	int e;

	if (r->stop != STOP_NONE)
		return;
	file = claim_open(&r->runs->places->claims, &r->token);
	e = file < 0 ? file : claim_write_stop(file, reason);
	if (e < 0)
		log_warning("run %llu: can't note why it is stopped: %s",
			(unsigned long long)r->plan.run, strerror(-e));
	begin_to_stop(r, reason);
}

struct run *runs_add(struct runs *rs, const struct token *token, const struct claim_plan *plan,
	struct claim_fds *fds)
{
	struct run *r = calloc(1, sizeof(*r));
	int e;

	if (!r) {
		claim_close_fds(fds);
		return NULL;
	}
	*r = (struct run){
		.token = *token,
		.plan = *plan,
		.fds = {-1, fds->alive},
		.runs = rs,
		.next = rs->first,
		.link = &rs->first,
	};
	fds->alive = -1;
	claim_close_fds(fds);
	if (r->next)
		r->next->link = &r->next;
	rs->first = r;
	rs->n++;
	/* No events: the hang-up comes unasked, the bytes are for the agent. */
	e = sd_event_add_io(rs->event, &r->alive, r->fds.alive, 0, on_alive, r);
	if (e >= 0)
		e = sd_event_source_set_priority(r->alive, PRIORITY_REQUEST);
	if (e < 0)
		log_error("run %llu: can't wait for its end: %s", (unsigned long long)plan->run,
			strerror(-e));
	return r;
}

void run_settle(struct run *r)
{
	_cleanup_close_ int file = claim_open(&r->runs->places->claims, &r->token);
	int e = file < 0 ? file : claim_write_plan(file, &r->plan);

	r->plan_written = true;
	if (e < 0)
		log_error("run %llu: can't write its plan: %s", (unsigned long long)r->plan.run,
			strerror(-e));
	if (r->plan.deadline != USEC_INFINITY && !r->timer)
		arm(r, r->plan.deadline);
}

enum claim_state claim_end(struct runs *rs, const struct token *token, int file,
	struct run_end *ret, uint64_t *ret_run)
{
	enum stop_reason stop = claim_read_stop(file);
	struct claim_plan plan = {0};

	if (claim_read_plan(file, token, &plan) < 0)
		plan = (struct claim_plan){0};
	if (plan.claimed == 0)
		plan.success[0] = 1; /* it ended before its plan was written: 0 is a success */
	read_end(rs, token, file, plan.id, plan.leftovers == LEFTOVERS_KILL || stop != STOP_NONE,
		ret);
	if (*plan.id)
		ready_tidy(rs->pool, plan.id);
	claim_finish_end(ret, stop, plan.success);
	*ret_run = plan.run;
	return ret->kind == END_INTERRUPTED ? CLAIM_INTERRUPTED : CLAIM_ENDED;
}

bool runs_adopt(struct runs *rs, const struct token *token)
{
	_cleanup_close_ int file = claim_open(&rs->places->claims, token);
	struct claim_fds fds = CLAIM_FDS_NONE;
	enum stop_reason stop;
	struct claim_plan plan;
	struct run *r;

	if (file < 0)
		return false;
	if (claim_read_plan(file, token, &plan) < 0)
		plan = (struct claim_plan){0};
	if (claim_open_fds(&rs->places->claims, token, plan.id, &fds) < 0)
		return false;
	if (!claim_is_alive(fds.alive)) {
		claim_close_fds(&fds);
		return false;
	}
	if (strcmp(plan.boot, boot_id()) != 0) {
		/* Its executor died between the start and the plan, which has the id only. */
		log_warning("adopting a run without a plan: it has no time limit");
		plan.deadline = USEC_INFINITY;
		plan.stop_grace = STOP_GRACE_DEFAULT;
		plan.success[0] = 1;
	}
	r = runs_add(rs, token, &plan, &fds);
	if (!r)
		return true;
	r->plan_written = r->adopted = true;
	stop = claim_read_stop(file);
	if (stop != STOP_NONE)
		begin_to_stop(r, stop); /* it was being stopped: the grace begins anew */
	else if (plan.deadline != USEC_INFINITY)
		arm(r, plan.deadline);
	return true;
}
