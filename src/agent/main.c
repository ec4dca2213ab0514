/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman-agent: decides.  Names, states, presses, custody, history.
 *
 * SECURITY
 *	Runs as its own user with no capabilities; flagmand(8) starts it.  It reads what strangers
 *	write: file names, owners, payloads, messages on the control socket.  It can do nothing with
 *	privilege but ask: "start action 7 of generation 3 for this token".  Its first act is to
 *	learn where it may go, its second to build walls around that (agent/walls.h); only then does
 *	it read anything but the executor's word, its own data base not excepted.
 *
 * DESCRIPTORS
 *	3	the executor	(wire/exec.h)
 *	4	the control socket, listening	(wire/control.h)
 *	5	its state directory
 *
 * EXIT STATUS
 *	0 told to quit, or the executor is gone; 71 the system failed; 74 the data base; 75 another
 *	agent runs and can't be waited for; 134 a broken contract.
 */
#include "agent/adopt.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/board.h"
#include "agent/control.h"
#include "agent/custody.h"
#include "agent/discs.h"
#include "agent/flag.h"
#include "agent/names.h"
#include "agent/press.h"
#include "agent/reload.h"
#include "agent/runs.h"
#include "agent/walls.h"
#include "agent/watch.h"
#include "common/confine.h"
#include "common/fd.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#define EXECUTOR_FD 3
#define CONTROL_FD  4
#define STATE_FD    5

static struct view *map_view(const struct exec_config *m, int fd)
{
	struct view *v;
	int r = view_map(fd, &v);

	if (r < 0)
		log_panic("the configuration cannot be read: %s", strerror(-r));
	if (v->h->generation != m->generation)
		log_panic("the configuration is of another generation than it says");
	return v;
}

static void on_config(struct agent *a, const struct exec_config *m, int fd)
{
	struct view *v = map_view(m, fd);

	if (!a->started) { /* changed while we started: after that */
		view_unmap(a->next_view);
		a->next_view = v;
		a->next_generation = m->generation;
		return;
	}
	reload_view(a, v, m->generation);
}

static void on_claims_end(struct agent *a, const struct exec_claims_end *m)
{
	if (a->claims_done)
		log_panic("the claims end where they may not");
	a->claims_done = true;
	a->restarted = m->agent_restarted;
	watch_change(a);
}

static void quit(struct agent *a)
{
	runs_settle(a);
	(void)sd_event_exit(a->event, 0);
}

static void on_executor(struct channel *c, const struct wire_header *h, int *fds, size_t n_fds,
	int error, void *userdata)
{
	struct agent *a = userdata;

	(void)c;
	if (!h) {
		if (error)
			log_panic("the executor broke the protocol: %s", strerror(-error));
		(void)sd_event_exit(a->event, 0);
		return;
	}
	switch (h->type) {
	case EXEC_CONFIG:
		on_config(a, (const struct exec_config *)h, fds[0]);
		break;
	case EXEC_CLAIM:
		if (a->claims_done)
			log_panic("a claim is listed after their end");
		adopt_claim(a, (const struct exec_claim *)h, fds, n_fds);
		break;
	case EXEC_CLAIMS_END:
		on_claims_end(a, (const struct exec_claims_end *)h);
		break;
	case EXEC_STARTED:
		runs_started(a, (const struct exec_started *)h, fds, n_fds);
		break;
	case EXEC_ENDED:
		if (!adopt_claim_ended(a, (const struct exec_ended *)h))
			runs_ended(a, (const struct exec_ended *)h);
		break;
	case EXEC_OWNED:
		flag_own_answer(a, (const struct exec_result *)h);
		break;
	case EXEC_TAKEN:
		custody_taken(a, (const struct exec_result *)h);
		break;
	case EXEC_MENDED:
		board_mended(a, (const struct exec_result *)h);
		break;
	case EXEC_RELOADED:
		control_reloaded(a, (const struct exec_reloaded *)h);
		break;
	case EXEC_NAMED:
		names_answer(a, (const struct exec_named *)h);
		break;
	case EXEC_AUDIT:
		if (n_fds) /* else we are out of descriptors: nobody is named */
			audit_follow(a, steal_fd(&fds[0]));
		break;
	case EXEC_QUIT:
		quit(a);
		break;
	default:
		log_panic("the executor sent a message of type %u", h->type);
	}
}

/* After each event, when nothing else is pending. */
static int on_post(sd_event_source *s, void *userdata)
{
	struct agent *a = userdata;

	(void)s;
	if (a->started && a->next_view) {
		struct view *v = steal_ptr(&a->next_view);
		reload_view(a, v, a->next_generation);
	}
	return agent_after_event(a);
}

