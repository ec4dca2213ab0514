/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/reload.h"

#include "agent/adopt.h"
#include "agent/board.h"
#include "agent/control.h"
#include "agent/custody.h"
#include "agent/find.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/runs.h"
#include "agent/trouble.h"
#include "agent/watch.h"
#include "common/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The world before. */
struct before {
	struct view *view;
	struct base *bases;
	struct board *boards;
	struct flag *flags;
	size_t n_bases, n_boards, n_flags;
	uint32_t *board_map, *flag_map; /* old to new, VIEW_NONE: gone */
};

static void *zalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		log_fatal(71, "out of memory");
	return p;
}

static const char *old_str(const struct before *o, uint32_t offset)
{
	return view_str(o->view, offset);
}

static void new_arrays(struct agent *a, struct view *v, uint64_t generation)
{
	a->view = v;
	a->generation = generation;
	a->n_bases = v->h->n_bases;
	a->n_boards = v->h->n_boards;
	a->n_flags = v->h->n_actions;
	a->bases = zalloc(a->n_bases, sizeof(*a->bases));
	a->boards = zalloc(a->n_boards, sizeof(*a->boards));
	a->flags = zalloc(a->n_flags, sizeof(*a->flags));
	a->dirty = a->dirty_tail = a->looks = a->looks_tail = VIEW_NONE;
	for (size_t i = 0; i < a->n_bases; i++)
		a->bases[i].fd = a->bases[i].staging_fd = -1;
	for (size_t i = 0; i < a->n_flags; i++) {
		a->flags[i].fd = -1;
		a->flags[i].shown_step = STEP_NONE;
	}
	find_index(a);
	agent_budget(a);
}

static void carry_bases(struct agent *a, struct before *o)
{
	for (size_t i = 0; i < a->n_bases; i++) {
		const char *path = view_str(a->view, a->view->bases[i].path);
		for (size_t k = 0; o->view && k < o->n_bases; k++)
			if (strcmp(old_str(o, o->view->bases[k].path), path) == 0) {
				a->bases[i] = o->bases[k];
				o->bases[k] = (struct base){.fd = -1, .staging_fd = -1};
				break;
			}
		if (a->bases[i].fd < 0)
			board_base_open(a, &a->bases[i], path);
		a->bases[i].former = true;
	}
	for (size_t i = 0; i < a->n_boards; i++)
		board_base(a, &a->boards[i])->former = false;
}

static bool same_place(
	const struct agent *a, const struct before *o, const struct board *b, uint32_t old)
{
	return strcmp(view_str(a->view, a->view->bases[board_view(a, b)->base].path),
		       old_str(o, o->view->bases[o->view->boards[old].base].path)) == 0;
}

/* Owner, mode or words changed: the files must be made anew to show it. */
static bool same_looks(
	const struct agent *a, const struct before *o, const struct board *b, uint32_t old)
{
	const struct view_board *n = board_view(a, b), *w = &o->view->boards[old];

	return n->file_uid == w->file_uid && n->file_gid == w->file_gid &&
	       n->file_mode == w->file_mode;
}

static void carry_flag(struct agent *a, struct before *o, uint32_t old, struct flag *f, bool fresh)
{
	struct flag *w = &o->flags[old];
	struct flag was = *w;

	*f = was;
	f->dirty = 0;
	if (f->live)
		f->live->flag = f;
	w->live = NULL;
	w->fd = -1;
	w->place = PLACE_NONE;
	if (fresh)
		f->fd_write = false;
	o->flag_map[old] = (uint32_t)(f - a->flags);
	flag_mark(a, f,
		DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW | (was.dirty & (DIRTY_RUN | DIRTY_NEWS)));
}

/* The name that the old flag bears in its directory, by the old view. */
static void old_name(const struct before *o, uint32_t old, char *buf)
{
	const struct view_action *act = &o->view->actions[old];
	const struct view_board *b = &o->view->boards[act->board];
	const struct flag *f = &o->flags[old];
	const char *label = b->labels == VIEW_NONE
				    ? NULL
				    : old_str(o, o->view->labels[b->labels].label[f->shown_state]);
	char with_step[NAME_LABEL_MAX + 16];

	if (!label)
		label = state_label((enum state)f->shown_state);
	if (f->shown_step != STEP_NONE)
		snprintf(with_step, sizeof(with_step), "%s %u%%", label, f->shown_step * 10U);
	else
		snprintf(with_step, sizeof(with_step), "%s", label);
	if (!name_format(buf, FLAG_NAME_MAX, old_str(o, act->name), with_step,
		    b->flags & VIEW_BOARD_PREFIX ? MONIKER_PREFIX : MONIKER_SUFFIX))
		buf[0] = '\0';
}

/* A published flag keeps its inode; where its words changed it is renamed by flag_flush(), which
 * must find it under its old name first. */
