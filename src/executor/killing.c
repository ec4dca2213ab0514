/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and signalling all that belongs to a run. */
#include "executor/killing.h"

#include "common/fd.h"
#include "executor/cgroup.h"
#include "executor/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS    16  /* of SIGKILL: what forks faster than that is killed by its cgroup, or not */
#define TOLERANCE 100 /* ticks, a second: the time noted lies before the fork itself */

bool process_parse(const char *text, struct process *ret)
{
	const char *at = strrchr(text, ')'); /* the name before it may have any bytes */
	uint64_t pid, parent, session, started;
	char state;

	if (!at || !scan_number(&text, &pid) || at[1] != ' ' || at[2] == '\0')
		return false;
	state = at[2];
	at += 3;
	if (!scan_number(&at, &parent) || !scan_skip(&at, 1) || !scan_number(&at, &session) ||
		!scan_skip(&at, 15) || !scan_number(&at, &started))
		return false;
	*ret = (struct process){
		.pid = (pid_t)pid,
		.parent = (pid_t)parent,
		.session = (pid_t)session,
		.started = started,
		.state = state,
	};
	return true;
}

static bool is_gone(const struct process *p)
{
	return p->state == 'Z' || p->state == 'X';
}

static bool about_equal(uint64_t noted, uint64_t real)
{
	return real + 1 >= noted && real <= noted + TOLERANCE;
}

/* A session's number is its leader's pid.  When the leader lives, it must be ours. */
static bool session_is_ours(const struct process *all, size_t n, const struct prey *prey)
{
	if (prey->session <= 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (all[i].pid == prey->session)
			return about_equal(prey->started, all[i].started);
	return true;
}

void prey_select(const struct process *all, size_t n, const struct prey *prey, bool *belongs)
{
	bool session = session_is_ours(all, n, prey), runner_lives = false, more = true;

	for (size_t i = 0; i < n; i++) {
		runner_lives |= prey->runner > 0 && all[i].pid == prey->runner &&
				about_equal(prey->runner_started, all[i].started);
		belongs[i] = session && all[i].session == prey->session &&
			     all[i].started + 1 >= prey->started;
	}
	/* Children of what belongs belong.  The list is in order of pid, mostly: few rounds. */
	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			if (belongs[i])
				continue;
			belongs[i] = runner_lives && all[i].parent == prey->runner;
			for (size_t j = 0; j < n && !belongs[i]; j++)
				belongs[i] = belongs[j] && all[i].parent == all[j].pid;
			more |= belongs[i];
		}
	}
	for (size_t i = 0; i < n; i++)
		if (is_gone(&all[i]) || all[i].pid == prey->runner)
			belongs[i] = false;
}

bool prey_parse(const char *text, const char *boot, struct prey *ret)
{
	enum { PID, STARTED, RUNNER, RUNNER_STARTED, N };
	uint64_t v[N];

	if (!scan_word(&text, boot) || !scan_numbers(&text, v, N) || v[PID] <= 1 ||
		v[RUNNER] <= 1 || v[PID] > INT32_MAX || v[RUNNER] > INT32_MAX)
		return false;
	ret->session = (pid_t)v[PID];
	ret->started = v[STARTED];
	ret->runner = (pid_t)v[RUNNER];
	ret->runner_started = v[RUNNER_STARTED];
	return true;
}

static bool read_process(int proc, const char *name, struct process *ret)
{
	char path[64], text[1024];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%.20s/stat", name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return process_parse(text, ret);
}

/* All processes there are; allocated. */
static struct process *read_all(size_t *ret_n)
{
	DIR *proc = opendir("/proc");
	struct process *all = NULL;
	size_t n = 0, capacity = 0;
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		if (*e->d_name < '1' || *e->d_name > '9')
			continue;
		if (n == capacity) {
			size_t bigger = capacity ? 2 * capacity : 256;
			struct process *p = realloc(all, bigger * sizeof(*p));
			if (!p)
				break;
			all = p;
			capacity = bigger;
		}
		n += read_process(dirfd(proc), e->d_name, &all[n]);
	}
	if (proc)
		closedir(proc);
	*ret_n = n;
	return all;
}

static bool send_checked(const struct process *p, int sig)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct process now;
	char name[24];

	snprintf(name, sizeof(name), "%d", p->pid);
	return fd >= 0 && proc >= 0 && read_process(proc, name, &now) &&
	       now.started == p->started && syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) == 0;
}

static int signal_round(const struct prey *prey, int sig)
{
	size_t n;
	_cleanup_free_ struct process *all = read_all(&n);
	_cleanup_free_ bool *belongs = calloc(n + 1, sizeof(*belongs));
	int sent = 0;

	if (!all || !belongs)
		return 0;
	prey_select(all, n, prey, belongs);
	for (size_t i = 0; i < n; i++)
		if (belongs[i] && send_checked(&all[i], sig))
			sent++;
	return sent;
}

int prey_signal(const struct prey *prey, int sig)
{
	int sent = 0, n;

	if (prey->cgroup >= 0)
		return cgroup_signal(prey->cgroup, sig);
	for (int round = 0; round < ROUNDS; round++) {
		n = signal_round(prey, sig);
		sent += n;
		if (n == 0 || sig != SIGKILL)
			break;
	}
	return sent;
}