static void use_descriptors(struct agent *a)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_fatal(EX_OSERR, "RLIMIT_NOFILE: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_fatal(EX_OSERR, "RLIMIT_NOFILE: %s", strerror(errno));
	a->fd_limit = limit.rlim_cur;
}

/* The first message says where the flags are.  Whoever closes or quits instead is obeyed. */
static struct view *receive_view(void)
{
	union {
		struct exec_config m;
		char bytes[WIRE_MESSAGE_MAX];
	} in;
	int fds[WIRE_FDS_MAX], r;
	size_t size, n_fds;
	struct pollfd p = {.fd = EXECUTOR_FD, .events = POLLIN};

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			log_fatal(EX_OSERR, "poll: %s", strerror(errno));
	r = wire_receive(EXECUTOR_FD, exec_from_executor, EXEC_TYPE_MAX_, &in, sizeof(in), &size,
		fds, &n_fds);
	if (r < 0)
		log_panic("the executor broke the protocol: %s", strerror(-r));
	if (size == 0 || in.m.header.type == EXEC_QUIT)
		exit(0);
	if (in.m.header.type != EXEC_CONFIG)
		log_panic("the executor sent a message of type %u before the configuration",
			in.m.header.type);
	_cleanup_close_ int fd = fds[0];
	return map_view(&in.m, fd);
}

/* Two agents never overlap. */
static void lock_state(int dirfd, const char *state_dir)
{
	int fd = openat(dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		log_fatal(EX_CANTCREAT, "lock: %s", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return;
	/* the other one ends as soon as its executor's socket closes */
	log_warning("another agent runs in %s: waiting for its end", state_dir);
	if (flock(fd, LOCK_EX) < 0)
		log_fatal(EX_TEMPFAIL, "lock: %s", strerror(errno));
	/* leaks, but it is the lock */
}

static void open_store(struct agent *a)
{
	char path[PATH_MAX];
	bool damaged = false;
	int r;

	snprintf(path, sizeof(path), "%s/flagman.db", a->state_dir);
	r = store_open(path, &a->store, &damaged);
	if (r < 0)
		log_fatal(EX_IOERR, "%s: %s", path, store_error(NULL));
	if (damaged)
		log_error("%s was damaged: it was put aside, and the history begins anew", path);
	a->next_run = store_last_run_id(a->store) + 1;
	discs_publish(a);
}

static void agent_init(struct agent *a, int mounts)
{
	int r;

	a->dirty = a->dirty_tail = a->looks = a->looks_tail = VIEW_NONE;
	TAILQ_INIT(&a->holding);
	TAILQ_INIT(&a->active);
	TAILQ_INIT(&a->waiting);
	a->adoption = adopt_new();
	r = sd_event_default(&a->event);
	if (r >= 0)
		r = sd_event_add_post(a->event, &a->post, on_post, a);
	if (r >= 0)
		r = agent_flush_source(a);
	if (r >= 0)
		r = channel_new(a->event, EXECUTOR_FD, exec_from_executor, EXEC_TYPE_MAX_,
			on_executor, a, &a->executor);
	if (r >= 0)
		r = control_new(a, CONTROL_FD, &a->control);
	if (r >= 0)
		r = watch_new(a, &a->watch);
	if (r >= 0)
		r = board_watch_mounts(a, mounts);
	if (r < 0)
		log_fatal(EX_OSERR, "start: %s", strerror(-r));
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"state-dir", required_argument, NULL, 's'}, {0}};
	static struct agent agent;
	struct view *view;
	int c, r, mounts;

	log_init("flagmand", "agent");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 's')
			return EX_USAGE;
		agent.state_dir = optarg;
	}
	if (!agent.state_dir || optind != argc)
		log_fatal(EX_USAGE, "usage: flagman-agent --state-dir DIR (flagmand starts it)");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error, not a death */
	(void)umask(0077);
	r = confine_self();
	if (r < 0)
		log_fatal(EX_OSERR, "no-new-privileges: %s", strerror(-r));
	if (chdir("/") < 0)
		log_fatal(EX_OSERR, "/: %s", strerror(errno));
	for (int fd = EXECUTOR_FD; fd <= STATE_FD; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			log_fatal(EX_USAGE,
				"descriptor %d is missing: flagmand starts this program", fd);
	use_descriptors(&agent);
	mounts = board_open_mounts();
	view = receive_view();
	walls_build(view, STATE_FD);
	lock_state(STATE_FD, agent.state_dir);
	open_store(&agent);
	agent_init(&agent, mounts);
	reload_view(&agent, view, view->h->generation);
	r = sd_event_loop(agent.event);
	for (size_t i = 0; i <= agent.n_flags && agent.dirty != VIEW_NONE; i++)
		agent_flush(&agent);
	watch_free(agent.watch);
	control_free(agent.control);
	audit_free(agent.audit);
	store_close(agent.store);
	return r < 0 ? EX_OSERR : r;
}