static void rename_to_new_words(struct agent *a, struct before *o, uint32_t old, struct flag *f)
{
	char was[FLAG_NAME_MAX], now[FLAG_NAME_MAX];
	struct file_info info;

	if (f->place != PLACE_PUBLISHED)
		return;
	old_name(o, old, was);
	flag_shown_name(a, f, now);
	if (strcmp(was, now) == 0)
		return;
	_cleanup_close_ int dirfd = board_open(a, flag_board(a, f));
	if (dirfd >= 0 && file_info_at(dirfd, was, &info) == 0 && file_id_equal(&info.id, &f->id) &&
		renameat2(dirfd, was, dirfd, now, RENAME_NOREPLACE) == 0)
		return;
	flag_gone(a, f);
}

/* Where only the spelling changed, what is noted of it follows; a row under the old one would be
 * that of an action which is gone, at the next start, and cost the flag. */
static void carry_name(struct agent *a, const struct before *o, uint32_t old, struct flag *f)
{
	const struct board *b = flag_board(a, f);
	const char *was = old_str(o, o->view->actions[old].name), *now = flag_action_name(a, f);
	int r;

	if (strcmp(was, now) == 0)
		return;
	if (f->live && f->live->run.action) {
		free(f->live->run.action);
		f->live->run.action = strdup(now);
		if (!f->live->run.action)
			log_fatal(71, "out of memory");
	}
	r = store_begin(a->store);
	if (r == 0)
		r = store_rename_action(a->store, board_object(a, b), board_group(a, b), was, now);
	if (r < 0)
		trouble_store(a, r);
}

static void carry_board(struct agent *a, struct before *o, uint32_t old)
{
	const struct view_board *w = &o->view->boards[old];
	struct board *b = find_board(a, old_str(o, w->object), old_str(o, w->group));
	const struct view_board *v;

	if (!b || !same_place(a, o, b, old))
		return;
	v = board_view(a, b);
	o->board_map[old] = (uint32_t)(b - a->boards);
	*b = o->boards[old];
	o->boards[old].custody = NULL; /* it is b's now */
	b->look = 0;
	b->mending = false;
	b->next_look = VIEW_NONE;
	b->carried = true;
	bool fresh = !same_looks(a, o, b, old);
	for (uint32_t i = 0; i < w->n_actions; i++)
		for (uint32_t k = 0; k < v->n_actions; k++) {
			struct flag *f = &a->flags[v->first_action + k];
			if (!f->adopted &&
				name_equal(old_str(o, o->view->actions[w->first_action + i].name),
					flag_action_name(a, f))) {
				carry_flag(a, o, w->first_action + i, f, fresh);
				carry_name(a, o, w->first_action + i, f);
				f->adopted = true;
				if (fresh)
					f->reown = true;
				break;
			}
		}
	b->status_reown |= fresh;
	board_status_dirty(a, b);
}

/* Its action is gone: the file goes too; a run goes on, known by its live part alone. */
static void drop_flag(struct agent *a, struct before *o, uint32_t old)
{
	struct flag *f = &o->flags[old];
	const struct view_action *act = &o->view->actions[old];
	const struct view_board *w = &o->view->boards[act->board];
	const struct base *base = NULL;
	char name[FLAG_NAME_MAX], staged[TOKEN_HEX + 8], hex[TOKEN_HEX + 1];
	struct file_info info;

	for (size_t i = 0; i < a->n_bases; i++)
		if (strcmp(view_str(a->view, a->view->bases[i].path),
			    old_str(o, o->view->bases[w->base].path)) == 0)
			base = &a->bases[i];
	if (!base)
		base = &o->bases[w->base];
	_cleanup_close_ int dirfd =
		base->fd < 0 ? -1 : board_open_folder(base->fd, old_str(o, w->object));
	old_name(o, old, name);
	if (act->drop != VIEW_NONE) {
		uint32_t now = o->board_map[act->board];
		custody_leave(
			now == VIEW_NONE ? o->boards[act->board].custody : a->boards[now].custody,
			old, w, base->staging_fd, dirfd,
			old_str(o, o->view->drops[act->drop].folder));
	}
	if (f->place == PLACE_PUBLISHED && dirfd >= 0 && file_info_at(dirfd, name, &info) == 0 &&
		file_id_equal(&info.id, &f->id))
		(void)unlinkat(dirfd, name, 0);
	snprintf(staged, sizeof(staged), "flag-%s", token_hex(&f->token, hex));
	if (f->place == PLACE_STAGED && base->staging_fd >= 0)
		(void)unlinkat(base->staging_fd, staged, 0);
	if (f->fd >= 0) {
		close_fd(f->fd);
		a->n_fds--;
	}
	if (store_begin(a->store) == 0)
		(void)store_delete_flag(a->store, old_str(o, w->object), old_str(o, w->group),
			old_str(o, act->name));
	if (!f->live)
		return;
	if (f->live->active) {
		f->live->flag = NULL;
		agent_timer_off(&f->live->timer);
		return;
	}
	if (f->state == STATE_WAITING || f->state == STATE_STARTING) {
		f->live->run.state = STATE_MISSED;
		f->live->run.cause = CAUSE_GONE;
		if (store_begin(a->store) == 0)
			(void)store_put_run(a->store, &f->live->run);
	}
	f->live->flag = NULL;
	press_live_free(f->live);
}

