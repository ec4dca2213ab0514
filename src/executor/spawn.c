/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting helper programs. */
#include "executor/spawn.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_FD      3
#define EXIT_NO_SETUP 126 /* as env(1): could not get so far as to exec */
#define EXIT_NO_EXEC  127

const char *spawn_path(const char *program, const char *directory)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		if (slash &&
			snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "%s",
				program) < (int)(sizeof(path) - (size_t)(slash + 1 - path)) &&
			access(path, X_OK) == 0)
			return path;
	}
	snprintf(path, sizeof(path), "%s/%s", directory, program);
	return path;
}

static void child_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* FDS become 3, 4, ...; they may lie in that range already, so they are moved out of it first. */
static int child_descriptors(const struct helper *h)
{
	int moved[16], null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
		dup2(h->output ? h->output : null, STDOUT_FILENO) < 0)
		return -1;
	if (h->n_fds > sizeof(moved) / sizeof(*moved))
		return -1;
	for (size_t i = 0; i < h->n_fds; i++)
		if ((moved[i] = fcntl(h->fds[i], F_DUPFD, FIRST_FD + (int)h->n_fds)) < 0)
			return -1;
	for (size_t i = 0; i < h->n_fds; i++)
		if (dup2(moved[i], FIRST_FD + (int)i) < 0)
			return -1;
	close_from(FIRST_FD + (int)h->n_fds);
	return 0;
}

static int child_groups(const struct helper *h)
{
	gid_t groups[IDENTITY_GROUPS_MAX];

	if (!h->foreign)
		return setgroups(h->n_groups, h->groups);
	return setgroups(identity_groups(h->id, h->more_group, groups), groups);
}

/* What is not ours sets no no_new_privs; with it, execve(2) can't leave flagmand's AppArmor
 * profile, so the process does so before (launch.c).  Where flagmand is not confined by that,
 * nothing is done. */
static int leave_profile(void)
{
	static const char ours[] = "flagmand ", change[] = "changeprofile flagman-follower";
	_cleanup_close_ int fd =
		open("/proc/thread-self/attr/apparmor/current", O_RDWR | O_CLOEXEC);
	char label[sizeof(ours)] = "";

	if (fd < 0 || read(fd, label, sizeof(label) - 1) <= 0 || strcmp(label, ours) != 0)
		return 0;
	return pwrite(fd, change, strlen(change), 0) == (ssize_t)strlen(change) ? 0 : -1;
}

/* Irreversible; the order is that of launch.c, for the same reasons.  Our own programs see to
 * no-new-privileges themselves: it would keep a security module from giving them a domain of their
 * own (execve(2)). */
static int child_identity(const struct helper *h)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	for (unsigned c = 0; c < 64; c++)
		if (h->id->privileged && prctl(PR_CAPBSET_READ, c) == 1 &&
			prctl(PR_CAPBSET_DROP, c) < 0)
			return -1;
	if (h->id->privileged &&
		(child_groups(h) < 0 || setresgid(h->id->gid, h->id->gid, h->id->gid) < 0 ||
			setresuid(h->id->uid, h->id->uid, h->id->uid) < 0))
		return -1;
	if (syscall(SYS_capset, &head, none) < 0)
		return -1;
	if (!h->foreign)
		return 0;
	return leave_profile() < 0 ? -1 : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static char *const *child_environment(const struct helper *h)
{
	static const char *const names[] = {
		"FLAGMAN_LOG", "JOURNAL_STREAM", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LANG=C";
	static char *environment[16];
	size_t n = 0;

	environment[n++] = path;
	if (h->foreign)
		environment[n++] = lang;
	for (size_t i = 0; !h->foreign && i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);
		if (value && asprintf(&environment[n], "%s=%s", names[i], value) >= 0)
			n++;
	}
	environment[n] = NULL;
	return environment;
}

static _Noreturn void child(const struct helper *h, const char *path, pid_t parent)
{
	char *const *environment = child_environment(h);

	child_signals();
	if (setsid() < 0 || chdir("/") < 0 || child_descriptors(h) < 0 ||
		(h->id && child_identity(h) < 0) ||
		(h->death_signal && prctl(PR_SET_PDEATHSIG, h->death_signal) < 0)) {
		fprintf(stderr, "flagmand: can't set up %s: %s\n", path, strerror(errno));
		_exit(EXIT_NO_SETUP);
	}
	if (h->death_signal && getppid() != parent)
		_exit(EXIT_NO_SETUP);
	execve(path, (char **)(uintptr_t)h->argv, environment);
	fprintf(stderr, "flagmand: can't start %s: %s\n", path, strerror(errno));
	_exit(EXIT_NO_EXEC);
}

pid_t spawn_helper(const struct helper *h)
{
	const char *path = h->foreign ? h->argv[0] : spawn_path(h->argv[0], FLAGMAN_LIBEXECDIR);
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		child(h, path, parent);
	return pid < 0 ? -errno : pid;
}
