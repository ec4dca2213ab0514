/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run, from a waiting runner to the command's end. */
#include "runner/run.h"

#include "common/fd.h"
#include "runner/launch.h"
#include "runner/output.h"
#include "runner/progress.h"
#include "wire/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NUDGE_USEC   50000 /* at most one byte into `alive`, and one status, in this time */
#define CHUNK        16384
#define RECORDS_LAST 16 /* that are still taken when the command has ended */

struct run {
	struct run_fds fds;
	struct launch launch;
	struct spec *spec;
	int pipe[2];
	int sigchld;
	struct output output;
	struct progress progress;
	struct claim_status claim_status;
	struct claim_result end;
	uint64_t began, nudged; /* us, monotonic */
	bool dirty;             /* the status file is behind */
	bool deaf;              /* a record could not be kept */
	pid_t main;
	bool main_over, all_over; /* the command has been reaped; there are no descendants left */
	bool stopping;            /* it was told to stop: then all of it counts */
	bool pipe_closed;         /* nobody holds the output pipe any more */
	int running;              /* hangs up when the command has been executed, or will not be */
	char chunk[CHUNK];
};

static uint64_t usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * A process that was just forked has to fetch every page of code and data that it uses, and the C
 * library prepares its heap at the first malloc(3).  So a run that is none goes the same way, up to
 * the child's system calls, while nobody waits: it spares a press 50 us.
 */
static int rehearse(const struct launch *launch)
{
	static const char *const argv[] = {"nothing", NULL};
	static const char *const env[] = {"PATH=/bin", NULL};
	const struct spec none = {
		.directory = "/", .context = "", .argv = argv, .env = env, .bounding = UINT64_MAX};
	_cleanup_(buf_done) struct buf b = BUF_INIT(SPEC_SIZE_MAX);
	_cleanup_free_ struct spec *s = NULL;
	struct launch l = *launch;
	int error = spec_encode(&b, &none);

	if (error < 0)
		return error;
	memcpy(l.shared->message, b.data, b.len);
	error = spec_decode(l.shared->message, b.len, &s);
	if (error == 0)
		error = launch_prepare(&l, s);
	launch_release(&l);
	return error;
}

static void close_all(int **fds)
{
	for (; *fds; fds++) {
		close_fd(**fds);
		**fds = -1;
	}
}

static int prepare_signals(struct run *r)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM};
	sigset_t set;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->sigchld = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->sigchld < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* What can be made before there is a run: all but the last steps of the command's process. */
static int prepare(struct run *r, uint64_t bounding, uint64_t ticks)
{
	struct launch *l = &r->launch;
	struct pollfd p = {.fd = r->fds.socket, .events = POLLIN};
	int error = prepare_signals(r), running[2];

	if (error < 0 || (error = launch_init(l, bounding, ticks)) < 0)
		return error;
	if (pipe2(r->pipe, O_CLOEXEC) < 0 || pipe2(running, O_CLOEXEC) < 0)
		return -errno;
	if (poll(&p, 1, 0) == 0) /* nobody waits yet */
		error = rehearse(l);
	if (error < 0)
		return error;
	l->socket = r->fds.socket;
	l->claim = r->fds.claim;
	l->cgroup = r->fds.cgroup;
	l->output = r->pipe[1];
	l->running = running[1];
	r->running = running[0];
	r->progress.percent = UINT32_MAX;
	r->main = launch(l);
	if (r->main > 0)
		close_all((int *[]){&r->fds.socket, NULL});
	close_all((int *[]){&r->pipe[1], &l->running, &r->fds.cgroup, NULL});
	return 0;
}

/* Where there is no child that could, the runner waits for what it will have to report. */
static void receive_in_vain(struct run *r)
{
	struct launch_shared *m = r->launch.shared;
	int fds[SPEC_FDS_MAX];
	size_t n = 0;

	if (spec_receive(r->fds.socket, m->message, &m->size, fds, &n) < 0)
		m->size = 0;
	while (n > 0)
		close(fds[--n]);
	close_all((int *[]){&r->fds.socket, NULL});
}

