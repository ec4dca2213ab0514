/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/runs.h"

#include "agent/board.h"
#include "agent/control.h"
#include "agent/custody.h"
#include "agent/discs.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/press_rules.h"
#include "agent/trouble.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/text.h"

#include <errno.h>
#include <sched.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CONTENT_EVERY      (250 * 1000) /* us between two texts of a running flag */
#define CONTENT_EVERY_LONG (2 * USEC_PER_SEC)
#define CONTENT_LONG       (64 * 1024) /* bytes of output from which the longer one holds */
#define NAME_EVERY         (5 * USEC_PER_SEC)
#define SETTLE_AFTER       (2 * USEC_PER_SEC)

static int compare_tokens(const void *x, const void *y)
{
	return memcmp(&((const struct live *)x)->run.token, &((const struct live *)y)->run.token,
		sizeof(struct token));
}

struct live *runs_find(struct agent *a, const struct token *t)
{
	struct live key = {.run.token = *t};
	struct live **found = tfind(&key, &a->by_token, compare_tokens);

	return found ? *found : NULL;
}

static void activate(struct agent *a, struct live *l)
{
	const struct view_press *p = flag_press(a, l->flag);
	const char *locks = view_str(a->view, p->locks), *end = locks;

	free(l->names.locks);
	l->names.locks = NULL;
	if (locks && *locks) {
		while (*end)
			end += strlen(end) + 1;
		l->names.locks = malloc((size_t)(end - locks) + 1);
		if (!l->names.locks)
			log_fatal(71, "out of memory");
		memcpy(l->names.locks, locks, (size_t)(end - locks) + 1);
	}
	l->serialise = p->serialise;
	l->generation = a->generation;
	l->active = true;
	TAILQ_INSERT_TAIL(&a->active, l, actives);
	a->n_active++;
	if (!tsearch(l, &a->by_token, compare_tokens))
		log_fatal(71, "out of memory");
}

void runs_forget(struct live *l)
{
	struct agent *a = l->agent;

	l->alive = sd_event_source_disable_unref(l->alive);
	close_fd(l->alive_fd);
	close_fd(l->claim_fd);
	l->alive_fd = l->claim_fd = -1;
	agent_timer_off(&l->refresh);
	if (!l->active)
		return;
	l->active = false;
	TAILQ_REMOVE(&a->active, l, actives);
	a->n_active--;
	(void)tdelete(l, &a->by_token, compare_tokens);
}

int runs_record(struct agent *a, const struct run *run)
{
	int r = store_begin(a->store);

	if (r == 0)
		r = store_put_run(a->store, run);
	return r == 0 ? store_commit(a->store) : r;
}

void runs_make_known(struct agent *a, struct live *l)
{
	struct flag *f = l->flag;
	int r;

	if (l->run.trigger == TRIGGER_DELETE || l->run.trigger == TRIGGER_DROP ||
		token_equal(&l->run.token, &f->token) || !(f->dirty & DIRTY_RUN))
		return;
	r = runs_record(a, &l->run);
	if (r < 0)
		trouble_store(a, r);
	else
		f->dirty &= (uint8_t)~DIRTY_RUN;
}

void runs_start(struct agent *a, struct live *l)
{
	struct flag *f = l->flag;
	struct exec_start m = {
		.header.type = EXEC_START,
		.generation = a->generation,
		.action = (uint32_t)(f - a->flags),
		.trigger = l->run.trigger,
		.token = l->run.token,
		.run = l->run.id,
		.payload = l->run.payload != NULL,
		.sync = flag_press(a, f)->missed == MISSED_RUN,
	};
	int r;

	runs_make_known(a, l);
	if (l->run.user)
		snprintf(m.user, sizeof(m.user), "%s", l->run.user);
	if (l->run.payload)
		snprintf(m.payload_name, sizeof(m.payload_name), "%s", l->run.payload);
	r = channel_send(a->executor, &m, sizeof(m), NULL, 0);
	if (r < 0)
		log_fatal(71, "the executor cannot be reached: %s", strerror(-r));
	a->n_asked++;
	l->asked = true;
	(void)sched_yield(); /* the executor was woken on this processor: it goes first */
	agent_started(a);
	activate(a, l);
	l->began_at = now_boottime();
	if (flag_press(a, f)->start_limit_burst)
		press_count_start(l, (int64_t)l->began_at);
	l->run.state = STATE_RUNNING;
	flag_set_state(a, f, STATE_RUNNING);
	flag_mark(a, f, DIRTY_RUN);
	press_neighbours(a, l);
}

