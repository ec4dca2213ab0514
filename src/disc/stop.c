/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/stop.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static sigset_t signals;
static bool told;

void stop_init(void)
{
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN); /* nobody reads any more: the disc is still to be finished */
}

bool stop_wait(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	if (told)
		(void)nanosleep(&t, NULL);
	else if (sigtimedwait(&signals, NULL, &t) > 0)
		told = true;
	return told;
}

bool stop_told(void)
{
	return told || stop_wait(0);
}