/* Until the command has been executed or will not be: 1, there will be no run: 0, or -errno. */
static int wait_for_run(struct run *r)
{
	const struct launch_shared *m = r->launch.shared;
	const struct launch_failure *f = &m->failure;
	struct pollfd p = {.fd = r->running};
	int error;

	if (r->main < 0)
		receive_in_vain(r);
	else
		while (poll(&p, 1, -1) < 0 && errno == EINTR)
			;
	close_all((int *[]){&r->running, NULL});
	if (m->size == 0)
		return 0;
	error = spec_decode(m->message, m->size, &r->spec);
	if (error < 0)
		return error;
	r->began = m->began;
	r->end.end.started = m->started;
	if (r->main < 0)
		r->main_over = r->all_over = true;
	if (f->status) {
		r->end.end.kind = END_NOT_STARTED;
		r->end.end.code = f->status;
		r->end.end.error = f->error;
		r->end.end.started = 0;
		snprintf(r->end.end.where, sizeof(r->end.end.where), "%s", f->step);
	}
	r->progress.takes_record = r->spec->flags & SPEC_DISC;
	output_init(&r->output, r->fds.claim, r->spec->output_limit);
	r->dirty = true;
	return 1;
}

static bool is_told_to_stop(const struct run *r)
{
	char reason = 0;

	return pread(r->fds.claim, &reason, 1, CLAIM_STOP_AT) == 1 && reason != 0;
}

static void reap(struct run *r)
{
	struct signalfd_siginfo drop[8];
	struct run_end *e = &r->end.end;
	int status;
	pid_t pid;

	while (read(r->sigchld, drop, sizeof(drop)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != r->main)
			continue;
		r->main_over = true;
		r->stopping = is_told_to_stop(r);
		e->ended = (int64_t)usec(CLOCK_REALTIME);
		e->lasted = usec(CLOCK_MONOTONIC) - r->began;
		if (e->kind)
			continue;
		e->kind = WIFSIGNALED(status) ? END_SIGNALED : END_EXITED;
		e->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	}
	r->all_over = pid < 0 && errno == ECHILD;
}

/* One read of at most MAX bytes. */
static size_t take_output(struct run *r, size_t max)
{
	ssize_t n = read(r->pipe[0], r->chunk, max < CHUNK ? max : CHUNK);

	if (n == 0)
		r->pipe_closed = true;
	if (n <= 0)
		return 0;
	output_add(&r->output, r->chunk, (size_t)n);
	r->dirty = true;
	return (size_t)n;
}

/* What was in the pipe when the command ended belongs to it; what comes later does not (something
 * that it left running might write for ever). */
static void take_rest(struct run *r)
{
	int left = 0;

	if (ioctl(r->pipe[0], FIONREAD, &left) < 0)
		return;
	while (left > 0) {
		size_t n = take_output(r, (size_t)left);
		if (n == 0)
			break;
		left -= (int)n;
	}
}

static void write_status(struct run *r)
{
	struct claim_status *s = &r->claim_status;

	s->version = CLAIM_VERSION;
	s->output_total = r->output.total;
	s->output_head = r->output.head;
	s->output_ring = r->output.ring;
	s->percent = r->progress.percent;
	if (r->output.error && !*r->progress.text)
		snprintf(s->text, sizeof(s->text), "output can't be kept: %s",
			strerror(r->output.error));
	else
		memcpy(s->text, r->progress.text, sizeof(s->text));
	(void)claim_status_write(r->fds.claim, s); /* full disk: the result comes all the same */
	r->dirty = false;
}

/* Tells whoever looks, at once if it was quiet, else when NUDGE_USEC have passed.  Returns how
 * long to wait for that in ms; -1: nothing to tell. */
static int nudge(struct run *r)
{
	uint64_t now;

	if (!r->dirty)
		return -1;
	now = usec(CLOCK_MONOTONIC);
	if (r->nudged && now - r->nudged < NUDGE_USEC)
		return (int)((r->nudged + NUDGE_USEC - now) / 1000 + 1);
	write_status(r);
	/* That nobody listens now, or has not looked yet at the bytes before, are both fine. */
	if (write(r->fds.alive, "", 1) == 1 || errno == EAGAIN || errno == EPIPE)
		r->nudged = now;
	return -1;
}

