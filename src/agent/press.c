/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/press.h"

#include "agent/audit.h"
#include "agent/board.h"
#include "agent/control.h"
#include "agent/custody.h"
#include "agent/flag.h"
#include "agent/names.h"
#include "agent/press_rules.h"
#include "agent/runs.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
	if (f->live)
		return f->live;
	f->live = calloc(1, sizeof(*f->live));
	if (!f->live)
		log_fatal(71, "out of memory");
	*f->live = (struct live){
		.agent = a,
		.flag = f,
		.alive_fd = -1,
		.claim_fd = -1,
		.pressed_fd = -1,
		.percent = UINT32_MAX,
		.step = STEP_NONE,
	};
	return f->live;
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
	flag_mark(a, f, DIRTY_CONTENT | DIRTY_ROW | DIRTY_NEWS);
}

/* --- timers of states --- */

int press_on_timer(sd_event_source *s, uint64_t usec, void *userdata)
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
	agent_timer(a, &l->timer, now_boottime() + wait - (uint64_t)gone, press_on_timer, l);
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
	control_ended(a, l);
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

static void new_run(struct agent *a, struct flag *f, struct live *l, struct run *run)
{
	const struct board *b = flag_board(a, f);

	if (!run->id)
		run->id = a->next_run++;
	if (!run->pressed)
		run->pressed = now_realtime();
	if (!run->object) {
		run->object = strdup(board_object(a, b));
		run->group = strdup(board_group(a, b));
		run->action = strdup(flag_action_name(a, f));
	}
	if (!run->object || !run->group || !run->action)
		log_fatal(71, "out of memory");
	run->state = STATE_STARTING;
	run->cause = CAUSE_NONE;
	if (l->kept_payload)
		custody_again(a, l, run);
	run_done(&l->run);
	l->run = *run;
	*run = (struct run){0};
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
	l->waits_for_name = false;
	free(l->note);
	l->note = NULL;
	flag_set_state(a, f, STATE_STARTING);
	flag_mark(a, f, DIRTY_RUN);
	if (held && p->hold > 0) {
		TAILQ_INSERT_TAIL(&a->holding, l, holdings);
		l->held = true;
		agent_timer(a, &l->timer, now_boottime() + p->hold, press_on_timer, l);
	} else {
		agent_timer_off(&l->timer);
		press_go(a, l);
	}
}

static bool put_back(struct agent *a, struct flag *f, const char *why)
{
	press_note(a, f, "%s", why);
	log_info("%s/%s: put back: %s", board_object(a, flag_board(a, f)), flag_action_name(a, f),
		why);
	return false;
}

/* Its command is made for a file, and there is none: nothing was dropped, or that is over. */
static bool lacks_payload(const struct agent *a, const struct flag *f)
{
	return flag_action(a, f)->drop != VIEW_NONE && !(f->live && f->live->kept_payload);
}

