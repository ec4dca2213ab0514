/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May this be run, and what is it? */
#include "executor/policy.h"

#include "executor/identity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum start_result refuse(char *why, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum start_result refuse(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return START_REFUSED;
}

/* A file name as it comes: no '/', not "." or "..", not empty, ends within SIZE. */
static bool is_plain_name(const char *name, size_t size)
{
	size_t len = strnlen(name, size);

	return len > 0 && len < size && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

/* Ends within SIZE and has no control characters: it becomes a variable of the environment. */
static bool is_clean(const char *s, size_t size)
{
	size_t len = strnlen(s, size);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return len < size;
}

static enum start_result check_trigger(
	const struct exec_start *rq, const struct action *a, char *why, size_t size)
{
	if (rq->trigger >= TRIGGER_MAX_)
		return refuse(why, size, "unknown trigger %u", rq->trigger);
	if (rq->payload && !a->drop)
		return refuse(why, size, "this action takes no payload");
	if (rq->payload) /* dropped, or a failed one tried again */
		return START_OK;
	if (rq->trigger == TRIGGER_DROP)
		return refuse(why, size, "a drop needs a payload");
	if (rq->trigger != TRIGGER_CLI && !(a->press->triggers & TRIGGER_BIT(rq->trigger)))
		return refuse(why, size, "'%s' is no trigger of this action",
			trigger_word((enum trigger)rq->trigger));
	return START_OK;
}

static enum start_result check_identity(
	const struct how *how, const struct policy_facts *f, char *why, size_t size)
{
	const char *missing = capability_name(how->ambient & ~f->permitted);

	if (f->privileged && !how->user_set)
		return refuse(why, size, "no user is configured to run it");
	if (!f->privileged && how->via == VIA_DIRECT && how->user_set && how->uid != f->own_uid)
		return refuse(why, size, "only root can run commands as %s: say 'via: sudo'",
			how->user_name ? how->user_name : "another user");
	if (missing)
		return refuse(why, size, "flagmand does not hold %s itself", missing);
	return START_OK;
}

enum start_result policy_decide(const struct exec_start *rq, const struct generation *g,
	const struct policy_facts *f, struct order *ret, char *why, size_t size)
{
	const struct action *a;
	enum start_result r;
	uint32_t board;

	if (!g || !(a = generation_action(g, rq->action, &board))) {
		(void)refuse(why, size, "the configuration has changed meanwhile");
		return START_STALE;
	}
	if (token_is_zero(&rq->token))
		return refuse(why, size, "a run needs a token");
	if (!is_clean(rq->user, sizeof(rq->user)))
		return refuse(why, size, "the user's name has control characters");
	if (rq->payload && !is_plain_name(rq->payload_name, sizeof(rq->payload_name)))
		return refuse(why, size, "the payload's name is not a file name");
	if (a->misconfigured)
		return refuse(why, size, "misconfigured: %.120s", a->misconfigured);
	r = check_trigger(rq, a, why, size);
	if (r == START_OK)
		r = check_identity(a->how, f, why, size);
	if (r != START_OK)
		return r;
	if (f->live >= f->max_runs) {
		(void)refuse(why, size, "%zu runs are under way", f->live);
		return START_BUSY;
	}
	*ret = (struct order){
		.request = rq,
		.group = &g->config->groups[board],
		.action = a,
		.board = board,
		.base = g->config->groups[board].real,
	};
	return START_OK;
}
