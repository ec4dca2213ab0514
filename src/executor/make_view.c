/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent is told of a generation. */
#include "executor/make_view.h"

#include "common/buf.h"
#include "wire/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Which index a pointer got: values that actions share are told once. */
struct index {
	const void **keys;
	uint32_t *values;
	size_t mask;
};

struct making {
	const struct generation *g;
	const struct identity *id;
	struct view_builder *b;
	struct index press_index, drop_index;
	struct view_header counts;
	struct view_base *bases;
	struct view_board *boards;
	struct view_action *actions;
	struct view_press *press;
	struct view_drop *drops;
	struct view_labels *labels;
};

static int index_init(struct index *x, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	x->keys = calloc(size, sizeof(*x->keys));
	x->values = calloc(size, sizeof(*x->values));
	x->mask = size - 1;
	return x->keys && x->values ? 0 : -ENOMEM;
}

static void index_done(struct index *x)
{
	free(x->keys);
	free(x->values);
}

/* KEY's value; a new key gets NEXT, and *RET_NEW is set. */
static uint32_t index_get(struct index *x, const void *key, uint32_t next, bool *ret_new)
{
	size_t i = ((uintptr_t)key >> 4) * 0x9e3779b97f4a7c15ULL >> 20 & x->mask;

	while (x->keys[i] && x->keys[i] != key)
		i = (i + 1) & x->mask;
	*ret_new = !x->keys[i];
	if (*ret_new) {
		x->keys[i] = key;
		x->values[i] = next;
	}
	return x->values[i];
}

static int making_init(struct making *m, const struct generation *g, const struct identity *id)
{
	size_t groups = g->config->n_groups + 1, actions = g->n_actions + 1U;

	*m = (struct making){.g = g, .id = id, .b = view_builder_new()};
	m->bases = calloc(g->n_bases + g->n_former + 1U, sizeof(*m->bases));
	m->boards = calloc(groups, sizeof(*m->boards));
	m->labels = calloc(groups, sizeof(*m->labels));
	m->actions = calloc(actions, sizeof(*m->actions));
	m->press = calloc(actions, sizeof(*m->press));
	m->drops = calloc(actions, sizeof(*m->drops));
	if (!m->b || !m->bases || !m->boards || !m->labels || !m->actions || !m->press ||
		!m->drops || index_init(&m->press_index, actions) < 0 ||
		index_init(&m->drop_index, actions) < 0)
		return -ENOMEM;
	return 0;
}

static void making_done(struct making *m)
{
	view_builder_free(m->b);
	free(m->bases);
	free(m->boards);
	free(m->labels);
	free(m->actions);
	free(m->press);
	free(m->drops);
	index_done(&m->press_index);
	index_done(&m->drop_index);
}

static uint32_t add_press(struct making *m, const struct action *a)
{
	const struct press *p = a->press;
	bool new;
	/* The output's limit is the command's, but the agent must know it: only actions that share
	 * both share an entry. */
	uint32_t i = index_get(&m->press_index, p, m->counts.n_press, &new);

	if (!new && m->press[i].output_limit == a->how->output_limit)
		return i;
	i = m->counts.n_press++;
	m->press[i] = (struct view_press){
		.hold = p->hold,
		.cooldown = p->cooldown,
		.result_delay = p->result_delay,
		.failed_delay = p->failed_delay,
		.confirm = p->confirm,
		.start_limit_interval = p->start_limit_interval,
		.missed_at_most = p->missed_at_most,
		.timeout = p->timeout,
		.output_limit = a->how->output_limit,
		.triggers = p->triggers,
		.start_limit_burst = p->start_limit_burst,
		.locks = view_add_list(m->b, p->locks),
		.serialise = (uint8_t)p->serialise,
		.when_busy = (uint8_t)p->when_busy,
		.while_running = (uint8_t)p->while_running,
		.missed = (uint8_t)p->missed,
		.cancel_by_press = p->cancel_by_press,
	};
	return i;
}

