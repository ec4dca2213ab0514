/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/custody.h"

#include "agent/custody_drop.h"
#include "agent/flag.h"
#include "agent/names.h"
#include "agent/press.h"
#include "agent/runs.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void custody_close(struct dropping *d)
{
	close_fd(d->fd);
	close_fd(d->in_fd);
	d->fd = d->in_fd = -1;
	d->worker = sd_event_source_disable_unref(d->worker);
}

void custody_reset(struct dropping *d)
{
	custody_close(d);
	run_done(&d->run);
	free(d->name);
	d->name = NULL;
	d->stage = STAGE_NONE;
}

static void drop_done(struct dropping *d)
{
	custody_reset(d);
	agent_timer_off(&d->timer);
	agent_timer_off(&d->keep_timer);
	candidates_done(&d->candidates);
}

struct custody *custody_free(struct custody *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n; i++)
		drop_done(&c->drops[i]);
	free(c->drops);
	free(c);
	return NULL;
}

struct dropping *custody_drop_of(struct agent *a, struct flag *f)
{
	struct custody *c = flag_board(a, f)->custody;

	for (size_t i = 0; c && i < c->n; i++)
		if (c->drops[i].flag == (uint32_t)(f - a->flags))
			return &c->drops[i];
	return NULL;
}

/* The timers' userdata is the drop: after a reload it moved. */
static void drop_moved(struct dropping *d)
{
	sd_event_source *sources[] = {d->timer, d->worker, d->keep_timer};

	for (size_t i = 0; i < 3; i++)
		if (sources[i])
			sd_event_source_set_userdata(sources[i], d);
}

void custody_reload(struct agent *a, struct board *b, const uint32_t *flag_map)
{
	const struct view_board *v = board_view(a, b);
	struct custody *old = b->custody, *new = NULL;
	size_t n = 0;

	for (uint32_t i = 0; i < v->n_actions; i++)
		n += a->view->actions[v->first_action + i].drop != VIEW_NONE;
	if (n) {
		new = calloc(1, sizeof(*new));
		if (new)
			new->drops = calloc(n, sizeof(*new->drops));
		if (!new || !new->drops)
			log_fatal(71, "out of memory");
	}
	b->custody = new;
	for (uint32_t i = 0; n && i < v->n_actions; i++) {
		uint32_t index = v->first_action + i;
		if (a->view->actions[index].drop == VIEW_NONE)
			continue;
		struct dropping *d = &new->drops[new->n++], *was = NULL;
		for (size_t k = 0; old && k < old->n; k++)
			if (flag_map && old->drops[k].agent &&
				flag_map[old->drops[k].flag] == index)
				was = &old->drops[k];
		*d = (struct dropping){.agent = a, .flag = index, .fd = -1, .in_fd = -1};
		if (was) {
			*d = *was;
			d->flag = index;
			*was = (struct dropping){.fd = -1, .in_fd = -1}; /* moved */
			drop_moved(d);
		}
	}
	custody_free(old);
}

void custody_names(struct agent *a, const struct dropping *d, struct run *run)
{
	const struct board *b = flag_board(a, drop_flag(d));

	run->object = strdup(board_object(a, b));
	run->group = strdup(board_group(a, b));
	run->action = strdup(flag_action_name(a, drop_flag(d)));
	if (!run->object || !run->group || !run->action)
		log_fatal(71, "out of memory");
}

void custody_show(struct agent *a, struct dropping *d, bool receiving, const char *what)
{
	struct flag *f = drop_flag(d);

	if (receiving && f->state != STATE_RECEIVING) {
		if (f->state == STATE_STARTING || f->state == STATE_WAITING ||
			f->state == STATE_RUNNING || f->state == STATE_CONFIRM)
			return;
		press_live(a, f)->before = f->state;
		flag_set_state(a, f, STATE_RECEIVING);
	} else if (!receiving && f->state == STATE_RECEIVING) {
		flag_set_state(a, f, press_live(a, f)->before);
		press_note(a, f, NULL);
		press_arm(a, f);
	}
	if (receiving && what)
		press_note(a, f, "%s", what);
}

void custody_ask(struct agent *a, struct dropping *d, enum stage stage)
{
	struct exec_payload m = {
		.header.type = EXEC_TAKE,
		.generation = a->generation,
		.cookie = d->cookie = ++a->next_cookie,
		.board = flag_action(a, drop_flag(d))->board,
		.token = d->token,
	};

	d->stage = stage;
	int r = channel_send(a->executor, &m, sizeof(m), NULL, 0);
	if (r < 0)
		log_fatal(71, "the executor cannot be reached: %s", strerror(-r));
}

/* It could not be taken after all. */
static int untaken(struct agent *a, struct dropping *d, int error)
{
	d->run.state = STATE_CANCELLED;
	d->run.cause = CAUSE_CALLED_OFF;
	(void)runs_record(a, &d->run);
	custody_reset(d);
	return error;
}

