/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/press.h"

#include "agent/board.h"
#include "agent/custody.h"
#include "agent/flag.h"
#include "agent/runs.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONFIRM_LEAST (2 * USEC_PER_SEC)
#define MASS_OBJECTS  3

static const char mass_text[] = "Several things of %s went at once (%s): nobody meant one button, "
				"so nothing was run.";

/* What a press means in each state. */
enum meaning {
	MEANS_PRESS,    /* the beginning of a run */
	MEANS_CONFIRM,  /* the second press of two */
	MEANS_CALL_OFF, /* back to what it was */
	MEANS_RUNNING,  /* put back, or cancel */
	MEANS_NOTHING,  /* put back */
};
static const enum meaning meaning_of[STATE_MAX_] = {
	[STATE_READY] = MEANS_PRESS,
	[STATE_STARTING] = MEANS_CALL_OFF,
	[STATE_WAITING] = MEANS_CALL_OFF,
	[STATE_RUNNING] = MEANS_RUNNING,
	[STATE_DONE] = MEANS_PRESS,
	[STATE_FAILED] = MEANS_PRESS,
	[STATE_BLOCKED] = MEANS_NOTHING,
	[STATE_CANCELLED] = MEANS_PRESS,
	[STATE_MISSED] = MEANS_PRESS,
	[STATE_CONFIRM] = MEANS_CONFIRM,
	[STATE_RECEIVING] = MEANS_NOTHING,
	[STATE_PAUSED] = MEANS_NOTHING,
	[STATE_MISCONFIGURED] = MEANS_NOTHING,
};

struct live *press_live(struct agent *a, struct flag *f)
{
	struct live *l = f->live;

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		log_fatal(71, "out of memory");
	l->agent = a;
	l->flag = f;
	l->alive_fd = l->status_fd = l->output_fd = l->pressed_fd = -1;
	l->percent = UINT32_MAX;
	l->step = STEP_NONE;
	f->live = l;
	return l;
}

static void leave_hold(struct live *l)
{
	if (l->held)
		TAILQ_REMOVE(&l->agent->holding, l, holdings);
	l->held = false;
	close_fd(l->pressed_fd);
	l->pressed_fd = -1;
	free(l->pressed_name);
	l->pressed_name = NULL;
}

static void leave_waiting(struct live *l)
{
	if (l->waits)
		TAILQ_REMOVE(&l->agent->waiting, l, waitings);
	l->waits = false;
}

void press_live_free(struct live *l)
{
	if (!l)
		return;
	leave_hold(l);
	leave_waiting(l);
	runs_forget(l);
	agent_timer_off(&l->timer);
	agent_timer_off(&l->refresh);
	run_done(&l->run);
	if (l->flag)
		l->flag->live = NULL;
	free(l->note);
	free(l->starts);
	free(l->names.locks);
	free(l);
}

void press_note(struct agent *a, struct flag *f, const char *fmt, ...)
{
	struct live *l = press_live(a, f);
	va_list ap;

	free(l->note);
	l->note = NULL;
	if (fmt) {
		va_start(ap, fmt);
		if (vasprintf(&l->note, fmt, ap) < 0)
			l->note = NULL;
		va_end(ap);
	}
	flag_mark(a, f, DIRTY_CONTENT | DIRTY_ROW);
}

static bool share_a_lock(const char *x, const char *y)
{
	for (; x && *x; x = view_next(x))
		for (const char *z = y; z && *z; z = view_next(z))
			if (strcmp(x, z) == 0)
				return true;
	return false;
}

static bool same_scope(
	const struct agent *a, const struct flag *f, const struct live *l, enum serialise mine)
{
	if (!l->flag || mine == SERIALISE_NONE || l->serialise == SERIALISE_NONE)
		return false;
	if (flag_board(a, f) == flag_board(a, l->flag))
		return true;
	return (mine == SERIALISE_OBJECT || l->serialise == SERIALISE_OBJECT) &&
	       board_same_object(a, flag_board(a, f), flag_board(a, l->flag));
}

struct live *press_blocker(const struct agent *a, const struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	const char *locks = view_str(a->view, p->locks);
	struct live *l;

	if (TAILQ_EMPTY(&a->active) || (p->serialise == SERIALISE_NONE && !locks))
		return NULL;
	TAILQ_FOREACH(l, &a->active, actives)
	if (l->flag != f && (same_scope(a, f, l, p->serialise) ||
				    (locks && share_a_lock(locks, l->names.locks))))
		return l;
	return NULL;
}

