/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's process and the channel to it. */
#include "executor/agent.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "executor/executor.h"
#include "executor/make_view.h"
#include "executor/priority.h"
#include "executor/spawn.h"
#include "executor/withdraw.h"
#include "wire/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#define QUIT_USEC      (2 * USEC_PER_SEC)
#define YOUNG_USEC     (10 * USEC_PER_SEC) /* who dies younger is started with a pause */
#define PAUSE_MIN_USEC (USEC_PER_SEC / 10)
#define PAUSE_MAX_USEC (30 * USEC_PER_SEC)
#define RESTARTED_USEC (5 * USEC_PER_SEC) /* EXEC_CLAIMS_END: absent flags are presses */

/* It broke the contract, or hangs. */
static void kill_agent(struct executor *x)
{
	if (x->agent.pid > 0)
		(void)kill(x->agent.pid, SIGKILL);
}

static void lose_channel(struct executor *x)
{
	x->agent.channel = channel_free(x->agent.channel);
}

static void arm(struct executor *x, uint64_t usec, sd_event_time_handler_t handler)
{
	int r;

	x->agent.timer = sd_event_source_disable_unref(x->agent.timer);
	r = sd_event_add_time_relative(
		x->event, &x->agent.timer, CLOCK_MONOTONIC, usec, 0, handler, x);
	if (r >= 0)
		r = sd_event_source_set_priority(x->agent.timer, PRIORITY_MUST);
	if (r < 0)
		log_fatal(1, "no timer for the agent: %s", strerror(-r));
}

static int on_quit_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	(void)s;
	(void)usec;
	log_warning("the agent did not end when asked: killing it");
	kill_agent(userdata);
	return 0;
}

static void on_message(struct channel *c, const struct wire_header *m, int *fds, size_t n_fds,
	int error, void *userdata)
{
	struct executor *x = userdata;

	(void)c;
	if (m) {
		handle_request(x, m, fds, n_fds);
		chores_insist(x);
		return;
	}
	lose_channel(x);
	if (error < 0) {
		log_error("the agent broke the contract (%s): killing it", strerror(-error));
		kill_agent(x);
	} else if (!x->agent.quitting) {
		arm(x, QUIT_USEC, on_quit_timer); /* it has closed its end: it should be gone */
	}
}

void agent_send(struct executor *x, void *message, size_t size, const int *fds, size_t n_fds)
{
	int r;

	if (!x->agent.channel)
		return;
	r = channel_send(x->agent.channel, message, size, fds, n_fds);
	if (n_fds > 0 && (r == -EMFILE || r == -ETOOMANYREFS)) /* most messages may come without */
		r = channel_send(x->agent.channel, message, size, NULL, 0);
	if (r < 0 && r != -EPIPE) { /* its end comes by the channel */
		log_error("can't send to the agent: %s", strerror(-r));
		lose_channel(x);
		kill_agent(x);
	}
}

static int on_start_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct executor *x = userdata;

	(void)s;
	(void)usec;
	x->agent.timer = sd_event_source_disable_unref(x->agent.timer);
	(void)agent_start(x);
	return 0;
}

void agent_quit(struct executor *x)
{
	struct exec_generation m = {.header.type = EXEC_QUIT};

	if (x->agent.pid <= 0 || x->agent.quitting)
		return;
	x->agent.quitting = true;
	m.generation = x->generations ? x->generations->number : 0;
	agent_send(x, &m, sizeof(m), NULL, 0);
	arm(x, QUIT_USEC, on_quit_timer);
}

/* --- what it is told at its start --- */

static void announce_claim(const struct token *token, void *userdata)
{
	struct executor *x = userdata;
	_cleanup_close_ int file = claim_open(&x->places.claims, token);
	struct exec_claim m = {.header.type = EXEC_CLAIM, .token = *token};
	struct claim_fds fds = CLAIM_FDS_NONE;
	const struct run *run = runs_find(&x->runs, token);

	if (file < 0)
		return;
	if (run) {
		m.state = CLAIM_RUNNING;
		m.run = run->plan.run;
	} else {
		m.state = claim_end(&x->runs, token, file, &m.end, &m.run);
	}
	(void)claim_open_fds(&x->places.claims, token, run ? run->plan.id : "", &fds);
	agent_send(x, &m, sizeof(m), (int[]){fds.file, fds.alive},
		(size_t)(fds.file >= 0) + (size_t)(fds.alive >= 0));
	claim_close_fds(&fds);
}