/* What a gesture on F means now.  RUN is taken over if it becomes a run: true. */
static bool take(struct agent *a, struct flag *f, struct run *run)
{
	const struct view_press *p = flag_press(a, f);
	enum meaning m = meaning_of[f->state];
	const char *why;
	char mass[512];

	if (m == MEANS_CALL_OFF) {
		press_call_off(a, f->live, "It was pressed again before it began: called off.");
		return false;
	}
	if (m == MEANS_RUNNING) {
		if (p->cancel_by_press)
			return press_cancel(a, f), false;
		return put_back(a, f, "It runs already.");
	}
	if (lacks_payload(a, f))
		return put_back(a, f, "It takes a file: put one into its folder.");
	if (m == MEANS_NOTHING && f->state == STATE_PAUSED && !press_over_limit(a, f))
		m = MEANS_PRESS;
	if (m == MEANS_NOTHING)
		return put_back(a, f,
			f->state == STATE_PAUSED ? "It is paused." : "It cannot be pressed now.");
	why = press_refusal(a, f);
	if (why) {
		struct live *by = press_blocker(a, f);
		if (by)
			press_say_blocker(a, f, by, "It was put back: ");
		else
			put_back(a, f, why);
		return false;
	}
	if (p->hold > 0 && press_is_mass(a, f, p->hold, mass, sizeof(mass)))
		return put_back(a, f, mass);
	if (press_over_limit(a, f))
		return press_pause(a, f), false;
	if (press_wants_second(a, f))
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
	_cleanup_close_ int old =
		f->fd < 0 || !flag_press(a, f)->hold ? -1 : fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
	bool named = audit_name(a, f, published, &run), taken = false;

	log_debug("%s/%s: %s was deleted", board_object(a, flag_board(a, f)),
		flag_action_name(a, f), published);
	if (!triggers(a, f, TRIGGER_DELETE)) {
		put_back(a, f, "Deleting it is not how it is pressed here.");
	} else if (take(a, f, &run)) {
		taken = true;
		if (f->state == STATE_STARTING) {
			f->live->pressed_name = strdup(published);
			f->live->pressed_fd = steal_fd(&old);
		}
	}
	if (!named)
		audit_expect(a, f, published, TRIGGER_DELETE, taken ? f->live->run.id : 0);
	run_done(&run);
	flag_gone(a, f);
}

void press_moved(struct agent *a, struct flag *f, int run_fd, const char *entry,
	const struct file_info *info, bool own)
{
	struct base *base = board_base(a, flag_board(a, f));
	struct run run = {.token = own ? f->token : token_new(), .trigger = TRIGGER_MOVE};
	char hex[TOKEN_HEX + 1], staged[sizeof(COPY_PREFIX) + TOKEN_HEX];
	char published[FLAG_NAME_MAX];

	snprintf(
		staged, sizeof(staged), "%s%s", own ? "" : COPY_PREFIX, token_hex(&run.token, hex));
	if (renameat2(run_fd, entry, base->staging_fd, staged, RENAME_NOREPLACE) < 0) {
		if (errno != ENOENT)
			log_warning("%s: %s in its Run folder cannot be taken: %s",
				board_object(a, flag_board(a, f)), entry, strerror(errno));
		return;
	}
	if (!own && info->uid != getuid()) {
		run.uid = info->uid;
		run.nameless = true;
		run.certainty = CERTAINTY_OWNER;
		(void)names_fill(a, &run);
	}
	flag_shown_name(a, f, published);
	bool named = !own || audit_name(a, f, published, &run);
	log_debug("%s/%s: %s was put into its Run folder", run.object ? run.object : "",
		flag_action_name(a, f), entry);
	bool taken = false;
	if (flag_board(a, f)->recheck)
		put_back(a, f, "It was put there while its directory was away: nothing was run.");
	else if (triggers(a, f, TRIGGER_MOVE))
		taken = take(a, f, &run);
	else
		put_back(a, f, "Moving it is not how it is pressed here.");
	if (taken && own) {
		f->live->taken = true;
	} else {
		if (taken && f->state != STATE_RUNNING)
			runs_make_known(a, f->live);
		(void)unlinkat(base->staging_fd, staged, 0);
	}
	if (!named)
		audit_expect(a, f, published, TRIGGER_MOVE, taken ? f->live->run.id : 0);
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
	else if (!why && press_over_limit(a, f))
		why = "It is paused: it ran too often.";
	if (why) {
		if (ret_why)
			*ret_why = why;
		return false;
	}
	accept(a, f, run, hold);
	return true;
}

void press_first(struct agent *a, struct flag *f)
{
	const char *why = press_refusal(a, f);

	if (why)
		put_back(a, f, why);
	else if (press_over_limit(a, f))
		press_pause(a, f);
	else
		(void)press_wants_second(a, f);
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
	if (!names_fill(a, &l->run)) {
		l->waits_for_name = true;
		return;
	}
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
			press_say_blocker(a, f, by, "It waits: ");
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
