/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/withdraw.h"

#include "common/log.h"
#include "executor/clearing.h"
#include "executor/executor.h"
#include "executor/priority.h"

#include <string.h>
#include <sysexits.h>

#define PATIENCE (60 * USEC_PER_SEC)

static int on_patience(sd_event_source *s, uint64_t usec, void *userdata)
{
	(void)s;
	(void)usec;
	(void)userdata;
	log_fatal(EX_TEMPFAIL, "the agent did not take everything back in time; try it again");
}

void withdraw_open(struct executor *x)
{
	sd_event_source *s = NULL;
	int r = sd_event_add_time_relative(
		x->event, &s, CLOCK_MONOTONIC, PATIENCE, 0, on_patience, NULL);

	if (r >= 0) /* an agent that asks without an end must not keep a package from going */
		r = sd_event_source_set_priority(s, PRIORITY_MUST);
	if (r >= 0)
		r = sd_event_source_set_floating(s, true);
	sd_event_source_unref(s);
	if (r < 0)
		log_fatal(EX_OSERR, "no timer: %s", strerror(-r));
}

void withdraw_adopted(struct executor *x, const struct generation *g)
{
	if (g && !x->ready) {
		x->ready = true;
		log_info("taking everything out of the shares");
		if (reload_now(x, false) < 0)
			log_fatal(EX_OSERR, "can't go on");
	} else if (g && g == x->generations) {
		x->withdrawn = true;
		executor_stop(x);
	}
}

void withdraw_agent_ended(struct executor *x)
{
	if (!x->ready)
		return;
	x->ready = false;
	log_warning("the agent has not taken everything back: another one tries it");
	if (reload_now(x, false) < 0)
		log_fatal(EX_OSERR, "can't go on");
}

/* False: it can't be seen, so what is there stays. */
static bool withdraw_from(const struct executor *x, const struct base_state *b)
{
	if (clear_base(x->places.state, &x->id, b, NULL) == 0)
		return true;
	log_warning("%s can't be reached: what is there stays", b->path);
	return false;
}

void withdraw_directories(struct executor *x)
{
	for (const struct generation *g = x->generations; g; g = g->older) {
		for (uint32_t i = 0; i < g->n_bases; i++)
			if (!withdraw_from(x, &g->bases[i]))
				x->withdrawn = false;
		for (uint32_t i = 0; i < g->n_former; i++)
			(void)withdraw_from(x, &g->former[i]);
	}
}