void press_neighbours(struct agent *a, struct live *l)
{
	struct flag *f = l->flag;

	if (f && l->serialise != SERIALISE_NONE) {
		struct board *b = board_of_object(a, flag_board(a, f));
		for (; b < a->boards + a->n_boards && board_same_object(a, b, flag_board(a, f));
			b++)
			for (uint32_t i = 0; i < board_view(a, b)->n_actions; i++)
				flag_mark(a, &a->flags[board_view(a, b)->first_action + i],
					DIRTY_NAME | DIRTY_CONTENT);
	}
	if (l->names.locks)
		for (size_t i = 0; i < a->n_flags; i++)
			if (share_a_lock(view_str(a->view, flag_press(a, &a->flags[i])->locks),
				    l->names.locks))
				flag_mark(a, &a->flags[i], DIRTY_NAME | DIRTY_CONTENT);
}

static void say_blocker(struct agent *a, struct flag *f, const struct live *by, const char *before)
{
	press_note(a, f, "%s%s of %s runs%s%s.", before, by->run.action, by->run.object,
		by->run.user ? ", started by " : "", by->run.user ? by->run.user : "");
}

/* --- timers of states --- */

static int on_state_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct live *l = userdata;
	struct agent *a = l->agent;
	struct flag *f = l->flag;

	(void)s;
	(void)usec;
	agent_timer_off(&l->timer);
	if (!f)
		return 0;
	switch (f->state) {
	case STATE_STARTING:
		press_go(a, l);
		break;
	case STATE_CONFIRM:
		flag_set_state(a, f, l->before);
		press_note(a, f, "The second press did not come: nothing was run.");
		press_arm(a, f);
		break;
	case STATE_PAUSED:
	case STATE_DONE:
	case STATE_FAILED:
	case STATE_CANCELLED:
	case STATE_MISSED:
		flag_set_state(a, f, STATE_READY);
		press_note(a, f, NULL);
		break;
	default:
		break;
	}
	return 0;
}

void press_arm(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	uint64_t wait = USEC_INFINITY;

	if (f->state == STATE_DONE)
		wait = p->result_delay;
	else if (f->state == STATE_FAILED || f->state == STATE_CANCELLED ||
		 f->state == STATE_MISSED)
		wait = p->failed_delay;
	else if (f->state == STATE_PAUSED)
		wait = p->start_limit_interval;
	else
		return;
	if (wait == USEC_INFINITY) {
		if (f->live)
			agent_timer_off(&f->live->timer);
		return;
	}
	/* over a restart the wall clock is all there is, and it may have jumped */
	int64_t gone = now_realtime() - f->since;
	if (gone < 0 || (uint64_t)gone > wait)
		gone = gone < 0 ? 0 : (int64_t)wait;
	struct live *l = press_live(a, f);
	agent_timer(a, &l->timer, now_boottime() + wait - (uint64_t)gone, on_state_timer, l);
}

/* --- putting back --- */

void press_call_off(struct agent *a, struct live *l, const char *why)
{
	struct flag *f = l->flag;

	leave_hold(l);
	leave_waiting(l);
	agent_timer_off(&l->timer);
	l->run.state = STATE_CANCELLED;
	l->run.cause = CAUSE_CALLED_OFF;
	l->run.end.ended = now_realtime();
	log_info("%s/%s: called off: %s", l->run.object, l->run.action, why);
	runs_over(a, l);
	if (!f)
		return;
	flag_mark(a, f, DIRTY_RUN);
	flag_set_state(a, f, l->before);
	press_note(a, f, "%s", why);
	press_arm(a, f);
}

void press_call_off_board(struct agent *a, struct board *b, const char *why)
{
	for (struct live *l = TAILQ_FIRST(&a->holding), *next; l; l = next) {
		next = TAILQ_NEXT(l, holdings);
		if (l->flag && board_same_object(a, flag_board(a, l->flag), b))
			press_call_off(a, l, why);
	}
}

static void call_off_mass(struct agent *a, struct board *b, const char *what)
{
	for (struct live *l = TAILQ_FIRST(&a->holding), *next; l; l = next) {
		char why[512];
		next = TAILQ_NEXT(l, holdings);
		if (!l->flag || (b && !board_same_object(a, flag_board(a, l->flag), b)))
			continue;
		snprintf(why, sizeof(why), mass_text, b ? l->run.object : "several objects", what);
		press_call_off(a, l, why);
	}
}

