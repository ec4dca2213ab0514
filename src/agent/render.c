/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/render.h"

#include "agent/board.h"
#include "agent/content.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/runs.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_RUNS 10

/* All that content_flag() borrows. */
struct scene {
	struct content_action c;
	const char *labels[STATE_MAX_];
	struct run run; /* from the store, when the flag has no live one */
	struct run recent[RECENT_RUNS + 1];
	const struct run *recent_list[RECENT_RUNS];
	size_t n_recent, want_recent;
	uint64_t shown;
	struct buf head, tail;
	char note[512];
	char accept[512];
};

static void scene_done(struct scene *s)
{
	run_done(&s->run);
	for (size_t i = 0; i < s->n_recent; i++)
		run_done(&s->recent[i]);
	buf_done(&s->head);
	buf_done(&s->tail);
}

static bool keep_recent(const struct run *r, void *userdata)
{
	struct scene *s = userdata;
	struct run *k = &s->recent[s->n_recent];

	if (r->id == s->shown)
		return true;
	if (run_copy(k, r) < 0)
		return false;
	return ++s->n_recent < s->want_recent;
}

static void set_labels(const struct agent *a, const struct flag *f, const char **labels)
{
	uint32_t set = board_view(a, flag_board(a, f))->labels;

	for (int i = 0; i < STATE_MAX_; i++) {
		const char *l =
			set == VIEW_NONE ? NULL : view_str(a->view, a->view->labels[set].label[i]);
		labels[i] = l ? l : state_label((enum state)i);
	}
}

static void set_accept(const struct agent *a, const struct flag *f, struct scene *s)
{
	uint32_t drop = flag_action(a, f)->drop;
	size_t n = 0;

	if (drop == VIEW_NONE)
		return;
	s->c.drop_folder = view_str(a->view, a->view->drops[drop].folder);
	for (const char *p = view_str(a->view, a->view->drops[drop].accept); p && *p;
		p = view_next(p)) {
		int r = snprintf(s->accept + n, sizeof(s->accept) - n, "%s%s", n ? ", " : "", p);
		if (r < 0 || (size_t)r >= sizeof(s->accept) - n)
			break;
		n += (size_t)r;
	}
	s->c.accept = s->accept;
}

static void set_note(const struct agent *a, const struct flag *f, struct scene *s)
{
	struct live *by = NULL;

	s->c.state = flag_display(a, f, &by);
	s->c.note = f->live ? f->live->note : NULL;
	if (by && !s->c.note) {
		snprintf(s->note, sizeof(s->note), "%s of %s runs%s%s.", by->run.action,
			by->run.object, by->run.user ? ", started by " : "",
			by->run.user ? by->run.user : "");
		s->c.note = s->note;
	}
}

static void scene_set(struct agent *a, struct flag *f, struct scene *s)
{
	const struct board *b = flag_board(a, f);
	const struct view_press *p = flag_press(a, f);
	struct content_action *c = &s->c;

	*s = (struct scene){.head = BUF_INIT(16U << 20), .tail = BUF_INIT(16U << 20)};
	set_labels(a, f, s->labels);
	c->object = board_object(a, b);
	c->name = flag_action_name(a, f);
	c->description = view_str(a->view, flag_action(a, f)->description);
	c->labels = s->labels;
	c->percent = f->live && f->state == STATE_RUNNING ? f->live->percent : UINT32_MAX;
	c->progress = f->live && f->state == STATE_RUNNING ? f->live->progress : NULL;
	c->misconfigured = view_str(a->view, flag_action(a, f)->misconfigured);
	c->so_far = f->live && f->state == STATE_RUNNING ? runs_so_far(f->live) : 0;
	c->timeout = p->timeout;
	c->confirm = p->confirm;
	c->hold = p->hold;
	c->press_delete = p->triggers & TRIGGER_BIT(TRIGGER_DELETE);
	c->press_move = p->triggers & TRIGGER_BIT(TRIGGER_MOVE);
	c->cancel_by_press = p->cancel_by_press;
	c->run_folder = view_str(a->view, board_view(a, b)->run_folder);
	set_accept(a, f, s);
	set_note(a, f, s);
	if (f->live && f->live->run.id) {
		c->run = &f->live->run;
		c->timeout = f->live->timeout;
	} else if (f->run && store_get_run(a->store, f->run, &s->run) == 0) {
		c->run = &s->run;
	}
	s->shown = c->run ? c->run->id : 0;
}

static void set_output(struct agent *a, struct flag *f, struct scene *s)
{
	struct claim_status st;
	bool live = f->live && f->live->claim_fd >= 0;

	if (live && claim_status_read(f->live->claim_fd, &st) == 0)
		(void)claim_output_read(f->live->claim_fd, &st, &s->head, &s->tail, &s->c.left_out);
	else if (s->c.run && s->c.run->end.ended)
		(void)store_get_output(a->store, s->c.run->id, &s->head, &s->tail, &s->c.left_out);
	s->c.head = &s->head;
	s->c.tail = &s->tail;
}

int render_flag(struct agent *a, struct flag *f, struct buf *out)
{
	const struct board *b = flag_board(a, f);
	_cleanup_(scene_done) struct scene s;

	scene_set(a, f, &s);
	set_output(a, f, &s);
	s.want_recent = RECENT_RUNS;
	if (a->next_run > 1) {
		(void)store_each_run(a->store, board_object(a, b), board_group(a, b), s.c.name,
			RECENT_RUNS + 1, false, keep_recent, &s);
		for (size_t i = 0; i < s.n_recent; i++)
			s.recent_list[i] = &s.recent[i];
		s.c.recent = s.recent_list;
		s.c.n_recent = s.n_recent;
	}
	return content_flag(out, &s.c);
}

int render_status(struct agent *a, struct board *b, struct buf *out)
{
	const struct view_board *v = board_view(a, b);
	struct scene *scenes = calloc(v->n_actions ? v->n_actions : 1, sizeof(*scenes));
	const struct content_action **list = calloc(v->n_actions ? v->n_actions : 1, sizeof(*list));
	int r = -ENOMEM;

	if (scenes && list) {
		for (uint32_t i = 0; i < v->n_actions; i++) {
			scene_set(a, &a->flags[v->first_action + i], &scenes[i]);
			list[i] = &scenes[i].c;
		}
		r = content_status(out, board_object(a, b), view_str(a->view, v->description), list,
			v->n_actions, v->flags & VIEW_BOARD_PRESS_ONLY, now_realtime());
		for (uint32_t i = 0; i < v->n_actions; i++)
			scene_done(&scenes[i]);
	}
	free(list);
	free(scenes);
	return r;
}
