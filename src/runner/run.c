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

#define NUDGE_USEC 50000 /* at most one byte into `alive`, and one status, in this time */
#define CHUNK      16384

struct run {
	struct run_fds fds;
	struct launch launch;
	struct spec *spec;
	int status, alive; /* the claim's files */
	int output_fd;
	int pipe[2];
	int sigchld;
	struct output output;
	struct progress progress;
	struct claim_status claim_status;
	struct claim_result end;
	uint64_t began, nudged; /* us, monotonic */
	bool dirty;             /* the status file is behind */
	pid_t main;
	bool main_over, all_over; /* the command has been reaped; there are no descendants left */
	bool stopping;            /* it was told to stop: then all of it counts */
	bool pipe_closed;         /* nobody holds the output pipe any more */
	char chunk[CHUNK];
	char message[SPEC_SIZE_MAX + 1] __attribute__((aligned(8)));
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
 * the clone, while nobody waits: it spares a press 50 us.
 */
static int rehearse(struct run *r)
{
	static const char *const argv[] = {"nothing", NULL};
	static const char *const env[] = {"PATH=/bin", NULL};
	const struct spec none = {
		.directory = "/", .argv = argv, .env = env, .bounding = UINT64_MAX};
	_cleanup_(buf_done) struct buf b = BUF_INIT(SPEC_SIZE_MAX);
	_cleanup_free_ struct spec *s = NULL;
	struct launch l = r->launch;
	int error = spec_encode(&b, &none);

	if (error < 0)
		return error;
	memcpy(r->message, b.data, b.len);
	error = spec_decode(r->message, b.len, &s);
	if (error == 0)
		error = launch_prepare(&l, s);
	launch_release(&l);
	return error;
}

/* What can be made before there is a run. */
static int prepare(struct run *r, uint64_t bounding)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM};
	sigset_t set;
	int dir = r->fds.claim, error;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -errno;
	r->sigchld = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r->status = openat(dir, CLAIM_STATUS, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	r->output_fd = openat(dir, CLAIM_OUTPUT, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	/* The executor holds the reading end. */
	r->alive = openat(dir, CLAIM_ALIVE, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (r->sigchld < 0 || r->status < 0 || r->output_fd < 0 || r->alive < 0 ||
		pipe2(r->pipe, O_CLOEXEC) < 0)
		return -errno;
	error = launch_init(&r->launch, bounding);
	r->launch.output = r->pipe[1];
	r->launch.status = r->status;
	r->progress.percent = UINT32_MAX;
	if (error == 0)
		error = rehearse(r);
	return error;
}

/* Blocks until there is a specification: 1, or there will be none: 0, or -errno. */
static int receive(struct run *r)
{
	int fds[SPEC_FDS_MAX], error;
	size_t size, n, at = 0;

	error = spec_receive(r->fds.socket, r->message, &size, fds, &n);
	if (error < 0 || size == 0)
		return error;
	error = spec_decode(r->message, size, &r->spec);
	if (error < 0)
		return error;
	if (r->spec->flags & SPEC_CGROUP && at < n)
		r->launch.cgroup = fds[at++];
	if (r->spec->flags & SPEC_SCRIPT && at < n)
		r->launch.script = fds[at++];
	return at == n ? 1 : -EBADMSG;
}

static void close_all(int **fds)
{
	for (; *fds; fds++) {
		close_fd(**fds);
		**fds = -1;
	}
}

/* The command starts here: what stands before launch() in this function is what it waits for. */
static void start(struct run *r)
{
	struct launch_failure *f = r->launch.failure;
	int error;

	r->began = usec(CLOCK_MONOTONIC);
	r->end.end.started = (int64_t)usec(CLOCK_REALTIME);
	error = launch_prepare(&r->launch, r->spec);
	r->main = error ? error : launch(&r->launch);
	if (r->main < 0) {
		f->status = f->status ? f->status : 203;
		f->error = -r->main;
		f->step = f->step ? f->step : "memory";
		r->main_over = r->all_over = true;
	}
	if (f->status) {
		r->end.end.kind = END_NOT_STARTED;
		r->end.end.code = f->status;
		r->end.end.error = f->error;
		r->end.end.started = 0;
		snprintf(r->end.end.where, sizeof(r->end.end.where), "%s", f->step);
	}
	close_all(
		(int *[]){&r->pipe[1], &r->launch.cgroup, &r->launch.script, &r->fds.socket, NULL});
	output_init(&r->output, r->output_fd, r->spec->output_limit);
	r->dirty = true;
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
		r->stopping = faccessat(r->fds.claim, CLAIM_STOP, F_OK, 0) == 0;
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
	(void)claim_status_write(r->status, s); /* full disk: the result comes all the same */
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
	if (write(r->alive, "", 1) == 1 || errno == EAGAIN || errno == EPIPE)
		r->nudged = now;
	return -1;
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
		if (poll(p, N, timeout) < 0 && errno != EINTR)
			break;
		if (p[OUTPUT].revents)
			take_output(r, CHUNK);
		if (p[NOTIFY].revents & POLLIN &&
			progress_receive(&r->progress, r->fds.notify, r->spec->uid, r->main))
			r->dirty = true;
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
	progress_receive(&r->progress, r->fds.notify, r->spec->uid, r->main);
	write_status(r);
	r->end.version = CLAIM_VERSION;
	if (r->end.end.ended == 0)
		r->end.end.ended = (int64_t)usec(CLOCK_REALTIME);
	r->end.token = r->spec->token;
	if (pwrite(r->status, &r->end, sizeof(r->end), CLAIM_RESULT_AT) < 0 ||
		fdatasync(r->status) < 0)
		dprintf(STDERR_FILENO, "flagman-runner: result: %s\n", strerror(errno));
	close_all((int *[]){&r->status, &r->output_fd, &r->fds.notify, NULL});
	close_all((int *[]){&r->alive, NULL});
	close_all((int *[]){&r->fds.claim, NULL});
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

int run_main(const struct run_fds *fds, uint64_t bounding)
{
	static struct run r;
	int error;

	r.fds = *fds;
	error = prepare(&r, bounding);
	if (!error)
		error = receive(&r);
	if (error <= 0) {
		if (error < 0)
			dprintf(STDERR_FILENO, "flagman-runner: %s\n", strerror(-error));
		return error < 0;
	}
	start(&r);
	fcntl(r.pipe[0], F_SETFL, O_NONBLOCK);
	watch(&r);
	finish(&r);
	linger(&r);
	return 0;
}