uint64_t runs_so_far(const struct live *l)
{
	return now_boottime() - l->began_at;
}

bool runs_cancel(struct agent *a, struct live *l)
{
	struct exec_token m = {.header.type = EXEC_CANCEL, .token = l->run.token};

	if (!l->active || channel_send(a->executor, &m, sizeof(m), NULL, 0) < 0)
		return false;
	if (l->flag)
		press_note(a, l->flag, "It was told to stop.");
	return true;
}

/* --- while it runs --- */

static int on_refresh(sd_event_source *s, uint64_t usec, void *userdata);

static void look_at_status(struct live *l)
{
	struct agent *a = l->agent;
	struct flag *f = l->flag;
	struct claim_status st;
	uint64_t now = now_boottime();
	uint64_t due = UINT64_MAX;

	if (!f || l->claim_fd < 0 || claim_status_read(l->claim_fd, &st) < 0)
		return;
	uint64_t every = st.output_total > CONTENT_LONG ? CONTENT_EVERY_LONG : CONTENT_EVERY;
	if (now >= l->content_at + every || l->percent != st.percent ||
		strcmp(l->progress, st.text) != 0) {
		l->percent = st.percent;
		snprintf(l->progress, sizeof(l->progress), "%.*s", (int)sizeof(st.text) - 1,
			st.text);
		l->content_at = now;
		flag_mark(a, f, DIRTY_CONTENT | DIRTY_NEWS);
	} else {
		due = l->content_at + every;
	}
	uint8_t step = l->percent <= 100 ? (uint8_t)(l->percent / 10) : STEP_NONE;
	if (step != l->step) {
		if (!l->name_at || now >= l->name_at + NAME_EVERY) {
			l->step = step;
			l->name_at = now;
			flag_mark(a, f, DIRTY_NAME);
		} else if (l->name_at + NAME_EVERY < due) {
			due = l->name_at + NAME_EVERY;
		}
	}
	if (due != UINT64_MAX)
		agent_timer(a, &l->refresh, due, on_refresh, l);
}

static int on_refresh(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct live *l = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&l->refresh);
	look_at_status(l);
	return 0;
}

static int on_alive(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct live *l = userdata;
	char bytes[256];
	ssize_t n;

	(void)s;
	do
		n = read(fd, bytes, sizeof(bytes));
	while (n == (ssize_t)sizeof(bytes));
	if (n == 0 || (events & EPOLLHUP)) /* the runner is gone; EXEC_ENDED says how */
		l->alive = sd_event_source_disable_unref(l->alive);
	look_at_status(l); /* it knows itself what is too early */
	control_output(l->agent, l);
	return 0;
}

void runs_adopt(struct agent *a, struct live *l, int *fds)
{
	if (!l->active)
		activate(a, l);
	l->claim_fd = steal_fd(&fds[0]);
	l->alive_fd = steal_fd(&fds[1]);
	int r = sd_event_add_io(a->event, &l->alive, l->alive_fd, EPOLLIN, on_alive, l);
	if (r < 0)
		log_error("run %llu: its progress cannot be followed: %s",
			(unsigned long long)l->run.id, strerror(-r));
}

/* --- what the executor says --- */

static void not_started(
	struct agent *a, struct live *l, enum state s, enum cause cause, const char *why)
{
	struct flag *f = l->flag;

