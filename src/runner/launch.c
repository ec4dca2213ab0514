/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a root process to the command. */
#include "runner/launch.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* systemd.exec(5), "Process Exit Codes" */
enum {
	EXIT_CHDIR = 200,
	EXIT_NICE = 201,
	EXIT_FDS = 202,
	EXIT_EXEC = 203,
	EXIT_LIMITS = 205,
	EXIT_SIGNAL_MASK = 207,
	EXIT_STDIN = 208,
	EXIT_STDOUT = 209,
	EXIT_GROUP = 216,
	EXIT_USER = 217,
	EXIT_CAPABILITIES = 218,
	EXIT_CGROUP = 219,
	EXIT_SETSID = 220,
	EXIT_STDERR = 222,
	EXIT_NO_NEW_PRIVILEGES = 227,
	EXIT_SELINUX_CONTEXT = 229,
	EXIT_APPARMOR_PROFILE = 231,
};

#define APPARMOR "/proc/thread-self/attr/apparmor/current"

static enum {
	APPARMOR_OFF,
	APPARMOR_ON,   /* but runners are confined by nothing, or not by us */
	APPARMOR_OURS, /* packaging/apparmor is in force */
} apparmor;

#define CHILD_STACK (64 * 1024)
static char child_stack[CHILD_STACK] __attribute__((aligned(16)));

static uint64_t now_usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t launch_ticks(void)
{
	struct timespec t;
	long hz = sysconf(_SC_CLK_TCK);

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * (uint64_t)hz + (uint64_t)t.tv_nsec * (uint64_t)hz / 1000000000;
}

void launch_look_at_apparmor(void)
{
	static const char ours[] = "flagman-runner ";
	_cleanup_close_ int fd = open(APPARMOR, O_RDONLY | O_CLOEXEC);
	char label[sizeof(ours)] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, label, sizeof(label) - 1);

	apparmor = n <= 0 ? APPARMOR_OFF : strcmp(label, ours) == 0 ? APPARMOR_OURS : APPARMOR_ON;
}

int launch_init(struct launch *l, uint64_t bounding, uint64_t ticks)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {0};
	struct launch_shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return -errno;
	*l = (struct launch){
		.shared = shared,
		.runner = getpid(),
		.runner_ticks = ticks,
		.drop = bounding,
		.cgroup = -1,
		.extra = -1,
	};
	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	l->permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	return 0;
}

/* A name without a slash is looked for along PATH, like execvpe(3). */
static int find_programs(struct launch *l, const char *name)
{
	const char *path = NULL;
	size_t n = 0, used = 0, size;

	if (strchr(name, '/')) {
		l->programs[0] = name;
		return 0;
	}
	for (const char *const *e = l->spec->env; *e; e++)
		if (!strncmp(*e, "PATH=", 5))
			path = *e + 5;
	if (!path)
		return 0;
	size = strlen(path) + (strlen(name) + 2) * LAUNCH_CANDIDATES;
	l->memory = malloc(size);
	if (!l->memory)
		return -ENOMEM;
	while (*path && n < LAUNCH_CANDIDATES) {
		size_t len = strcspn(path, ":");
		if (len && *path == '/') {
			l->programs[n++] = l->memory + used;
			used += (size_t)snprintf(l->memory + used, size - used, "%.*s/%s", (int)len,
					path, name) +
				1;
		}
		path += len + (path[len] == ':');
	}
	return 0;
}

/* "<boot-id> <pid> <start time> <runner's pid> <runner's start time>\n"; the child puts its pid. */
static void prepare_started(struct launch *l)
{
	int n = snprintf(l->started, sizeof(l->started), "%s 0000000000 %llu %d %llu\n", boot_id(),
		(unsigned long long)l->ticks, l->runner, (unsigned long long)l->runner_ticks);

	l->started_pid = strlen(boot_id()) + 1;
	l->started_len = (size_t)n;
}

static void prepare_profile(struct launch *l)
{
	const struct spec *s = l->spec;

	if (!s->apparmor_profile || apparmor == APPARMOR_OFF ||
		(apparmor == APPARMOR_ON && !(s->flags & SPEC_PROFILE)))
		return;
	snprintf(l->change, sizeof(l->change), "changeprofile %s", s->apparmor_profile);
	snprintf(l->shared->denied, sizeof(l->shared->denied),
		"%.70s: AppArmor's profile %s, or its mode", s->argv[0], s->apparmor_profile);
}

int launch_prepare(struct launch *l, const struct spec *s)
{
	l->spec = s;
	l->context_len = strlen(s->context);
	l->drop &= ~s->bounding;
	prepare_started(l);
	prepare_profile(l);
	return find_programs(l, s->argv[0]);
}

void launch_release(struct launch *l)
{
	free(l->memory);
	l->memory = NULL;
}

/* ---- in the child, until there is a specification: the runner sleeps ---- */