static uint32_t add_drop(struct making *m, const struct drop *d)
{
	bool new;
	uint32_t i;

	if (!d)
		return VIEW_NONE;
	i = index_get(&m->drop_index, d, m->counts.n_drops, &new);
	if (!new)
		return i;
	m->drops[m->counts.n_drops++] = (struct view_drop){
		.folder = view_add_string(m->b, d->folder),
		.accept = view_add_list(m->b, d->accept),
		.max_size = d->max_size,
		.max_total = d->max_total,
		.settle = d->settle,
		.keep_failed = d->keep_failed,
		.after = d->after,
	};
	return i;
}

static uint32_t add_labels(struct making *m, const struct group *g)
{
	struct view_labels l = {0};
	uint32_t n = m->counts.n_labels;
	bool any = false;

	for (size_t i = 0; i < STATE_MAX_; i++) {
		l.label[i] = view_add_string(m->b, g->labels[i]);
		any |= g->labels[i] != NULL;
	}
	if (!any)
		return VIEW_NONE;
	if (n > 0 && !memcmp(&m->labels[n - 1], &l, sizeof(l)))
		return n - 1;
	m->labels[m->counts.n_labels++] = l;
	return n;
}

static void add_actions(struct making *m, uint32_t board)
{
	const struct group *g = &m->g->config->groups[board];

	for (size_t i = 0; i < g->n_actions; i++) {
		const struct action *a = &g->actions[i];
		m->actions[m->counts.n_actions++] = (struct view_action){
			.name = view_add_string(m->b, a->name),
			.description = view_add_string(m->b, a->description),
			.board = board,
			.press = add_press(m, a),
			.drop = add_drop(m, a->drop),
			.misconfigured = view_add_string(m->b, a->misconfigured),
		};
	}
}

static void add_board(struct making *m, uint32_t board)
{
	const struct group *g = &m->g->config->groups[board];
	const struct board_state *s = &m->g->boards[board];

	m->boards[board] = (struct view_board){
		.object = view_add_string(m->b, g->object),
		.group = view_add_string(m->b, g->name),
		.description = view_add_string(m->b, g->description),
		.base = s->base,
		.first_action = s->first_action,
		.n_actions = (uint32_t)g->n_actions,
		.run_folder = view_add_string(m->b, g->run_folder),
		.trash = view_add_list(m->b, g->trash_folders),
		.labels = add_labels(m, g),
		.flags = (g->access == ACCESS_PRESS_ONLY ? VIEW_BOARD_PRESS_ONLY : 0U) |
			 (g->moniker == MONIKER_PREFIX ? VIEW_BOARD_PREFIX : 0U) |
			 (g->last_good ? VIEW_BOARD_LAST_GOOD : 0U),
		.dir_gid = g->dir_gid,
		.file_uid = g->file_uid_set ? g->file_uid : m->id->uid,
		.file_gid = g->file_gid,
		.file_mode = g->file_mode,
		.error = view_add_string(m->b, s->error),
	};
	add_actions(m, board);
}

static int fill(struct making *m)
{
	const struct settings *s = &m->g->config->settings;

	for (uint32_t i = 0; i < m->g->n_bases; i++)
		m->bases[i] = (struct view_base){
			.path = view_add_string(m->b, m->g->bases[i].path),
			.error = view_add_string(m->b, m->g->bases[i].error),
		};
	for (uint32_t i = 0; i < m->g->n_former; i++)
		m->bases[m->g->n_bases + i] = (struct view_base){
			.path = view_add_string(m->b, m->g->former[i].path),
		};
	for (uint32_t i = 0; i < m->g->config->n_groups; i++)
		add_board(m, i);
	m->counts.generation = m->g->number;
	m->counts.n_bases = m->g->n_bases + m->g->n_former;
	m->counts.bases_away = m->g->n_away;
	m->counts.n_boards = (uint32_t)m->g->config->n_groups;
	m->counts.history_runs = s->history_runs;
	m->counts.history_age = s->history_age;
	m->counts.history_size = s->history_size;
	m->counts.reserve = s->reserve;
	m->counts.max_runs = s->max_runs;
	return view_finish(
		m->b, &m->counts, m->bases, m->boards, m->actions, m->press, m->drops, m->labels);
}

int make_view(const struct generation *g, const struct identity *id)
{
	struct making m;
	int r = making_init(&m, g, id);

	if (r == 0)
		r = fill(&m);
	making_done(&m);
	return r;
}