	runs_forget(l);
	l->run.state = s;
	l->run.cause = cause;
	free(l->run.why);
	l->run.why = why && *why ? strdup(why) : NULL;
	l->run.end.ended = now_realtime();
	log_warning("%s/%s: run %llu was not started: %s", l->run.object, l->run.action,
		(unsigned long long)l->run.id, why && *why ? why : state_word(s));
	runs_over(a, l);
	if (!f) {
		press_live_free(l);
		return;
	}
	l->ended_at = now_boottime();
	flag_mark(a, f, DIRTY_RUN);
	flag_set_state(a, f, s);
	press_arm(a, f);
	press_neighbours(a, l);
	control_ended(a, l);
	press_waiting(a);
	custody_kick(a);
}

static void started_ok(
	struct agent *a, struct live *l, const struct exec_started *m, int *fds, size_t n_fds)
{
	l->run.claimed = m->claimed;
	if (n_fds == 2)
		runs_adopt(a, l, fds);
	/* the history learns of it with the end; until then the claim is the record */
	log_info("%s/%s: run %llu begins (%s%s%s)", l->run.object, l->run.action,
		(unsigned long long)l->run.id, trigger_word(l->run.trigger),
		l->run.user ? ", " : "", l->run.user ? l->run.user : "");
}

void runs_started(struct agent *a, const struct exec_started *m, int *fds, size_t n_fds)
{
	struct live *l = runs_find(a, &m->token);

	if (l && l->asked)
		l->asked = false;
	else
		log_panic("the executor started what was not asked for");
	a->n_asked--;
	switch ((enum start_result)m->result) {
	case START_OK:
		started_ok(a, l, m, fds, n_fds);
		break;
	case START_BUSY:
		runs_forget(l);
		l->run.state = STATE_WAITING;
		if (l->flag) {
			TAILQ_INSERT_HEAD(&a->waiting, l, waitings);
			l->waits = true;
			flag_set_state(a, l->flag, STATE_WAITING);
			press_note(a, l->flag, "It waits: too many commands run at once.");
		}
		break;
	case START_STALE:
		runs_forget(l);
		if (l->flag && l->generation != a->generation)
			runs_start(a, l); /* the configuration changed under it */
		else
			not_started(a, l, STATE_FAILED, CAUSE_REFUSED, "its action is gone");
		break;
	case START_SERVED:
		not_started(a, l, STATE_MISSED, CAUSE_REFUSED, "this press was served before");
		break;
	case START_NO_ROOM:
		not_started(a, l, STATE_MISSED, CAUSE_NO_ROOM, m->why);
		break;
	case START_REFUSED:
	case START_ERROR:
	default:
		not_started(a, l, STATE_FAILED, CAUSE_REFUSED, m->why);
		break;
	}
}

void runs_over(struct agent *a, struct live *l)
{
	char hex[TOKEN_HEX + 1];

	if (l->flag && l->run.payload)
		custody_over(a, l);
	else if (l->run.payload) /* nothing says any more where it came from */
		log_warning("%s/%s is configured no longer: %s, which it had, stays in " STAGING
			    "/%s",
			l->run.object, l->run.action, l->run.payload,
			token_hex(&l->run.token, hex));
	if (l->taken && l->flag) {
		int staging = board_base(a, flag_board(a, l->flag))->staging_fd;
		if (staging >= 0)
			(void)unlinkat(staging, token_hex(&l->run.token, hex), 0);
	}
	l->taken = false;
}

static enum state state_of_end(const struct run_end *e)
{
	if (e->stop == STOP_CANCEL)
		return STATE_CANCELLED;
	return e->kind == END_EXITED && e->success && e->stop != STOP_TIMEOUT ? STATE_DONE
									      : STATE_FAILED;
}

/* A STATUS= without a number that was its last is what it has to say of its end. */
static void take_last_words(struct live *l)
{
	struct claim_status st;

	if (l->run.end.kind != END_EXITED || l->claim_fd < 0 ||
		claim_status_read(l->claim_fd, &st) < 0 || st.percent != UINT32_MAX || !*st.text)
		return;
	free(l->run.why);
	l->run.why = strdup(st.text);
}