/* Steps 1 to 4. */
static int take_file(struct agent *a, struct dropping *d, int folder, const struct candidate *c)
{
	char hex[TOKEN_HEX + 1];
	struct file_info info;
	int staging = drop_staging(d);
	int r;

	r = file_info_at(folder, c->name, &info);
	if (r < 0)
		return r;
	if (!S_ISREG(info.mode) || info.nlink != 1 || !file_id_equal(&info.id, &c->id))
		return -EINVAL;
	custody_reset(d);
	d->token = token_new();
	d->name = strdup(c->name);
	d->size = info.size;
	d->run = (struct run){
		.id = a->next_run++,
		.token = d->token,
		.trigger = TRIGGER_DROP,
		.state = STATE_STARTING,
		.pressed = now_realtime(),
		.payload = strdup(c->name),
		.payload_size = info.size,
		.uid = info.uid,
		.nameless = true,
		.certainty = CERTAINTY_OWNER,
	};
	if (!d->name || !d->run.payload)
		log_fatal(71, "out of memory");
	custody_names(a, d, &d->run);
	(void)names_fill(a, &d->run);
	r = runs_record(a, &d->run); /* its name must be known before it loses it */
	if (r == 0 && renameat2(folder, c->name, staging, token_hex(&d->token, hex),
			      RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0)
		return untaken(a, d, r);
	r = file_info_at(staging, hex, &info);
	if (r == 0 &&
		(!S_ISREG(info.mode) || info.nlink != 1 || !file_id_equal(&info.id, &c->id))) {
		/* swapped or linked in between: not ours to touch */
		(void)renameat2(staging, hex, folder, c->name, RENAME_NOREPLACE);
		r = -EINVAL;
	}
	if (r < 0)
		return untaken(a, d, r);
	log_info("%s/%s: took %s (%llu bytes)", d->run.object, d->run.action, c->name,
		(unsigned long long)info.size);
	custody_ask(a, d, STAGE_TAKING);
	return 0;
}

bool custody_is_free(struct agent *a, struct dropping *d)
{
	struct flag *f = drop_flag(d);

	if (d->stage != STAGE_NONE || press_blocker(a, f) || flag_action(a, f)->misconfigured)
		return false;
	return f->state != STATE_STARTING && f->state != STATE_WAITING &&
	       f->state != STATE_RUNNING && f->state != STATE_CONFIRM && f->state != STATE_PAUSED;
}

static int on_settled(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct dropping *d = userdata;
	struct agent *a = d->agent;

	(void)s;
	(void)usec;
	agent_timer_off(&d->timer);
	board_look_at(a, flag_board(a, drop_flag(d)), LOOK_DROPS);
	board_looks(a);
	return 0;
}

static int look_drop(struct agent *a, struct board *b, struct dropping *d, int dirfd)
{
	const struct view_drop *v = drop_view(d);
	uint64_t now = now_boottime(), due;
	_cleanup_close_ int folder = board_open_folder(dirfd, drop_folder(d));
	bool receiving;

	if (folder < 0)
		return folder;
	drop_folder_scan(a, b, v, folder, &d->candidates, now);
	receiving = candidates_unsettled(&d->candidates, v->settle, now, &due);
	struct candidate *c = candidates_oldest(&d->candidates, v->settle, now);
	if (c && custody_is_free(a, d)) {
		custody_return_kept(a, d); /* a new one takes its place */
		if (take_file(a, d, folder, c) < 0)
			c->changed = now; /* again when it has been quiet once more */
		receiving = candidates_unsettled(&d->candidates, v->settle, now, &due);
	}
	if (d->stage == STAGE_NONE)
		custody_show(a, d, receiving, "Something is being written into the drop folder.");
	if (due != UINT64_MAX)
		agent_timer(a, &d->timer, due, on_settled, d);
	return 0;
}

int custody_look(struct agent *a, struct board *b, int dirfd)
{
	int r = 0;

	for (size_t i = 0; i < b->custody->n; i++) {
		int one = look_drop(a, b, &b->custody->drops[i], dirfd);
		if (one < 0)
			r = one;
	}
	return r;
}

void custody_kick(struct agent *a)
{
	if (!a->view->h->n_drops)
		return;
	for (size_t i = 0; i < a->n_boards; i++) {
		struct custody *c = a->boards[i].custody;
		for (size_t k = 0; c && k < c->n; k++) {
			if (c->drops[k].stage == STAGE_WAITING)
				custody_next(a, &c->drops[k]);
			else if (c->drops[k].stage == STAGE_NONE && c->drops[k].candidates.n)
				board_look_at(a, &a->boards[i], LOOK_DROPS);
		}
	}
	board_looks(a);
}
