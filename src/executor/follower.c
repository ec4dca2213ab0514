/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/follower.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "executor/executor.h"
#include "executor/spawn.h"
#include "wire/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define JOURNAL        "journal"
#define JOURNAL_GROUP  "systemd-journal"
#define PAUSE_MIN_USEC USEC_PER_SEC
#define PAUSE_MAX_USEC (300 * USEC_PER_SEC)
#define YOUNG_USEC     (60 * USEC_PER_SEC) /* who ends younger is started with a longer pause */

static bool is_journal(const char *source)
{
	return strcmp(source, JOURNAL) == 0;
}

void follower_argv(const char *source, const char *argv[FOLLOWER_ARGV_MAX])
{
	static const char *const journal[FOLLOWER_ARGV_MAX] = {"/usr/bin/journalctl", "--follow",
		"--quiet", "--lines=0", "--output=cat", "--identifier=smbd_audit",
		"_SYSTEMD_UNIT=smbd.service", "_SYSTEMD_UNIT=smb.service",
		"_SYSTEMD_UNIT=samba-ad-dc.service", "_SYSTEMD_UNIT=samba.service"};
	static const char *const file[FOLLOWER_ARGV_MAX] = {
		"/usr/bin/tail", "--quiet", "-n", "0", "-F", "--"};

	memcpy(argv, is_journal(source) ? journal : file, sizeof(journal));
	if (!is_journal(source))
		argv[6] = source;
}

/* The child's pid; its output goes to OUTPUT. */
static pid_t spawn(const struct executor *x, int output)
{
	const char *argv[FOLLOWER_ARGV_MAX];
	const struct helper h = {
		.argv = argv,
		.foreign = true,
		.more_group = is_journal(x->follower.source) ? JOURNAL_GROUP : NULL,
		.output = output,
		.id = &x->id,
		.death_signal = SIGKILL,
	};

	follower_argv(x->follower.source, argv);
	return spawn_helper(&h);
}

static int start_once(struct executor *x)
{
	struct exec_audit m = {.header.type = EXEC_AUDIT};
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int ours = pipes[0], theirs = pipes[1];
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0) /* the agent only reads it */
		return -errno;
	pid = spawn(x, theirs);
	if (pid < 0)
		return pid;
	x->follower.pid = pid;
	x->follower.began = now_monotonic();
	agent_send(x, &m, sizeof(m), &ours, 1);
	return 0;
}

static void start(struct executor *x);

static int on_start_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct executor *x = userdata;

	(void)s;
	(void)usec;
	x->follower.timer = sd_event_source_disable_unref(x->follower.timer);
	start(x);
	return 0;
}

static void start_later(struct executor *x)
{
	struct follower *f = &x->follower;
	int r;

	f->pause = f->pause == 0 ? PAUSE_MIN_USEC : 2 * f->pause;
	if (f->pause > PAUSE_MAX_USEC)
		f->pause = PAUSE_MAX_USEC;
	r = sd_event_add_time_relative(
		x->event, &f->timer, CLOCK_MONOTONIC, f->pause, 0, on_start_timer, x);
	if (r < 0)
		log_error("no timer for samba-audit: %s", strerror(-r));
}

static void start(struct executor *x)
{
	int r = start_once(x);

	if (r == 0)
		return;
	log_error("samba-audit: %s can't be followed: %s", x->follower.source, strerror(-r));
	start_later(x);
}

void follower_configure(struct executor *x)
{
	const char *wanted = x->generations->config->settings.samba_audit;
	struct follower *f = &x->follower;

	if (!x->agent.channel || (f->source && wanted && strcmp(f->source, wanted) == 0))
		return;
	follower_end(x);
	if (!wanted)
		return;
	f->source = strdup(wanted);
	if (!f->source) {
		log_error("samba-audit: %s", strerror(ENOMEM));
		return;
	}
	start(x);
}

void follower_end(struct executor *x)
{
	struct follower *f = &x->follower;

	if (f->pid > 0) /* not buried yet, so the pid is ours */
		(void)kill(f->pid, SIGKILL);
	f->timer = sd_event_source_disable_unref(f->timer);
	free(f->source);
	*f = (struct follower){0};
}

bool follower_reap(struct executor *x, pid_t pid)
{
	struct follower *f = &x->follower;

	if (pid != f->pid)
		return false;
	f->pid = 0;
	if (now_monotonic() - f->began >= YOUNG_USEC)
		f->pause = 0;
	start_later(x);
	log_warning("samba-audit: what follows %s has ended; it is started again in %llu s",
		f->source, (unsigned long long)(f->pause / USEC_PER_SEC));
	return true;
}