void runs_adopt_end(struct agent *a, struct live *l, const struct run_end *end)
{
	struct flag *f = l->flag;
	char words[256];

	l->run.end = *end;
	if (!l->run.end.ended)
		l->run.end.ended = now_realtime();
	l->run.state = state_of_end(end);
	l->run.cause = end->kind == END_INTERRUPTED ? CAUSE_INTERRUPTED : CAUSE_NONE;
	take_last_words(l);
	runs_keep_output(a, l);
	log_info("%s/%s: run %llu: %s", l->run.object, l->run.action, (unsigned long long)l->run.id,
		run_result_words(&l->run, l->timeout, words, sizeof(words)));
	if (f) {
		free(l->note);
		l->note = NULL;
		flag_mark(a, f, DIRTY_RUN);
		l->ended_at = now_boottime();
		flag_set_state(a, f, l->run.state);
		press_arm(a, f);
	} else if (store_begin(a->store) == 0) {
		(void)store_put_run(a->store, &l->run);
	}
	discs_over(a, l);
	runs_over(a, l);
	runs_spent(a, &l->run.token);
}

void runs_ended(struct agent *a, const struct exec_ended *m)
{
	struct live *l = runs_find(a, &m->token);

	if (!l) { /* of an earlier life, and not in the data base */
		runs_spent(a, &m->token);
		return;
	}
	runs_adopt_end(a, l, &m->end);
	control_output(a, l);
	runs_forget(l);
	press_neighbours(a, l);
	control_ended(a, l);
	if (!l->flag)
		press_live_free(l);
	press_waiting(a);
	custody_kick(a);
}

/* --- giving up claims --- */

static int on_settle(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct agent *a = userdata;

	(void)s;
	(void)usec;
	runs_settle(a);
	if (!a->n_active && now_boottime() > a->quiet_until + SETTLE_AFTER / 2)
		memory_trim(); /* nobody presses just now */
	return 0;
}

void runs_settle_later(struct agent *a)
{
	if (!a->settle_timer)
		agent_timer(a, &a->settle_timer, now_boottime() + SETTLE_AFTER, on_settle, a);
}

void runs_spent(struct agent *a, const struct token *t)
{
	if (a->n_spent == a->spent_size) {
		size_t size = a->spent_size ? a->spent_size * 2 : 64;
		struct token *grown = realloc(a->spent, size * sizeof(*grown));
		if (!grown)
			log_fatal(71, "out of memory");
		a->spent = grown;
		a->spent_size = size;
	}
	a->spent[a->n_spent++] = *t;
	runs_settle_later(a);
}

static int note_spent(struct agent *a)
{
	int r = store_begin(a->store);

	if (r == 0)
		r = runs_outputs_again(a);
	for (size_t i = 0; r == 0 && i < a->n_spent; i++)
		r = store_put_spent(a->store, &a->spent[i]);
	if (r == 0)
		r = store_prune(a->store, a->view->h->history_runs, a->view->h->history_age,
			a->view->h->history_size);
	return r;
}

void runs_settle(struct agent *a)
{
	int r = 0;

	agent_timer_off(&a->settle_timer);
	if (!a->n_spent && store_dirty(a->store))
		return; /* whoever commits that comes back here */
	if (a->n_spent)
		r = note_spent(a);
	if (r == 0)
		r = store_commit_durable(a->store);
	if (r < 0) {
		if (a->n_spent)
			runs_outputs_lost(a);
		trouble_store(a, r);
		agent_timer(a, &a->settle_timer, now_boottime() + 5 * SETTLE_AFTER, on_settle, a);
		return;
	}
	if (a->n_spent)
		runs_outputs_kept(a);
	for (size_t i = 0; i < a->n_spent;) {
		struct exec_spent m = {.header.type = EXEC_SPENT};
		while (i < a->n_spent && m.n < EXEC_SPENT_MAX)
			m.tokens[m.n++] = a->spent[i++];
		(void)channel_send(a->executor, &m, sizeof(m), NULL, 0);
	}
	a->n_spent = 0;
}