static void drop_board(struct agent *a, struct before *o, uint32_t old)
{
	const struct view_board *w = &o->view->boards[old];
	const struct base *base = &o->bases[w->base];
	struct file_info info;
	_cleanup_close_ int dirfd = -1;

	for (size_t i = 0; i < a->n_bases; i++)
		if (strcmp(view_str(a->view, a->view->bases[i].path),
			    old_str(o, o->view->bases[w->base].path)) == 0)
			base = &a->bases[i];
	dirfd = base->fd < 0 ? -1 : board_open_folder(base->fd, old_str(o, w->object));
	if (dirfd >= 0 && o->boards[old].status_id.ino &&
		file_info_at(dirfd, NAME_STATUS, &info) == 0 &&
		file_id_equal(&info.id, &o->boards[old].status_id))
		(void)unlinkat(dirfd, NAME_STATUS, 0);
	/* the directory and its folders are the executor's to remove (clearing.h) */
	custody_free(o->boards[old].custody);
}

static void remap_owning(struct agent *a, const struct before *o)
{
	for (size_t i = 0; i < a->own_n; i++) {
		struct own_job *j = &a->owning[(a->own_head + i) % a->own_size];
		if (j->index == VIEW_NONE)
			continue;
		j->index = j->kind == OWN_FLAG ? o->flag_map[j->index] : o->board_map[j->index];
	}
}

static uint32_t *new_map(size_t n)
{
	uint32_t *map = zalloc(n, sizeof(*map));

	for (size_t i = 0; i < n; i++)
		map[i] = VIEW_NONE;
	return map;
}

static void carry_over(struct agent *a, struct before *o)
{
	o->board_map = new_map(o->n_boards);
	o->flag_map = new_map(o->n_flags);
	carry_bases(a, o);
	for (uint32_t i = 0; i < o->n_boards; i++)
		carry_board(a, o, i);
	for (uint32_t i = 0; i < o->n_flags; i++) {
		if (o->flag_map[i] == VIEW_NONE) {
			drop_flag(a, o, i);
			control_removed(a, o->view, i);
		} else {
			rename_to_new_words(a, o, i, &a->flags[o->flag_map[i]]);
		}
	}
	for (uint32_t i = 0; i < o->n_boards; i++)
		if (o->board_map[i] == VIEW_NONE)
			drop_board(a, o, i);
	for (size_t i = 0; i < a->n_boards; i++)
		custody_reload(a, &a->boards[i], o->flag_map);
	remap_owning(a, o);
	watch_remap(a, o->board_map, o->n_boards);
	for (size_t i = 0; i < o->n_bases; i++)
		board_base_close(&o->bases[i]);
	free(o->board_map);
	free(o->flag_map);
}

static void new_parts(struct agent *a)
{
	for (size_t i = 0; i < a->n_boards; i++) {
		struct board *b = &a->boards[i];
		const struct view_board *v = board_view(a, b);
		if (!b->carried) {
			adopt_new_board(a, b);
			board_look_at(a, b, LOOK_ALL);
			continue;
		}
		b->carried = false;
		for (uint32_t k = 0; k < v->n_actions; k++)
			if (!a->flags[v->first_action + k].adopted)
				adopt_new_flag(a, &a->flags[v->first_action + k]);
		board_look_at(a, b, LOOK_ALL);
	}
}

void reload_view(struct agent *a, struct view *v, uint64_t generation)
{
	struct before o = {
		.view = a->view,
		.bases = a->bases,
		.boards = a->boards,
		.flags = a->flags,
		.n_bases = a->n_bases,
		.n_boards = a->n_boards,
		.n_flags = a->n_flags,
	};
	struct exec_generation m = {.header.type = EXEC_ADOPTED, .generation = generation};

	new_arrays(a, v, generation);
	if (!o.view) {
		carry_bases(a, &o);
		for (size_t i = 0; i < a->n_boards; i++)
			custody_reload(a, &a->boards[i], NULL);
		return; /* adopt_scan() does the rest */
	}
	carry_over(a, &o);
	new_parts(a);
	adopt_leave(a);
	free(o.bases);
	free(o.boards);
	free(o.flags);
	view_unmap(o.view);
	(void)channel_send(a->executor, &m, sizeof(m), NULL, 0);
	watch_change(a);
	board_looks(a);
	press_waiting(a);
}
