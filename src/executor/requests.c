/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One message of the agent.  The channel has checked type, size and descriptors; what identities
 * mean is looked up here, and what does not exist is refused.
 */
#include "executor/executor.h"
#include "executor/former.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "executor/custody.h"
#include "executor/directories.h"
#include "executor/refusals.h"
#include "executor/withdraw.h"
#include "wire/exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GENERATIONS_MAX 16           /* that the agent can have made without adopting one */
#define RELOADS_MAX     16           /* that it can ask for in a row */
#define RELOAD_EVERY    USEC_PER_SEC /* and then */

/* The agent has taken over generation M: older ones are history. */
static void on_adopted(struct executor *x, const struct exec_generation *m)
{
	struct generation *g = generation_find(x->generations, m->generation);

	if (x->withdrawing) {
		withdraw_adopted(x, g);
		return; /* the older one tells where something was put */
	}
	if (g && !x->ready) {
		x->ready = true;
		reload_ready(x);
		log_info("ready: %u actions from %s", g->n_actions, x->reload.conf_dir);
	}
	if (g && g == x->generations) {
		former_clear(x);
		x->clear_objects = true;
		chores_wake(x);
	}
	while (g && g->older) {
		struct generation *old = g->older;
		g->older = old->older;
		(void)generation_free(old);
	}
	agent_adopted(x, m->generation);
}

static void on_cancel(struct executor *x, const struct exec_token *m)
{
	struct run *r = runs_find(&x->runs, &m->token);

	if (r)
		run_stop(r, STOP_CANCEL);
}

/* A claim of a run under way is never given up, whatever the agent says. */
static void on_spent(struct executor *x, const struct exec_spent *m)
{
	for (uint32_t i = 0; i < m->n && i < EXEC_SPENT_MAX; i++)
		if (!runs_find(&x->runs, &m->tokens[i]))
			chores_remove_claim(x, &m->tokens[i]);
}

static void answer(struct executor *x, uint16_t type, uint64_t cookie, int error, const char *what,
	const char *why)
{
	struct exec_result m = {.header.type = type, .cookie = cookie, .error = -error};

	if (error < 0) {
		snprintf(m.why, sizeof(m.why), "%s %s: %s", what, why ? why : "failed",
			strerror(-error));
		refusal_log("%s", m.why);
	}
	agent_send(x, &m, sizeof(m), NULL, 0);
}

/* The board, or NULL. */
static const struct group *find_board(struct executor *x, uint64_t generation, uint32_t board,
	struct generation **ret, const struct base_state **ret_base)
{
	struct generation *g = generation_current(x->generations, generation, now_monotonic());

	if (!g || board >= g->config->n_groups)
		return NULL;
	*ret = g;
	*ret_base = &g->bases[g->boards[board].base];
	return &g->config->groups[board];
}

static void on_own(struct executor *x, const struct exec_own *m, int fd)
{
	const struct base_state *base;
	struct generation *g;
	const struct group *group = find_board(x, m->generation, m->board, &g, &base);
	const char *why = "belongs to no board";
	int r = group ? custody_own(fd, group, base, &x->id, &why) : -ESTALE;

	answer(x, EXEC_OWNED, m->cookie, r, "the new flag", why);
}

static void on_take(struct executor *x, const struct exec_payload *m)
{
	const struct base_state *base;
	struct generation *g;
	const char *why = "belongs to no board";
	_cleanup_close_ int fd = -1;
	int r = -ESTALE;

	if (runs_find(&x->runs, &m->token)) { /* it must not change under its command's eyes */
		why = "is in use";
		r = -EBUSY;
	} else if (find_board(x, m->generation, m->board, &g, &base)) {
		fd = custody_open(base, &m->token, (uid_t)-1, &why);
		r = fd < 0 ? fd : custody_give(fd, x->id.uid, x->id.gid, &why);
	}
	answer(x, EXEC_TAKEN, m->cookie, r, "the payload", why);
}

