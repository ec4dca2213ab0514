/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watcher processes, started for the agent. */
#include "executor/watchers.h"

#include "executor/spawn.h"

#include <errno.h>
#include <signal.h>

int watchers_start(struct watchers *w, const struct identity *id, const gid_t *groups,
	size_t n_groups, uint64_t cookie, int list, int pipe)
{
	static const char *const argv[] = {"flagman-watcher", NULL};
	struct helper h = {
		.argv = argv,
		.fds = (int[]){list, pipe},
		.n_fds = 2,
		.id = id,
		.groups = groups,
		.n_groups = n_groups,
		.death_signal = SIGKILL,
	};
	pid_t pid;

	if (w->n == WATCHERS_MAX)
		return -EAGAIN;
	pid = spawn_helper(&h);
	if (pid < 0)
		return pid;
	w->list[w->n].pid = pid;
	w->list[w->n++].cookie = cookie;
	return 0;
}

/* They leave the list when they are buried, so that their pids are ours until then. */
void watchers_keep(struct watchers *w, uint64_t cookie)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].cookie != cookie)
			(void)kill(w->list[i].pid, SIGKILL);
}

void watchers_end_all(struct watchers *w)
{
	for (size_t i = 0; i < w->n; i++)
		(void)kill(w->list[i].pid, SIGKILL);
}

bool watchers_reap(struct watchers *w, pid_t pid)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].pid == pid) {
			w->list[i] = w->list[--w->n];
			return true;
		}
	return false;
}
