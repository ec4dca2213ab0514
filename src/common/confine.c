/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/confine.h"

#include "common/fd.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

/* Newer than the headers of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* version 3 */
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15) /* version 5 */
#endif
#define TCP           (3ULL << 0) /* version 4: bind and connect */
#define SCOPES        (3ULL << 0) /* version 6: abstract sockets and signals of others */
#define VERSION_REFER 2           /* before it no file could be renamed out of its directory */

struct ruleset {
	uint64_t files, network, scopes;
};

/* What the kernel's version knows to forbid, and how many bytes of struct ruleset it takes. */
static size_t handled(int version, struct ruleset *ret)
{
	*ret = (struct ruleset){.files = (LANDLOCK_ACCESS_FS_REFER << 1) - 1};
	if (version >= 3)
		ret->files |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version >= 5)
		ret->files |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	if (version >= 4)
		ret->network = TCP;
	if (version >= 6)
		ret->scopes = SCOPES;
	return version >= 6 ? sizeof(*ret) : version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static int allow(int rules, int dir, uint64_t rights)
{
	const struct landlock_path_beneath_attr beneath = {
		.parent_fd = dir,
		.allowed_access = rights,
	};

	return (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
}

#ifdef __SANITIZE_ADDRESS__
/* Sanitizers look at the process from within when they find something, and when it ends. */
static int allow_sanitizers(int rules)
{
	_cleanup_close_ int proc = open("/proc", O_PATH | O_CLOEXEC);

	return proc < 0 ? -1
			: allow(rules, proc,
				  LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
}
#else
static int allow_sanitizers(int rules)
{
	(void)rules;
	return 0;
}
#endif

int confine_files(const int *dirs, size_t n)
{
	int version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset all;
	size_t size;

	if (version < VERSION_REFER)
		return version < 0 && errno != ENOSYS && errno != EOPNOTSUPP ? -errno : 0;
	size = handled(version, &all);
	_cleanup_close_ int rules = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
	if (rules < 0)
		return -errno;
	for (size_t i = 0; i < n; i++)
		if (allow(rules, dirs[i], all.files & ~LANDLOCK_ACCESS_FS_EXECUTE) < 0)
			return -errno;
	if (allow_sanitizers(rules) < 0 || syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return -errno;
	return version;
}

/* To compute, to write a line into the log, to end.  Nothing here makes memory executable. */
static const struct confine_call always[] = {
	CONFINE_CALL(brk),
	CONFINE_CALL_WITHOUT(mmap, 2, PROT_EXEC),
	CONFINE_CALL_WITHOUT(mmap2, 2, PROT_EXEC),
	CONFINE_CALL_WITHOUT(mprotect, 2, PROT_EXEC),
	CONFINE_CALL(mremap),
	CONFINE_CALL(munmap),
	CONFINE_CALL(madvise),
	CONFINE_CALL(futex),
	CONFINE_CALL(futex_time64),
	CONFINE_CALL(getrandom),
	CONFINE_CALL(clock_gettime),
	CONFINE_CALL(clock_gettime64),
	CONFINE_CALL(gettimeofday),
	CONFINE_CALL(getpid),
	CONFINE_CALL(gettid),
	CONFINE_CALL(close),
	CONFINE_CALL(read),
	CONFINE_CALL(write),
	CONFINE_CALL(writev),
	CONFINE_CALL(pwritev2),
	CONFINE_CALL_EQ(sendto, 4, 0), /* to whom it is connected */
	CONFINE_CALL(poll),
	CONFINE_CALL(ppoll),
	CONFINE_CALL(ppoll_time64),
	CONFINE_CALL(rt_sigaction),
	CONFINE_CALL(rt_sigprocmask),
	CONFINE_CALL(rt_sigpending),
	CONFINE_CALL(rt_sigtimedwait),
	CONFINE_CALL(rt_sigtimedwait_time64),
	CONFINE_CALL(rt_sigreturn),
	CONFINE_CALL(restart_syscall),
	CONFINE_CALL(exit),
	CONFINE_CALL(exit_group),
#ifdef __SANITIZE_ADDRESS__
	CONFINE_CALL(clone),
	CONFINE_CALL(getdents),
	CONFINE_CALL(getdents64),
	CONFINE_CALL(getppid),
	CONFINE_CALL(lseek),
	CONFINE_CALL(newfstatat),
	CONFINE_CALL(openat),
	CONFINE_CALL(open),
	CONFINE_CALL(prctl),
	CONFINE_CALL(ptrace),
	CONFINE_CALL(readlink),
	CONFINE_CALL(sched_yield),
	CONFINE_CALL(sigaltstack),
	CONFINE_CALL(wait4),
#endif
};

static int add(scmp_filter_ctx filter, const struct confine_call *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls[i].call, calls[i].checked,
			&calls[i].argument);
	return r;
}

int confine_calls(const struct confine_call *calls, size_t n)
{
	const struct confine_call abort_self = CONFINE_CALL_EQ(tgkill, 0, (uint32_t)getpid());
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return -ENOMEM;
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (r == 0)
		r = add(filter, always, sizeof(always) / sizeof(always[0]));
	if (r == 0)
		r = add(filter, &abort_self, 1);
	if (r == 0)
		r = add(filter, calls, n);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int limit(int resource)
{
	const struct rlimit none = {0};

	return setrlimit((__rlimit_resource_t)resource, &none) < 0 ? -errno : 0;
}

int confine_self(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &header, none) < 0)
		return -errno;
	r = limit(RLIMIT_CORE);
	return r == 0 ? limit(RLIMIT_NPROC) : r;
}

void confine(const char *who, const int *dirs, size_t n_dirs, const struct confine_call *calls,
	size_t n_calls)
{
	int landlock = confine_files(dirs, n_dirs), r;

	if (landlock < 0)
		log_fatal(EX_OSERR, "landlock: %s", strerror(-landlock));
	if (landlock == 0)
		log_warning("this kernel has no Landlock that serves: only its user, no "
			    "capabilities and seccomp keep the %s from other files",
			who);
	r = confine_calls(calls, n_calls);
	if (r == -EINVAL || r == -ECANCELED)
		log_warning("this kernel has no seccomp filters: nothing keeps the %s from any "
			    "system call (%s)",
			who, strerror(-r));
	else if (r < 0)
		log_fatal(EX_OSERR, "seccomp: %s", strerror(-r));
}