void press_mass(struct agent *a, struct board *b, const char *what)
{
	struct live *l;

	TAILQ_FOREACH(l, &a->holding, holdings)
	if (l->flag && board_same_object(a, flag_board(a, l->flag), b)) {
		log_info("%s: %s went too: nothing is run", board_object(a, b), what);
		call_off_mass(a, b, what);
		return;
	}
}

/* Is this press one of many?  Then none of them is meant. */
static bool part_of_mass(struct agent *a, struct flag *f, uint64_t hold, uint64_t now)
{
	struct board *first = board_of_object(a, flag_board(a, f));
	uint32_t objects[MASS_OBJECTS] = {board_view(a, first)->object};
	size_t n = 1;
	bool same = false;
	struct live *l;

	TAILQ_FOREACH(l, &a->holding, holdings)
	{
		uint32_t o = l->flag ? board_view(a, flag_board(a, l->flag))->object : 0;
		size_t i = 0;
		same = same || o == objects[0];
		while (i < n && objects[i] != o)
			i++;
		if (i == n && n < MASS_OBJECTS)
			objects[n++] = o;
	}
	if (same) {
		first->mass_until = now + hold;
		call_off_mass(a, first, "several buttons");
	}
	if (n == MASS_OBJECTS) {
		a->mass_until = now + hold;
		call_off_mass(a, NULL, "buttons of several objects");
	}
	if (now >= first->mass_until && now >= a->mass_until)
		return false;
	if (now < first->mass_until)
		first->mass_until = now + hold;
	if (now < a->mass_until)
		a->mass_until = now + hold;
	return true;
}

/* --- taking a press --- */

static void load_starts(struct agent *a, struct flag *f, struct live *l)
{
	const struct view_press *p = flag_press(a, f);
	const struct board *b = flag_board(a, f);

	if (l->starts || !p->start_limit_burst)
		return;
	l->starts = calloc(p->start_limit_burst, sizeof(*l->starts));
	if (!l->starts)
		log_fatal(71, "out of memory");
	l->starts_size = p->start_limit_burst;
	int n = store_starts_since(a->store, board_object(a, b), board_group(a, b),
		flag_action_name(a, f), now_realtime() - (int64_t)p->start_limit_interval,
		l->starts, l->starts_size);
	l->n_starts = n > 0 ? (unsigned)n : 0;
}

/* A ring of the last starts would do; they are few, so the old ones are dropped by copying. */
static bool over_start_limit(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	struct live *l = press_live(a, f);
	int64_t now = now_realtime();
	unsigned kept = 0;

	load_starts(a, f, l);
	if (!l->starts_size)
		return false;
	for (unsigned i = 0; i < l->n_starts; i++) {
		int64_t age = now - l->starts[i];
		if (age >= 0 && (uint64_t)age < p->start_limit_interval)
			l->starts[kept++] = l->starts[i];
	}
	l->n_starts = kept;
	return kept >= l->starts_size;
}

const char *press_refusal(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	struct live *l = f->live;
	struct live *by;

	if (flag_action(a, f)->misconfigured)
		return "The configuration of this action is wrong: see above.";
	if (l && l->ended_at && now_boottime() < l->ended_at + p->cooldown)
		return "It ended just now: wait a moment before pressing it again.";
	by = press_blocker(a, f);
	if (by && p->when_busy == WHEN_BUSY_BLOCK)
		return "Another action runs.";
	return NULL;
}

static void new_run(struct agent *a, struct flag *f, struct live *l, struct run *run)
{
	const struct board *b = flag_board(a, f);

	if (l->kept_payload)
		custody_again(a, l, run);
	run_done(&l->run);
	l->run = *run;
	*run = (struct run){0};
	if (!l->run.id)
		l->run.id = a->next_run++;
	if (!l->run.pressed)
		l->run.pressed = now_realtime();
	if (!l->run.object) {
		l->run.object = strdup(board_object(a, b));
		l->run.group = strdup(board_group(a, b));
		l->run.action = strdup(flag_action_name(a, f));
	}
	if (!l->run.object || !l->run.group || !l->run.action)
		log_fatal(71, "out of memory");
	l->run.state = STATE_STARTING;
	l->run.cause = CAUSE_NONE;
	l->timeout = flag_press(a, f)->timeout;
	l->percent = UINT32_MAX;
	l->step = STEP_NONE;
	l->name_at = 0;
	l->progress[0] = '\0';
	f->run = l->run.id;
}

