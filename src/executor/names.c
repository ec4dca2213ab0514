/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/names.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "executor/executor.h"
#include "executor/priority.h"
#include "executor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PATIENCE_USEC (5 * USEC_PER_SEC)

void names_open(struct names *n)
{
	*n = (struct names){.fd = -1};
}

static void stop(struct names *n)
{
	if (n->pid > 0)
		(void)kill(n->pid, SIGKILL);
	n->io = sd_event_source_disable_unref(n->io);
	n->timer = sd_event_source_disable_unref(n->timer);
	close_fd(n->fd);
	n->fd = -1;
	n->pid = 0;
	n->len = 0;
}

static void answer(struct executor *x, uint32_t uid, const char *name)
{
	struct exec_named m = {.header.type = EXEC_NAMED, .uid = uid};

	snprintf(m.name, sizeof(m.name), "%s", name);
	agent_send(x, &m, sizeof(m), NULL, 0);
}

static void look_up(struct executor *x);

/* What has come is the name.  One that is longer than a name may be is none. */
static void finish(struct executor *x, bool good)
{
	struct names *n = &x->names;
	uint32_t uid = n->asked[0];

	n->name[good && n->len < sizeof(n->name) ? n->len : 0] = '\0';
	stop(n);
	memmove(n->asked, n->asked + 1, --n->n * sizeof(n->asked[0]));
	answer(x, uid, n->name);
	if (n->n)
		look_up(x);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct executor *x = userdata;

	(void)s;
	(void)usec;
	log_warning("the name of uid %u could not be found within 5 s", x->names.asked[0]);
	finish(x, false);
	return 0;
}

static int on_answer(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct executor *x = userdata;
	struct names *n = &x->names;
	ssize_t got = read(fd, n->name + n->len, sizeof(n->name) - n->len);

	(void)s;
	(void)events;
	if (got > 0)
		n->len += (size_t)got;
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		finish(x, got == 0);
	return 0;
}

static int begin(struct executor *x)
{
	struct names *n = &x->names;
	char uid[16];
	const char *const argv[] = {"flagman-names", uid, NULL};
	int pipes[2], r;

	snprintf(uid, sizeof(uid), "%u", n->asked[0]);
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	_cleanup_close_ int theirs = pipes[1];
	n->fd = pipes[0];
	r = sd_event_add_io(x->event, &n->io, n->fd, EPOLLIN, on_answer, x);
	if (r >= 0)
		r = sd_event_add_time_relative(
			x->event, &n->timer, CLOCK_MONOTONIC, PATIENCE_USEC, 0, on_timer, x);
	if (r < 0)
		return r;
	const struct helper h = {
		.argv = argv,
		.fds = &theirs,
		.n_fds = 1,
		.id = &x->id,
		.death_signal = SIGKILL,
	};
	n->pid = spawn_helper(&h);
	return n->pid < 0 ? n->pid : 0;
}

static void look_up(struct executor *x)
{
	struct names *n = &x->names;

	for (int r; n->n && (r = begin(x)) < 0;) {
		log_warning("can't look up the name of uid %u: %s", n->asked[0], strerror(-r));
		stop(n);
		answer(x, n->asked[0], "");
		memmove(n->asked, n->asked + 1, --n->n * sizeof(n->asked[0]));
	}
}

void names_ask(struct executor *x, uint32_t uid)
{
	struct names *n = &x->names;

	if (n->n == NAMES_MAX) {
		answer(x, uid, "");
		return;
	}
	n->asked[n->n++] = uid;
	if (n->n == 1)
		look_up(x);
}

void names_forget(struct executor *x)
{
	stop(&x->names);
	x->names.n = 0;
}

bool names_reap(struct names *n, pid_t pid)
{
	if (pid != n->pid)
		return false;
	n->pid = 0; /* what it said is still in the pipe */
	return true;
}
