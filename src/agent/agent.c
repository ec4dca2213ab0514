/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include "agent/board.h"
#include "agent/flag.h"
#include "agent/runs.h"
#include "agent/trouble.h"
#include "common/text.h"

#include <string.h>
#include <time.h>

#define TIMER_ACCURACY 50 /* us */

/*
 * Presses come first: what people see of one is done when nothing else is pending, a slice at a
 * time, but never later than FLUSH_LATEST, or ASKED_LATEST while the executor has starts before it:
 * making flags would take the processor from them.  A slice is one transaction.
 */
#define FLUSH_SLICE  32
#define FLUSH_LATEST (20 * 1000)  /* us */
#define ASKED_LATEST (500 * 1000) /* us */
#define START_QUIET  700          /* us */

#define FD_RESERVE     256 /* descriptors for everything that is neither a flag nor a run */
#define OWN_WINDOW_MAX 256 /* each may hold a descriptor in the queue */

int agent_timer(struct agent *a, sd_event_source **source, uint64_t at, sd_event_time_handler_t cb,
	void *userdata)
{
	int r;

	agent_timer_off(source);
	/* after the loop the last flush may want to do something later: the next agent does it */
	if (at == USEC_INFINITY || sd_event_get_state(a->event) == SD_EVENT_FINISHED)
		return 0;
	r = sd_event_add_time(a->event, source, CLOCK_BOOTTIME, at, TIMER_ACCURACY, cb, userdata);
	if (r < 0)
		log_fatal(71, "no timer: %s", strerror(-r));
	return 0;
}

void agent_timer_off(sd_event_source **source)
{
	*source = sd_event_source_disable_unref(*source);
}

/* A commit that failed took the rows of this turn with it: they are put again before any flag of
 * theirs is shown. */
static void rows_again(struct agent *a, int error)
{
	for (size_t i = 0; i < a->n_flags; i++) {
		struct flag *f = &a->flags[i];
		if (f->place == PLACE_STAGED)
			f->unrecorded = true;
		if (f->place == PLACE_STAGED || (f->live && f->live->run.id)) {
			f->troubled = true;
			f->dirty |= DIRTY_ROW | DIRTY_RUN | DIRTY_NAME;
		}
	}
	runs_outputs_lost(a);
	trouble_store(a, error);
}

void agent_flush(struct agent *a)
{
	struct exec_generation m = {.header.type = EXEC_ADOPTED, .generation = a->generation};
	int r;

	if (!a->started)
		return;
	flag_flush(a, FLUSH_SLICE);
	if (store_dirty(a->store)) {
		r = store_commit(a->store);
		if (r < 0)
			rows_again(a, r);
		else if (!a->outputs_lost)
			runs_outputs_kept(a);
		/* without its row on the disk, a flag that goes in a power cut was never there */
		runs_settle_later(a);
	}
	if (a->dirty == VIEW_NONE)
		a->dirty_since = 0;
	if (!a->told_ready && a->dirty == VIEW_NONE && !a->own_n) {
		a->told_ready = true;
		board_status_flush(a, false);
		(void)channel_send(a->executor, &m, sizeof(m), NULL, 0);
		runs_settle_later(a); /* and give back what only the start has needed */
	}
}

static int on_flush(sd_event_source *s, void *userdata)
{
	(void)s;
	agent_flush(userdata);
	return 0;
}

void agent_budget(struct agent *a)
{
	size_t others = FD_RESERVE + 2 * a->view->h->max_runs; /* claim_fd, alive_fd */
	size_t eighth = a->fd_limit / 8; /* the executor has seen to it that runs take 2 of 8 */

	a->fd_budget = a->fd_limit > others + eighth ? a->fd_limit - others : eighth;
	a->own_window = eighth < OWN_WINDOW_MAX ? eighth : OWN_WINDOW_MAX;
}

void agent_started(struct agent *a)
{
	a->quiet_until = now_boottime() + START_QUIET;
}

static int on_quiet(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct agent *a = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&a->quiet);
	return 0; /* agent_after_event() follows */
}

int agent_flush_source(struct agent *a)
{
	int r = sd_event_add_defer(a->event, &a->flush, on_flush, a);

	if (r >= 0)
		r = sd_event_source_set_priority(a->flush, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(a->flush, SD_EVENT_OFF);
	return r;
}

int agent_after_event(struct agent *a)
{
	uint64_t now;

	if (!a->started || (a->dirty == VIEW_NONE && !store_dirty(a->store) && a->told_ready))
		return 0;
	if (a->own_n >= a->own_window ||
		(a->dirty == VIEW_NONE && !store_dirty(a->store) && a->own_n))
		return 0; /* answers are to come */
	now = now_boottime();
	if (!a->dirty_since)
		a->dirty_since = now;
	if (now > a->dirty_since + (a->n_asked ? ASKED_LATEST : FLUSH_LATEST)) {
		a->dirty_since = now;
		agent_flush(a);
	} else if (a->n_asked) {
		return 0; /* answers are to come */
	} else if (now < a->quiet_until) {
		if (!a->quiet)
			return agent_timer(a, &a->quiet, a->quiet_until, on_quiet, a);
		return 0;
	}
	return sd_event_source_set_enabled(a->flush, SD_EVENT_ONESHOT);
}