/* The press counts: held, or on its way at once. */
static void accept(struct agent *a, struct flag *f, struct run *run, bool held)
{
	const struct view_press *p = flag_press(a, f);
	struct live *l = press_live(a, f);

	if (f->state != STATE_CONFIRM && f->state != STATE_STARTING)
		l->before = f->state;
	if (l->before == STATE_PAUSED)
		l->before = STATE_READY;
	new_run(a, f, l, run);
	free(l->note);
	l->note = NULL;
	flag_set_state(a, f, STATE_STARTING);
	flag_mark(a, f, DIRTY_RUN);
	if (held && p->hold > 0) {
		TAILQ_INSERT_TAIL(&a->holding, l, holdings);
		l->held = true;
		agent_timer(a, &l->timer, now_boottime() + p->hold, on_state_timer, l);
	} else {
		agent_timer_off(&l->timer);
		press_go(a, l);
	}
}

/* The first of two presses asks; too quick a second one is a double click. */
static bool wants_second_press(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	struct live *l = press_live(a, f);
	uint64_t now = now_boottime();
	char words[64];

	if (!p->confirm)
		return false;
	if (f->state == STATE_CONFIRM) {
		if (now >= l->asked_at + CONFIRM_LEAST)
			return false;
		press_note(a, f, "That was too quick for a second thought: press it again.");
		return true;
	}
	l->before = f->state;
	l->asked_at = now;
	flag_set_state(a, f, STATE_CONFIRM);
	press_note(a, f, "Press it once more within %s to run it; otherwise nothing happens.",
		text_duration(words, sizeof(words), p->confirm));
	agent_timer(a, &l->timer, now + p->confirm, on_state_timer, l);
	return true;
}

static bool put_back(struct agent *a, struct flag *f, const char *why)
{
	press_note(a, f, "%s", why);
	log_info("%s/%s: put back: %s", board_object(a, flag_board(a, f)), flag_action_name(a, f),
		why);
	return false;
}

static bool pause_flag(struct agent *a, struct flag *f)
{
	const struct view_press *p = flag_press(a, f);
	char words[64];

	flag_set_state(a, f, STATE_PAUSED);
	press_arm(a, f);
	text_duration(words, sizeof(words), p->start_limit_interval);
	press_note(a, f,
		"It ran %u times within %s: something is pressing it in a loop.  It is paused for "
		"%s.",
		p->start_limit_burst, words, words);
	log_warning("%s/%s: paused: %u runs within %s", board_object(a, flag_board(a, f)),
		flag_action_name(a, f), p->start_limit_burst, words);
	return false;
}

/* What a gesture on F means now.  RUN is taken over if it becomes a run: true. */
static bool take(struct agent *a, struct flag *f, struct run *run)
{
	const struct view_press *p = flag_press(a, f);
	enum meaning m = meaning_of[f->state];
	const char *why;

	if (m == MEANS_CALL_OFF) {
		press_call_off(a, f->live, "It was pressed again before it began: called off.");
		return false;
	}
	if (m == MEANS_RUNNING) {
		if (p->cancel_by_press)
			return press_cancel(a, f), false;
		return put_back(a, f, "It runs already.");
	}
	if (m == MEANS_NOTHING && f->state == STATE_PAUSED && !over_start_limit(a, f))
		m = MEANS_PRESS;
	if (m == MEANS_NOTHING)
		return put_back(a, f,
			f->state == STATE_PAUSED ? "It is paused." : "It cannot be pressed now.");
	why = press_refusal(a, f);
	if (why) {
		struct live *by = press_blocker(a, f);
		if (by)
			say_blocker(a, f, by, "It was put back: ");
		else
			put_back(a, f, why);
		return false;
	}
	if (p->hold > 0 && part_of_mass(a, f, p->hold, now_boottime())) {
		char text[512];
		snprintf(text, sizeof(text), mass_text, board_object(a, flag_board(a, f)),
			"several buttons");
		return put_back(a, f, text);
	}
	if (over_start_limit(a, f))
		return pause_flag(a, f);
	if (wants_second_press(a, f))
		return false;
	accept(a, f, run, true);
	return true;
}

static bool triggers(const struct agent *a, const struct flag *f, enum trigger t)
{
	return flag_press(a, f)->triggers & TRIGGER_BIT(t);
}

