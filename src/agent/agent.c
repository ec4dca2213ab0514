/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include "agent/board.h"
#include "agent/flag.h"
#include "agent/trouble.h"
#include "common/text.h"

#include <string.h>
#include <time.h>

#define TIMER_ACCURACY 1000 /* us */

int agent_timer(struct agent *a, sd_event_source **source, uint64_t at, sd_event_time_handler_t cb,
	void *userdata)
{
	int r;

	if (at == USEC_INFINITY) {
		agent_timer_off(source);
		return 0;
	}
	agent_timer_off(source);
	r = sd_event_add_time(a->event, source, CLOCK_BOOTTIME, at, TIMER_ACCURACY, cb, userdata);
	if (r < 0)
		log_fatal(71, "no timer: %s", strerror(-r));
	return 0;
}

void agent_timer_off(sd_event_source **source)
{
	*source = sd_event_source_disable_unref(*source);
}

static void flush_runs(struct agent *a)
{
	for (uint32_t i = a->dirty; i != VIEW_NONE; i = a->flags[i].next_dirty) {
		struct flag *f = &a->flags[i];
		if (!(f->dirty & DIRTY_RUN) || !f->live)
			continue;
		int r = store_begin(a->store);
		if (r == 0)
			r = store_put_run(a->store, &f->live->run);
		if (r < 0)
			trouble_store(a, r);
		else
			f->dirty &= (uint8_t)~DIRTY_RUN;
	}
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
	trouble_store(a, error);
}

void agent_turn_end(struct agent *a)
{
	struct exec_generation m = {.header.type = EXEC_ADOPTED, .generation = a->generation};
	int r;

	if (!a->started)
		return;
	if (a->dirty != VIEW_NONE) {
		flush_runs(a);
		flag_flush(a);
	}
	if (store_dirty(a->store)) {
		r = store_commit(a->store);
		if (r < 0)
			rows_again(a, r);
	}
	if (!a->told_ready && a->dirty == VIEW_NONE && !a->own_n) {
		a->told_ready = true;
		board_status_flush(a, false);
		(void)channel_send(a->executor, &m, sizeof(m), NULL, 0);
	}
}