/* Is what came a run?  The exit status of a child that has none is nobody's. */
static bool receive(struct launch *l)
{
	struct launch_shared *m = l->shared;
	int fds[SPEC_FDS_MAX], error;
	size_t size, n = 0;
	struct spec *s;

	error = spec_receive(l->socket, m->message, &size, fds, &n);
	if (error < 0 || size == 0)
		return false;
	m->began = now_usec(CLOCK_MONOTONIC);
	m->started = (int64_t)now_usec(CLOCK_REALTIME);
	m->size = size;
	error = spec_decode(m->message, size, &s);
	if (error == 0 && n != (s->flags & (SPEC_SCRIPT | SPEC_INPUT) ? 1 : 0))
		error = -EBADMSG;
	if (error == 0 && n)
		l->extra = fds[0];
	if (error == 0)
		error = launch_prepare(l, s);
	if (error < 0)
		m->failure = (struct launch_failure){EXIT_EXEC, -error, "specification"};
	return error == 0;
}

/* ---- then: raw calls only ---- */

#define CHILD __attribute__((no_sanitize("address", "undefined")))

static CHILD int fail(struct launch *l, int status, const char *step)
{
	l->shared->failure.error = errno;
	l->shared->failure.step = step;
	l->shared->failure.status = status;
	return status;
}

/* Nothing of the runner's signal handling is left: neither what it ignores nor what it blocks. */
static CHILD int child_signals(void)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM};
	uint64_t action[8] = {0}, none = 0; /* the kernel's struct sigaction: SIG_DFL, no flags */

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		if (syscall(SYS_rt_sigaction, ignored[i], action, NULL, 8) < 0)
			return -1;
	return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
}

static CHILD int child_limits(const struct spec *s)
{
	for (unsigned i = 0; i < SPEC_LIMITS; i++)
		if (s->limits_set & (1U << i) &&
			syscall(SYS_prlimit64, 0, i, &s->limits[i], NULL) < 0)
			return -1;
	return 0;
}