static void on_mend(struct executor *x, const struct exec_board *m)
{
	struct exec_result a = {.header.type = EXEC_MENDED, .cookie = m->cookie};
	const struct base_state *base;
	const char *error;
	struct generation *g;

	if (!find_board(x, m->generation, m->board, &g, &base)) {
		answer(x, EXEC_MENDED, m->cookie, -ESTALE, "the directory", "belongs to no board");
		return;
	}
	directories_mend(x->places.state, &x->id, g, m->board);
	payloads_tidy(x, base);
	error = base->error ? base->error : g->boards[m->board].error; /* it is in the log */
	if (error) {
		a.error = EIO;
		snprintf(a.why, sizeof(a.why), "%s", error);
	}
	agent_send(x, &a, sizeof(a), NULL, 0);
}

static void on_watch(struct executor *x, const struct exec_watch *m, const int *fds)
{
	int r = watchers_start(&x->watchers, &x->id, x->agent.groups, x->agent.n_groups, m->cookie,
		fds[0], fds[1]);

	/* The agent sees it by the end of its pipe. */
	if (r < 0)
		refusal_log("can't start a watcher: %s", strerror(-r));
}

/* Each is kept until a newer one has been adopted, and its view may be on its way still. */
static bool has_many_generations(const struct executor *x)
{
	unsigned n = 0;

	for (const struct generation *g = x->generations; g; g = g->older)
		n++;
	return n >= GENERATIONS_MAX;
}

/* A reading takes up to a second of everybody's time, and tells the log what is wrong.  The time
 * at which all that were asked for would be through, one every RELOAD_EVERY, must be near. */
static bool is_too_often(struct executor *x)
{
	uint64_t now = now_monotonic();

	if (x->reload.through < now)
		x->reload.through = now;
	if (x->reload.through - now > (RELOADS_MAX - 1) * RELOAD_EVERY)
		return true;
	x->reload.through += RELOAD_EVERY;
	return false;
}

static void on_reload(struct executor *x, const struct exec_reload *m)
{
	struct exec_reloaded a = {.header.type = EXEC_RELOADED, .cookie = m->cookie};
	const struct config *c;
	int r = has_many_generations(x) || is_too_often(x) ? -EBUSY : reload_now(x, true);

	if (r < 0) {
		a.n_errors = 1;
		snprintf(a.first, sizeof(a.first), "can't read it: %s", strerror(-r));
		agent_send(x, &a, sizeof(a), NULL, 0);
		return;
	}
	c = x->generations->config;
	a.n_errors = (uint32_t)c->n_errors;
	a.n_warnings = (uint32_t)(c->n_problems - c->n_errors);
	for (size_t i = 0; i < c->n_problems && !*a.first; i++)
		if (c->problems[i].severity == SEVERITY_ERROR)
			snprintf(a.first, sizeof(a.first), "%s:%u:%u: %s",
				c->problems[i].place.file ? c->problems[i].place.file : "?",
				c->problems[i].place.line, c->problems[i].place.column,
				c->problems[i].message);
	agent_send(x, &a, sizeof(a), NULL, 0);
}

void handle_request(struct executor *x, const struct wire_header *m, int *fds, size_t n_fds)
{
	(void)n_fds; /* the table says how many */
	switch ((enum exec_type)m->type) {
	case EXEC_ADOPTED:
		on_adopted(x, (const void *)m);
		break;
	case EXEC_START:
		start_run(x, (const void *)m);
		break;
	case EXEC_CANCEL:
		on_cancel(x, (const void *)m);
		break;
	case EXEC_SPENT:
		on_spent(x, (const void *)m);
		break;
	case EXEC_OWN:
		on_own(x, (const void *)m, fds[0]);
		break;
	case EXEC_TAKE:
		on_take(x, (const void *)m);
		break;
	case EXEC_MEND:
		on_mend(x, (const void *)m);
		break;
	case EXEC_WATCH:
		on_watch(x, (const void *)m, fds);
		break;
	case EXEC_UNWATCH:
		watchers_keep(&x->watchers, ((const struct exec_watch *)m)->cookie);
		break;
	case EXEC_RELOAD:
		on_reload(x, (const void *)m);
		break;
	case EXEC_NAME:
		names_ask(x, ((const struct exec_name *)m)->uid);
		break;
	default: /* the table lets nothing else through */
		log_panic("message %u from the agent has passed its table", m->type);
	}
}

void tell_ended(const struct run *run, const struct run_end *end, void *executor)
{
	struct executor *x = executor;
	struct exec_ended m = {.header.type = EXEC_ENDED, .token = run->token, .end = *end};

	payload_return_of(x, run);
	agent_send(x, &m, sizeof(m), NULL, 0);
}
