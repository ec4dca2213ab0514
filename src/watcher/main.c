/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman-watcher: says "look at directory N" when something happened there.
 *
 * Started by the executor for the agent, with a list of directories on descriptor 3 and a pipe on
 * descriptor 4 (wire/watch.h); it watches them, says WATCH_READY, and from then on turns events
 * into records until the pipe has no reader any more.  When the set changes it is replaced, not
 * told.
 *
 * SECURITY
 *	Runs as the agent's user, and needs less: no capabilities, no processes, no file at all
 *	(common/confine.h).  What it reads of strangers is inotify events, and of those only watch
 *	number and mask: a name in a share is never looked at here.  The list comes from the agent
 *	and is checked as a whole before the first entry is used.  It is a program of its own
 *	because libinotifytools leaks its descriptor into whatever its process starts, and is
 *	GPL-2.0-only.
 *
 * DIAGNOSTICS
 *	0	nobody reads the pipe any more
 *	64	started by hand
 *	65	the list is bad
 *	71	a system call failed: no inotify instance, no memory
 */
#include "common/confine.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/memory.h"
#include "watcher/batch.h"
#include "watcher/list.h"
#include "watcher/watches.h"
#include "wire/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

/* The agent begins to look at what is watched while the rest is not yet. */
#define TRIED_AT_ONCE 1024

/* Who makes events faster than we read them must not keep the records back for ever. */
#define EVENTS_A_BATCH 16384

/* inotify(7), the pipe, and no more: select(2), for the library waits with it, and how much there
 * is to read.  It opens nothing at all: a watch is added by path, and that is all that is done with
 * one. */
static const struct confine_call calls[] = {
	CONFINE_CALL(inotify_add_watch),
	CONFINE_CALL(inotify_rm_watch),
	CONFINE_CALL(newfstatat), /* the library looks whether it is a directory */
	CONFINE_CALL(fstatat64),
	CONFINE_CALL(lstat),
	CONFINE_CALL(lstat64),
	CONFINE_CALL(statx),
	CONFINE_CALL_EQ(ioctl, 1, FIONREAD),
	CONFINE_CALL(select),
	CONFINE_CALL(_newselect),
	CONFINE_CALL(pselect6),
	CONFINE_CALL(pselect6_time64),
};

/* Gives up for good what it does not need, whoever started it. */
static void give_up(void)
{
	int r = confine_self();

	if (r < 0)
		log_fatal(EX_OSERR, "no-new-privileges: %s", strerror(-r));
	/* flagmand has asked for it, but with SELinux the kernel forgets that when it executes us.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		log_fatal(EX_OSERR, "prctl: %s", strerror(errno));
	if (chdir("/") < 0)
		log_fatal(EX_OSERR, "chdir: %s", strerror(errno));
}

/* A write end that does not block would lose records when the agent is busy. */
static void make_pipe_block(void)
{
	int flags = fcntl(WATCH_PIPE_FD, F_GETFL);

	if (flags < 0 || fcntl(WATCH_PIPE_FD, F_SETFL, flags & ~O_NONBLOCK) < 0)
		log_fatal(EX_USAGE, "descriptor %d: %s (flagmand starts this program)",
			WATCH_PIPE_FD, strerror(errno));
}

/* RESULT of writing to the agent. */
static void end_if_failed(int result)
{
	if (result == -EPIPE)
		exit(0);
	if (result < 0)
		log_fatal(EX_OSERR, "cannot write to the agent: %s", strerror(-result));
}

static void watch_all(const struct list *list, struct batch *b)
{
	struct list_entry e;
	uint32_t slot, tried = 0;
	size_t at = 0;

	while (list_next(list, &at, &e)) {
		int r = watches_add(e.path, e.quiet, &slot);

		if (r == 0)
			r = batch_name(b, slot, e.number);
		if (r < 0)
			end_if_failed(batch_record(b, WATCH_PIPE_FD, WATCH_FAILED, e.number, -r));
		if (++tried % TRIED_AT_ONCE == 0) {
			end_if_failed(batch_record(b, WATCH_PIPE_FD, WATCH_TRIED, e.number, 0));
			end_if_failed(batch_send(b, WATCH_PIPE_FD));
		}
	}
	end_if_failed(batch_record(b, WATCH_PIPE_FD, WATCH_READY, 0, 0));
	end_if_failed(batch_send(b, WATCH_PIPE_FD));
}

/* Blocks for one event, then empties the queue before a word is said: what the kernel has to keep
 * for us while we write is what overflows. */
static void collect(struct batch *b)
{
	uint32_t slot = 0;
	int news = watches_next(true, &slot);

	for (unsigned n = 1; news > NEWS_NONE; n++) {
		batch_note(b, (enum news)news, slot);
		news = n < EVENTS_A_BATCH ? watches_next(false, &slot) : NEWS_NONE;
	}
	if (news < 0)
		log_fatal(EX_OSERR, "cannot read events: %s", strerror(-news));
}

int main(int argc, char **argv)
{
	struct list list;
	struct batch batch = {0};
	char why[160];
	int r;

	(void)argv;
	log_init("flagmand", "watcher");
	if (argc != 1)
		log_fatal(EX_USAGE, "takes no arguments: flagmand starts this program");
	close_from(WATCH_PIPE_FD + 1);
	make_pipe_block();
	(void)signal(SIGPIPE, SIG_IGN);
	give_up();

	r = list_map(WATCH_LIST_FD, &list, why, sizeof(why));
	if (r < 0)
		log_fatal(
			r == -EBADMSG ? EX_DATAERR : EX_OSERR, "bad list of directories: %s", why);
	(void)close(WATCH_LIST_FD); /* the library's descriptor takes its number */
	r = watches_open();
	if (r == 0)
		r = batch_open(&batch, list.n + 1);
	if (r < 0)
		log_fatal(EX_OSERR, "cannot watch: %s", strerror(-r));
	confine("watcher", NULL, 0, calls, sizeof(calls) / sizeof(calls[0]));

	watch_all(&list, &batch);
	list_unmap(&list);
	memory_trim();
	for (;;) {
		collect(&batch);
		end_if_failed(batch_send(&batch, WATCH_PIPE_FD));
	}
}