/* setexeccon(3): the domain of what is executed next, if the policy allows that. */
static CHILD int child_context(const struct launch *l)
{
	int fd = (int)syscall(
		SYS_openat, AT_FDCWD, "/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return syscall(SYS_write, fd, l->spec->context, l->context_len) < 0 ? -1 : 0;
}

static CHILD int set_capabilities(uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	for (unsigned i = 0; i < 2; i++) {
		d[i].effective = d[i].permitted = (uint32_t)(permitted >> (32 * i));
		d[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	return (int)syscall(SYS_capset, &h, d);
}

static CHILD int child_capabilities(const struct launch *l)
{
	const struct spec *s = l->spec;

	/* A user keeps what is ambient.  Root keeps what it has until execve(2), which computes its
	 * rights from the bounding set: without them it could not reach a program in a 0700
	 * directory now that it will be able to run. */
	if (set_capabilities(s->uid ? s->ambient : l->permitted, s->ambient) < 0)
		return -1;
	for (unsigned c = 0; c < 64; c++)
		if (s->ambient >> c & 1 &&
			syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
			return -1;
	return 0;
}

/* Who it is.  The order matters: what is not in the bounding set can't become inheritable; bounding
 * set and groups need rights that setresuid takes away; PDEATHSIG set before setresuid would be
 * lost; the working directory is entered with the user's own rights; the final capabilities come
 * last of all. */
static CHILD int child_identity(struct launch *l)
{
	const struct spec *s = l->spec;

	if (set_capabilities(l->permitted, s->ambient) < 0)
		return fail(l, EXIT_CAPABILITIES, "ambient-capabilities");
	for (unsigned c = 0; c < 64; c++)
		if (l->drop >> c & 1 && syscall(SYS_prctl, PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return fail(l, EXIT_CAPABILITIES, "capability-bounding-set");
	if (syscall(SYS_setgroups, s->n_groups, s->groups) < 0)
		return fail(l, EXIT_GROUP, "supplementary-groups");
	if (syscall(SYS_setresgid, s->gid, s->gid, s->gid) < 0)
		return fail(l, EXIT_GROUP, "group");
	if (s->ambient && syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail(l, EXIT_CAPABILITIES, "ambient-capabilities");
	if (syscall(SYS_setresuid, s->uid, s->uid, s->uid) < 0)
		return fail(l, EXIT_USER, "user");
	return 0;
}

static CHILD int child_exec(struct launch *l)
{
	int error = ENOENT;

	for (const char *const *p = l->programs; *p; p++) {
		syscall(SYS_execve, *p, l->spec->argv, l->spec->env);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return fail(l, EXIT_EXEC, l->spec->argv[0]);
		if (errno == EACCES)
			error = EACCES;
	}
	errno = error;
	return fail(l, EXIT_EXEC,
		error == EACCES && *l->shared->denied ? l->shared->denied : l->spec->argv[0]);
}

static CHILD int child_started(struct launch *l)
{
	unsigned pid = (unsigned)syscall(SYS_getpid);

	for (size_t i = 10; i-- > 0; pid /= 10)
		l->started[l->started_pid + i] = (char)('0' + pid % 10);
	return (int)syscall(
		SYS_pwrite64, l->claim, l->started, l->started_len, (off_t)CLAIM_STARTED_AT);
}

/* 0, 1 and 2, a script's text on 3, and nothing else: all others were opened close-on-exec, and
 * are marked so once more. */
static CHILD int child_descriptors(struct launch *l)
{
	int first = 3;

	if (syscall(SYS_dup3, l->output, 1, 0) < 0)
		return fail(l, EXIT_STDOUT, "standard output");
	if (syscall(SYS_dup3, l->output, 2, 0) < 0)
		return fail(l, EXIT_STDERR, "standard error");
	if (child_started(l) < 0)
		return fail(l, EXIT_FDS, "claim");
	if (l->extra >= 0 && l->spec->flags & SPEC_INPUT) {
		if (syscall(SYS_dup3, l->extra, 0, 0) < 0)
			return fail(l, EXIT_STDIN, "standard input");
	} else if (l->extra >= 0) {
		first = LAUNCH_SCRIPT_FD + 1;
		if (syscall(SYS_dup3, l->extra, LAUNCH_SCRIPT_FD, 0) < 0)
			return fail(l, EXIT_FDS, "script");
	}
	if (syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return fail(l, EXIT_FDS, "descriptors");
	return 0;
}

/*
 * Not by attr/exec, which would say it of the program that is executed: a confined process with
 * no_new_privs is refused any profile then but one stacked on its own (EPERM), and a runner that
 * may do all that commands do would be no wall.  Before no_new_privs it may change as its profile
 * lets it; from here on this is the command's, also the right to execute it.
 */
static CHILD int child_profile(const struct launch *l)
{
	size_t len = 0;
	int fd;
	long n;

	while (l->change[len])
		len++;
	if (len == 0)
		return 0;
	fd = (int)syscall(SYS_openat, AT_FDCWD, APPARMOR, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = syscall(SYS_write, fd, l->change, len);
	syscall(SYS_close, fd);
	return n == (long)len ? 0 : -1;
}

static CHILD int child_steps(struct launch *l)
{
	const struct spec *s = l->spec;

	if (child_signals() < 0)
		return fail(l, EXIT_SIGNAL_MASK, "signals");
	if (child_limits(s) < 0)
		return fail(l, EXIT_LIMITS, "limits");
	if (s->nice && syscall(SYS_setpriority, PRIO_PROCESS, 0, s->nice) < 0)
		return fail(l, EXIT_NICE, "nice");
	syscall(SYS_umask, s->umask);
	if (l->context_len && child_context(l) < 0) /* as root: /proc may be closed to others */
		return fail(l, EXIT_SELINUX_CONTEXT, "selinux-context");
	if (s->flags & SPEC_IDENTITY && child_identity(l))
		return l->shared->failure.status;
	if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
		syscall(SYS_getppid) != l->runner)
		return fail(l, EXIT_FDS, "runner");
	if (syscall(SYS_chdir, s->directory) < 0)
		return fail(l, EXIT_CHDIR, s->directory);
	if (s->flags & SPEC_IDENTITY && child_capabilities(l) < 0)
		return fail(l, EXIT_CAPABILITIES, "ambient-capabilities");
	if (child_descriptors(l))
		return l->shared->failure.status;
	if (child_profile(l) < 0)
		return fail(l, EXIT_APPARMOR_PROFILE, "apparmor-profile");
	if (s->flags & SPEC_NO_NEW_PRIVILEGES &&
		syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(l, EXIT_NO_NEW_PRIVILEGES, "no-new-privileges");
	return child_exec(l);
}

static int child(void *userdata)
{
	struct launch *l = userdata;
	int status = EXIT_EXEC;
	bool session = syscall(SYS_setsid) >= 0;

	/* Lost by setresuid, so this is for the waiting; child_steps() has it again. */
	(void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (syscall(SYS_getppid) == l->runner && receive(l))
		status = session ? child_steps(l) : fail(l, EXIT_SETSID, "setsid");
	syscall(SYS_exit_group, status);
	return status;
}

/* ---- in the runner again ---- */

static pid_t launch_into_cgroup(struct launch *l)
{
	struct clone_args a = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)l->cgroup,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));

	if (pid == 0)
		child(l);
	return pid;
}

pid_t launch(struct launch *l)
{
	pid_t pid;

	l->ticks = launch_ticks();
	if (l->cgroup >= 0)
		pid = launch_into_cgroup(l);
	else
		pid = clone(child, child_stack + CHILD_STACK, CLONE_VM | SIGCHLD, l);
	if (pid < 0)
		(void)fail(l, l->cgroup >= 0 ? EXIT_CGROUP : EXIT_EXEC, "fork");
	return pid < 0 ? -l->shared->failure.error : pid;
}