static void send_view(struct executor *x)
{
	struct exec_config m = {.header.type = EXEC_CONFIG, .generation = x->generations->number};
	int fd = make_view(x->generations, &x->id);

	if (fd < 0) {
		log_error("can't make the agent's view: %s", strerror(-fd));
		return;
	}
	agent_send(x, &m, sizeof(m), &fd, 1);
	close_fd(fd);
}

static void announce(struct executor *x)
{
	struct exec_claims_end m = {.header.type = EXEC_CLAIMS_END};

	/* This agent knows no other generation. */
	while (x->generations->older) {
		struct generation *old = x->generations->older;
		x->generations->older = old->older;
		(void)generation_free(old);
	}
	/* Flags that an agent which died had taken away by itself are no presses. */
	m.agent_restarted = !x->withdrawing && x->agent.ended &&
			    now_monotonic() - x->agent.ended < RESTARTED_USEC;
	send_view(x);
	(void)claims_each(&x->places.claims, announce_claim, x);
	agent_send(x, &m, sizeof(m), NULL, 0);
}

/* --- its rights --- */

/* FORMER: with those that it is to leave once it has adopted G. */
static char *list_bases(const struct generation *g, bool former)
{
	struct buf b = BUF_INIT(64 * 1024 * 1024);

	for (uint32_t i = 0; i < g->n_bases; i++)
		buf_addf(&b, "%s\n", g->bases[i].path);
	for (uint32_t i = 0; former && i < g->n_former; i++)
		buf_addf(&b, "%s\n", g->former[i].path);
	if (b.error || (!b.data && buf_adds(&b, "") < 0))
		buf_done(&b);
	return b.data;
}

static int note_rights(struct agent *a, const struct generation *g)
{
	char *bases = list_bases(g, true);
	gid_t *groups;
	size_t n;

	if (!bases || generation_groups(g, true, &groups, &n) < 0) {
		free(bases);
		return -ENOMEM;
	}
	free(a->bases);
	free(a->groups);
	a->bases = bases;
	a->groups = groups;
	a->n_groups = n;
	return 0;
}