/* A record is durable before the next datagram is looked at, which may be a barrier: true, there
 * may be more.  One that can't be kept is the last that is heard of the command: its barrier stays
 * until it ends, or gives up waiting. */
static bool hear(struct run *r)
{
	*r->progress.record = '\0';
	r->dirty |= progress_receive(&r->progress, r->fds.notify, r->spec->uid, r->main);
	if (!*r->progress.record)
		return false;
	int error = claim_record_write(r->fds.claim, &r->spec->token, r->progress.record);
	if (error < 0)
		dprintf(STDERR_FILENO, "flagman-runner: record: %s\n", strerror(-error));
	r->deaf = error < 0;
	return true;
}

static bool is_over(const struct run *r)
{
	return r->main_over && (r->all_over || (r->spec->leftovers != SPEC_WAIT && !r->stopping));
}

static void watch(struct run *r)
{
	enum { OUTPUT, NOTIFY, CHILDREN, N };
	struct pollfd p[N] = {
		[OUTPUT] = {.fd = r->pipe[0], .events = POLLIN},
		[NOTIFY] = {.fd = r->fds.notify, .events = POLLIN},
		[CHILDREN] = {.fd = r->sigchld, .events = POLLIN},
	};

	while (!is_over(r)) {
		int timeout = nudge(r);
		p[OUTPUT].fd = r->pipe_closed ? -1 : r->pipe[0];
		if (r->deaf)
			p[NOTIFY].fd = -1;
		if (poll(p, N, timeout) < 0 && errno != EINTR)
			break;
		if (p[OUTPUT].revents)
			take_output(r, CHUNK);
		if (p[NOTIFY].revents & POLLIN)
			(void)hear(r);
		if (p[NOTIFY].revents & (POLLERR | POLLNVAL))
			p[NOTIFY].fd = -1;
		if (p[CHILDREN].revents)
			reap(r);
	}
}

/* The result is durable before `alive` hangs up. */
static void finish(struct run *r)
{
	take_rest(r);
	for (int i = 0; i < RECORDS_LAST && hear(r); i++)
		;
	write_status(r);
	r->end.version = CLAIM_VERSION;
	if (r->end.end.ended == 0)
		r->end.end.ended = (int64_t)usec(CLOCK_REALTIME);
	r->end.token = r->spec->token;
	bool written = pwrite(r->fds.claim, &r->end, sizeof(r->end), CLAIM_RESULT_AT) ==
		       (ssize_t)sizeof(r->end);
	if (!written || fdatasync(r->fds.claim) < 0)
		dprintf(STDERR_FILENO, "flagman-runner: result: %s\n", strerror(errno));
	close_all((int *[]){&r->fds.claim, &r->fds.notify, &r->fds.alive, NULL});
}

/*
 * Something was left running.  Its output goes nowhere, but it may write.  For SPEC_KILL the runner
 * stays until all of it is dead, because the executor finds it below the runner.
 */
static void linger(struct run *r)
{
	struct pollfd p[2] = {
		{.fd = r->pipe[0], .events = POLLIN},
		{.fd = r->sigchld, .events = POLLIN},
	};

	for (;;) {
		reap(r);
		while (!r->pipe_closed) {
			ssize_t n = read(r->pipe[0], r->chunk, CHUNK);
			if (n < 0)
				break;
			r->pipe_closed = n == 0;
		}
		if (r->all_over || (r->pipe_closed && r->spec->leftovers != SPEC_KILL))
			return;
		p[0].fd = r->pipe_closed ? -1 : r->pipe[0];
		(void)poll(p, 2, -1);
	}
}

int run_main(const struct run_fds *fds, uint64_t bounding, uint64_t ticks)
{
	static struct run r;
	int error;

	r.fds = *fds;
	error = prepare(&r, bounding, ticks);
	if (!error)
		error = wait_for_run(&r);
	if (error <= 0) {
		if (error < 0)
			dprintf(STDERR_FILENO, "flagman-runner: %s\n", strerror(-error));
		return error < 0;
	}
	fcntl(r.pipe[0], F_SETFL, O_NONBLOCK);
	watch(&r);
	finish(&r);
	linger(&r);
	return 0;
}
