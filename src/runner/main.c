/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAME
 *	flagman-runner - starts commands for flagmand(8) and reports their ends
 *
 * DESCRIPTION
 *	Started by flagmand with a socket on descriptor 3, this process is the nursery: it knows
 *	nothing, and forks a runner whenever flagmand asks for one.  (A fork of this small process
 *	costs a tenth of an exec of it, of which most is the C library's start.)  A runner waits for
 *	the specification of one run, starts the command and stays with it until its end, whatever
 *	dies meanwhile; see run.h.
 *
 * SECURITY
 *	Runs as root until the command does.  The nursery believes its socket: only flagmand holds
 *	the other end.  A runner reads two things from strangers, the command's output, which it
 *	copies, and its notifications (progress.h).  It opens nothing by name
 *	but its own /proc/thread-self/attr/exec.
 *
 * DIAGNOSTICS
 *	Exit status 0 when flagmand has gone, 1 when the nursery can't work, 64 for wrong use.
 */
#include "common/fd.h"
#include "runner/launch.h"
#include "runner/run.h"
#include "wire/spec.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

/* The bounding set.  What no run can need is dropped here once, for all runners. */
static uint64_t bounding;

static void read_bounding(void)
{
	for (unsigned c = 0; c < 64; c++)
		if (prctl(PR_CAPBSET_READ, c) == 1) /* an error where there is no such capability */
			bounding |= UINT64_C(1) << c;
}

static void narrow_bounding(uint64_t needed)
{
	for (unsigned c = 0; c < 64; c++)
		if (bounding & ~needed & UINT64_C(1) << c && prctl(PR_CAPBSET_DROP, c) == 0)
			bounding &= ~(UINT64_C(1) << c);
}

static void set_up_nursery(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN, .sa_flags = SA_NOCLDWAIT};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigaction(SIGCHLD, &ignore, NULL); /* runners need no burial */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "flagman-nursery");
	read_bounding();
	launch_look_at_apparmor();
	/* once, here, and not in each runner */
	(void)boot_id();
	free(malloc(1));
}

static int become_runner(const int *fds, size_t n, uint64_t ticks)
{
	struct run_fds r = {
		.socket = fds[0],
		.claim = fds[1],
		.notify = fds[2],
		.alive = fds[3],
		.cgroup = n > NURSERY_BIRTH_FDS ? fds[NURSERY_BIRTH_FDS] : -1,
	};

	close(RUNNER_SOCKET_FD);
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_NAME, "flagman-runner");
	return run_main(&r, bounding, ticks);
}

/* What a child of the nursery is for; returns its exit status. */
static int become(const struct nursery_message *m, const int *fds, size_t n, uint64_t ticks)
{
	if (m->request == NURSERY_BIRTH)
		return become_runner(fds, n, ticks);
	return fsync(fds[1]) == 0 && write(fds[0], "y", 1) == 1 ? 0 : 1;
}

static bool is_sound(const struct nursery_message *m, size_t size, size_t n_fds)
{
	return size == sizeof(*m) &&
	       ((m->request == NURSERY_BIRTH &&
			(n_fds == NURSERY_BIRTH_FDS || n_fds == NURSERY_BIRTH_FDS + 1)) ||
		       (m->request == NURSERY_SYNC && n_fds == NURSERY_SYNC_FDS));
}

/* Handles one request: 1 to go on, 0 at the end, -errno.  A child does not return from here: there
 * is nothing to be flushed, and exit(3) would touch a dozen pages for it. */
static int nursery_once(void)
{
	static char message[SPEC_SIZE_MAX + 1] __attribute__((aligned(8)));
	const struct nursery_message *m = (const void *)message;
	int fds[SPEC_FDS_MAX];
	size_t size = 0, n = 0;
	uint64_t ticks;
	pid_t pid;
	int r = spec_receive(RUNNER_SOCKET_FD, message, &size, fds, &n);

	if (r < 0 || size == 0)
		return r;
	if (!is_sound(m, size, n))
		return -EBADMSG;
	if (m->request == NURSERY_BIRTH)
		narrow_bounding(m->bounding);
	ticks = launch_ticks();
	pid = fork();
	if (pid == 0)
		_exit(become(m, fds, n, ticks));
	if (pid < 0) /* flagmand sees it by the end of the socket */
		fprintf(stderr, "flagman-runner: can't fork: %s\n", strerror(errno));
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return 1;
}

int main(int argc, char **argv)
{
	int type, r;
	socklen_t len = sizeof(type);

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("flagman-runner " FLAGMAN_VERSION);
		return 0;
	}
	if (argc != 1 || getsockopt(RUNNER_SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
		type != SOCK_SEQPACKET) {
		fputs("flagman-runner: is started by flagmand, not by hand\n", stderr);
		return EX_USAGE;
	}
	set_up_nursery();
	do
		r = nursery_once();
	while (r > 0);
	if (r < 0)
		fprintf(stderr, "flagman-runner: nursery: %s\n", strerror(-r));
	return r < 0;
}