void press_deleted(struct agent *a, struct flag *f, const char *published)
{
	struct run run = {.token = f->token, .trigger = TRIGGER_DELETE};
	_cleanup_close_ int old = f->fd < 0 ? -1 : fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
	struct live *l;

	log_debug("%s/%s: %s was deleted", board_object(a, flag_board(a, f)),
		flag_action_name(a, f), published);
	if (!triggers(a, f, TRIGGER_DELETE)) {
		put_back(a, f, "Deleting it is not how it is pressed here.");
	} else if (take(a, f, &run)) {
		l = f->live;
		if (f->state == STATE_STARTING) {
			l->pressed_name = strdup(published);
			l->pressed_fd = steal_fd(&old);
		}
	}
	run_done(&run);
	flag_gone(a, f);
}

static void owner_of(const struct file_info *info, struct run *run)
{
	char buf[1024];
	struct passwd pw, *found = NULL;

	if (info->uid == getuid() || getpwuid_r(info->uid, &pw, buf, sizeof(buf), &found) != 0 ||
		!found)
		return;
	run->user = strdup(found->pw_name);
	run->certainty = run->user ? CERTAINTY_OWNER : CERTAINTY_UNKNOWN;
}

void press_moved(struct agent *a, struct flag *f, int run_fd, const char *entry,
	const struct file_info *info, bool own)
{
	struct base *base = board_base(a, flag_board(a, f));
	struct run run = {.token = own ? f->token : token_new(), .trigger = TRIGGER_MOVE};
	char hex[TOKEN_HEX + 1];

	token_hex(&run.token, hex);
	if (renameat2(run_fd, entry, base->staging_fd, hex, RENAME_NOREPLACE) < 0) {
		if (errno != ENOENT)
			log_warning("%s: %s in its Run folder cannot be taken: %s",
				board_object(a, flag_board(a, f)), entry, strerror(errno));
		return;
	}
	if (!own)
		owner_of(info, &run);
	log_debug("%s/%s: %s was put into its Run folder", run.object ? run.object : "",
		flag_action_name(a, f), entry);
	bool taken = false;
	if (triggers(a, f, TRIGGER_MOVE))
		taken = take(a, f, &run);
	else
		put_back(a, f, "Moving it is not how it is pressed here.");
	if (taken)
		f->live->taken = true;
	else
		(void)unlinkat(base->staging_fd, hex, 0);
	run_done(&run);
	if (own)
		flag_gone(a, f);
}

bool press_request(
	struct agent *a, struct flag *f, struct run *run, bool hold, const char **ret_why)
{
	enum meaning m = meaning_of[f->state];
	const char *why = press_refusal(a, f);

	if (m == MEANS_CALL_OFF || m == MEANS_RUNNING)
		why = "It runs, or is about to.";
	else if (!why && over_start_limit(a, f))
		why = "It is paused: it ran too often.";
	if (why) {
		if (ret_why)
			*ret_why = why;
		return false;
	}
	accept(a, f, run, hold);
	return true;
}

bool press_cancel(struct agent *a, struct flag *f)
{
	struct live *l = f->live;

	if (!l)
		return false;
	if (f->state == STATE_STARTING || f->state == STATE_WAITING) {
		if (l->active)
			return runs_cancel(a, l);
		press_call_off(a, l, "Called off.");
		return true;
	}
	return f->state == STATE_RUNNING && runs_cancel(a, l);
}

/* --- on its way --- */

static void queue(struct agent *a, struct live *l)
{
	TAILQ_INSERT_TAIL(&a->waiting, l, waitings);
	l->waits = true;
	l->run.state = STATE_WAITING;
	flag_mark(a, l->flag, DIRTY_RUN);
	flag_set_state(a, l->flag, STATE_WAITING);
}

void press_go(struct agent *a, struct live *l)
{
	struct flag *f = l->flag;
	struct live *by = press_blocker(a, f);

	leave_hold(l);
	if (by && flag_press(a, f)->when_busy == WHEN_BUSY_BLOCK) {
		char why[512];
		snprintf(why, sizeof(why), "It was put back: %s of %s runs.", by->run.action,
			by->run.object);
		press_call_off(a, l, why);
		return;
	}
	if (by || !TAILQ_EMPTY(&a->waiting) || a->n_active >= a->view->h->max_runs) {
		queue(a, l);
		if (by)
			say_blocker(a, f, by, "It waits: ");
		else
			press_waiting(a);
		return;
	}
	runs_start(a, l);
}

void press_waiting(struct agent *a)
{
	struct live *next;

	for (struct live *l = TAILQ_FIRST(&a->waiting); l && a->n_active < a->view->h->max_runs;
		l = next) {
		next = TAILQ_NEXT(l, waitings);
		if (!l->flag || press_blocker(a, l->flag))
			continue;
		leave_waiting(l);
		runs_start(a, l);
	}
}
