/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/control_records.h"

#include "agent/board.h"
#include "agent/flag.h"
#include "agent/runs.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SINCE_OFF ((int64_t)(60 * USEC_PER_SEC)) /* less is no clock that was set */

static void put(char *to, size_t size, const char *s)
{
	snprintf(to, size, "%s", s ? s : "");
}

void control_record_run(const struct run *r, uint64_t timeout, struct control_run *out)
{
	*out = (struct control_run){
		.header.type = CONTROL_RECORD,
		.run = r->id,
		.trigger = r->trigger,
		.state = r->state,
		.certainty = r->certainty,
		.exit_status = r->end.kind == END_EXITED || r->end.kind == END_NOT_STARTED
				       ? r->end.code
				       : -1,
		.signal = r->end.kind == END_SIGNALED ? r->end.code : 0,
		.pressed = r->pressed,
		.claimed = r->claimed,
		.started = r->end.started,
		.ended = r->end.ended,
		.lasted = r->end.lasted,
		.payload_size = r->payload_size,
	};
	token_hex(&r->token, out->token);
	put(out->object, sizeof(out->object), r->object);
	put(out->group, sizeof(out->group), r->group);
	put(out->action, sizeof(out->action), r->action);
	put(out->user, sizeof(out->user), r->user);
	put(out->address, sizeof(out->address), r->address);
	put(out->payload, sizeof(out->payload), r->payload);
	put(out->payload_sha256, sizeof(out->payload_sha256), r->payload_sha256);
	run_result_words(r, timeout, out->result, sizeof(out->result));
}

void control_record_disc(const struct disc *d, const struct run *r, struct control_disc *out)
{
	*out = (struct control_disc){.length = d->length, .speed = d->speed};
	control_record_run(r, USEC_INFINITY, &out->run);
	out->header.type = CONTROL_DISC;
	put(out->verb, sizeof(out->verb), d->verb);
	put(out->verdict, sizeof(out->verdict), d->verdict);
	put(out->against, sizeof(out->against), d->against);
	put(out->sha256, sizeof(out->sha256), d->sha256);
	put(out->id, sizeof(out->id), d->id);
	put(out->media, sizeof(out->media), d->media);
	put(out->product, sizeof(out->product), d->product);
	put(out->image, sizeof(out->image), d->image);
}

/* Since when it is so.  The wall clock may have been set under a run; people are shown the
 * difference to now. */
static int64_t since_of(struct flag *f)
{
	if (f->live && f->live->active && f->state == STATE_RUNNING) {
		int64_t began = now_realtime() - (int64_t)runs_so_far(f->live);
		if (llabs(began - f->since) > SINCE_OFF)
			f->since = began;
	}
	return f->since;
}

void control_record_action(struct agent *a, struct flag *f, struct control_action *out)
{
	const struct board *b = flag_board(a, f);
	struct live *by = NULL;
	struct run stored = {0};
	char name[FLAG_NAME_MAX];

	*out = (struct control_action){
		.header.type = CONTROL_ACTION,
		.state = flag_display(a, f, &by),
		.percent = f->live && f->state == STATE_RUNNING ? f->live->percent : UINT32_MAX,
		.since = since_of(f),
	};
	put(out->object, sizeof(out->object), board_object(a, b));
	put(out->group, sizeof(out->group), board_group(a, b));
	put(out->action, sizeof(out->action), flag_action_name(a, f));
	put(out->description, sizeof(out->description),
		view_str(a->view, flag_action(a, f)->description));
	board_path(a, b, out->path, sizeof(out->path));
	if (f->place == PLACE_PUBLISHED)
		put(out->file_name, sizeof(out->file_name), flag_shown_name(a, f, name));
	if (f->live && f->state == STATE_RUNNING)
		put(out->progress, sizeof(out->progress), f->live->progress);
	if (flag_action(a, f)->misconfigured)
		put(out->note, sizeof(out->note),
			view_str(a->view, flag_action(a, f)->misconfigured));
	else if (f->live && f->live->note)
		put(out->note, sizeof(out->note), f->live->note);
	else if (by)
		snprintf(out->note, sizeof(out->note), "%s of %s runs", by->run.action,
			by->run.object);
	if (f->live && f->live->run.id) {
		control_record_run(&f->live->run, f->live->timeout, &out->last);
	} else if (f->run && store_get_run(a->store, f->run, &stored) == 0) {
		control_record_run(&stored, flag_press(a, f)->timeout, &out->last);
		run_done(&stored);
	}
}

void control_record_removed(const struct view *v, uint32_t action, struct control_action *out)
{
	const struct view_action *act = &v->actions[action];
	const struct view_board *b = &v->boards[act->board];

	*out = (struct control_action){
		.header.type = CONTROL_ACTION,
		.removed = 1,
		.percent = UINT32_MAX,
		.since = now_realtime(),
	};
	put(out->object, sizeof(out->object), view_str(v, b->object));
	put(out->group, sizeof(out->group), view_str(v, b->group));
	put(out->action, sizeof(out->action), view_str(v, act->name));
}