static bool has_group(const gid_t *groups, size_t n, gid_t gid)
{
	for (size_t i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* Both are lists of lines. */
static bool has_line(const char *lines, const char *line, size_t len)
{
	for (; *lines; lines += strcspn(lines, "\n") + 1)
		if (strcspn(lines, "\n") == len && !strncmp(lines, line, len))
			return true;
	return false;
}

static bool lines_within(const char *some, const char *all)
{
	for (; *some; some += strcspn(some, "\n") + 1)
		if (!has_line(all, some, strcspn(some, "\n")))
			return false;
	return true;
}

bool agent_has_base(const struct agent *a, const char *path)
{
	return a->bases && has_line(a->bases, path, strlen(path));
}

static bool groups_within(const gid_t *some, size_t n_some, const gid_t *all, size_t n_all)
{
	for (size_t i = 0; i < n_some; i++)
		if (!has_group(all, n_all, some[i]))
			return false;
	return true;
}

/* What generation G needs against what the agent has. */
enum fit {
	FIT_EXACT,
	FIT_MORE,  /* it needs more, and everything that the agent has */
	FIT_OTHER, /* some of what the agent has is no longer needed */
};

static enum fit compare_rights(const struct agent *a, const struct generation *g)
{
	_cleanup_free_ char *lasting = list_bases(g, false), *all = list_bases(g, true);
	_cleanup_free_ gid_t *lasting_groups = NULL, *all_groups = NULL;
	size_t n_lasting, n_all;

	if (!lasting || !all || !a->bases ||
		generation_groups(g, false, &lasting_groups, &n_lasting) < 0 ||
		generation_groups(g, true, &all_groups, &n_all) < 0)
		return FIT_MORE;
	if (!lines_within(a->bases, lasting) ||
		!groups_within(a->groups, a->n_groups, lasting_groups, n_lasting))
		return FIT_OTHER;
	return lines_within(all, a->bases) &&
			       groups_within(all_groups, n_all, a->groups, a->n_groups)
		       ? FIT_EXACT
		       : FIT_MORE;
}

/* --- its life --- */

static pid_t spawn(struct executor *x, int socket)
{
	const char *const argv[] = {"flagman-agent", "--state-dir", x->places.agent_path, NULL};
	const struct helper h = {
		.argv = argv,
		.fds = (int[]){socket, x->places.control, x->places.agent},
		.n_fds = 3,
		.id = &x->id,
		.groups = x->agent.groups,
		.n_groups = x->agent.n_groups,
		.death_signal = SIGKILL,
	};

	return spawn_helper(&h);
}

static int start_once(struct executor *x)
{
	_cleanup_close_ int theirs = -1;
	struct agent *a = &x->agent;
	int pair[2], r;

	r = note_rights(a, x->generations);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	theirs = pair[1];
	r = channel_new(
		x->event, pair[0], exec_from_agent, EXEC_TYPE_MAX_, on_message, x, &a->channel);
	if (r < 0) {
		close_fd(pair[0]);
		return r;
	}
	(void)channel_set_priority(a->channel, PRIORITY_REQUEST);
	r = spawn(x, theirs);
	if (r < 0) {
		lose_channel(x);
		return r;
	}
	a->pid = r;
	a->began = now_monotonic();
	a->quitting = false;
	a->outdated = x->generations->n_former ? x->generations->number : 0;
	return 0;
}

static void start_later(struct executor *x)
{
	struct agent *a = &x->agent;

	a->pause = a->pause == 0 ? PAUSE_MIN_USEC : 2 * a->pause;
	if (a->pause > PAUSE_MAX_USEC)
		a->pause = PAUSE_MAX_USEC;
	arm(x, a->pause, on_start_timer);
}

int agent_start(struct executor *x)
{
	int r = start_once(x);

	if (r < 0) {
		log_error("can't start the agent: %s", strerror(-r));
		start_later(x);
		return r;
	}
	announce(x);
	follower_configure(x);
	return 0;
}

static int on_adoption_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct executor *x = userdata;

	(void)s;
	(void)usec;
	log_warning("the agent has not taken over the configuration: ending it");
	agent_quit(x);
	return 0;
}

/* What was removed must be cleared up by an agent that may still go there: it gets the new view,
 * and ends when it has adopted that.  It is not asked for its leave: rights that it should not have
 * any more it has for GENERATION_KEPT at most. */
void agent_configure(struct executor *x)
{
	enum fit fit;

	if (!x->agent.channel)
		return; /* the next one gets it at its start */
	fit = compare_rights(&x->agent, x->generations);
	if (fit == FIT_MORE)
		agent_quit(x);
	else
		send_view(x);
	x->agent.outdated = fit == FIT_OTHER ? x->generations->number : 0;
	if (!x->agent.timer) /* since the first that it has not adopted, or it asks for more */
		arm(x, GENERATION_KEPT, on_adoption_timer);
}

void agent_adopted(struct executor *x, uint64_t generation)
{
	if (x->agent.quitting)
		return;
	if (generation == x->generations->number)
		x->agent.timer = sd_event_source_disable_unref(x->agent.timer);
	if (x->agent.outdated && generation >= x->agent.outdated)
		agent_quit(x);
}

bool agent_reap(struct executor *x, pid_t pid, int status)
{
	struct agent *a = &x->agent;
	bool asked = a->quitting;

	if (pid != a->pid || pid <= 0)
		return false;
	a->pid = 0;
	a->quitting = false;
	a->ended = now_monotonic();
	a->timer = sd_event_source_disable_unref(a->timer);
	lose_channel(x);
	watchers_end_all(&x->watchers);
	names_forget(x);
	follower_end(x);
	if (x->stopping)
		return true;
	if (WIFSIGNALED(status))
		log_warning("the agent was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0 || !asked)
		log_warning("the agent ended with status %d", WEXITSTATUS(status));
	if (x->withdrawing)
		withdraw_agent_ended(x);
	if (a->ended - a->began < YOUNG_USEC && !(asked && status == 0)) {
		start_later(x);
		return true;
	}
	a->pause = 0;
	(void)agent_start(x);
	return true;
}

void agent_close(struct executor *x)
{
	struct agent *a = &x->agent;

	lose_channel(x);
	kill_agent(x);
	a->timer = sd_event_source_disable_unref(a->timer);
	free(a->groups);
	free(a->bases);
	a->groups = NULL;
	a->bases = NULL;
}

void executor_stop(struct executor *x)
{
	if (x->stopping)
		return;
	x->stopping = true;
	(void)sd_notify(0, "STOPPING=1");
	log_info("stopping; runs are left alone");
	if (x->agent.pid > 0)
		agent_quit(x); /* the loop ends with it */
	else
		(void)sd_event_exit(x->event, 0);
}
