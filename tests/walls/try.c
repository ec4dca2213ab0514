/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "try.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/module.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define WALLED "/tmp/flagman-walls-" /* names of files that must not come to be */

static const char *trying;

/* RESULT: negative is failure, as errno says. */
static void tried(const char *name, long result)
{
	int e = errno;

	if (result >= 0)
		fprintf(stderr, "walls: %s %s: ok\n", trying, name);
	else
		fprintf(stderr, "walls: %s %s: %s\n", trying, name, strerrorname_np(e));
}

static void try_files(void)
{
	tried("open-shadow", open("/etc/shadow", O_RDONLY));
	tried("open-passwd", open("/etc/passwd", O_RDONLY));
	tried("open-root", open("/", O_RDONLY | O_DIRECTORY));
	tried("open-own-memory", open("/proc/self/mem", O_RDWR));
	tried("open-parents-environment", open("/proc/1/environ", O_RDONLY));
	tried("open-null", open("/dev/null", O_RDWR));
	tried("make-file", open(WALLED "file", O_WRONLY | O_CREAT, 0600));
	tried("make-file-in-shm", open("/dev/shm/flagman-walls", O_WRONLY | O_CREAT, 0600));
	tried("make-unnamed", open("/tmp", O_WRONLY | O_TMPFILE, 0600));
	tried("make-directory", mkdir(WALLED "directory", 0700));
	tried("make-symlink", symlink("/etc/shadow", WALLED "symlink"));
	tried("make-link", link("/etc/hostname", WALLED "link"));
	tried("make-fifo", mknod(WALLED "fifo", S_IFIFO | 0600, 0));
	tried("make-device", mknod(WALLED "device", S_IFBLK | 0600, 0x0800));
	tried("rename", rename("/etc/hostname", WALLED "renamed"));
	tried("unlink", unlink("/etc/hostname"));
	tried("truncate", truncate("/etc/hostname", 0));
	tried("chmod", chmod("/etc/hostname", 0666));
	tried("chown", chown("/etc/hostname", getuid(), (gid_t)-1));
	tried("set-attribute", syscall(SYS_setxattr, "/etc/hostname", "user.x", "x", 1, 0));
	tried("open-by-handle", syscall(SYS_open_by_handle_at, AT_FDCWD, "", O_RDONLY));
	tried("chroot", chroot("/"));
}

static void try_processes(void)
{
	pid_t pid;

	pid = fork();
	if (pid == 0)
		_exit(0);
	tried("fork", pid);
	tried("unshare", unshare(CLONE_NEWUSER));
	tried("enter-namespace", syscall(SYS_setns, STDERR_FILENO, 0));
	tried("signal-parent", kill(getppid(), 0));
	tried("signal-all", kill(-1, 0));
	tried("signal-thread", syscall(SYS_tgkill, getppid(), getppid(), 0));
	tried("signal-queue", syscall(SYS_rt_sigqueueinfo, getppid(), 0, NULL));
	tried("pidfd", syscall(SYS_pidfd_open, getppid(), 0));
	tried("signal-by-file", fcntl(STDERR_FILENO, F_SETOWN, getppid()));
	tried("choose-signal", fcntl(STDERR_FILENO, F_SETSIG, SIGKILL));
	tried("trace-parent", ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
	tried("read-parent", syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	tried("limit-parent", prlimit(getppid(), RLIMIT_CORE, &(struct rlimit){0, 0}, NULL));
	tried("reschedule", setpriority(PRIO_PROCESS, 0, 19));
}

static void try_sockets(void)
{
	const struct sockaddr_in web = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	const struct sockaddr_un journal = {AF_UNIX, "/run/systemd/journal/socket"};
	int pair[2];

	tried("socket-internet", socket(AF_INET, SOCK_STREAM, 0));
	tried("socket-unix", socket(AF_UNIX, SOCK_DGRAM, 0));
	tried("socket-netlink", socket(AF_NETLINK, SOCK_RAW, 0));
	tried("socket-pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	tried("connect", connect(4, (const struct sockaddr *)&web, sizeof(web)));
	tried("bind", bind(4, (const struct sockaddr *)&web, sizeof(web)));
	tried("listen", listen(3, 1));
	tried("send-to", sendto(3, "", 0, 0, (const struct sockaddr *)&journal, sizeof(journal)));
}

static void try_kernel(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tried("mount", mount("none", "/mnt", "tmpfs", 0, NULL));
	tried("unmount", umount2("/mnt", MNT_DETACH));
	tried("open-tree", syscall(SYS_open_tree, AT_FDCWD, "/", 0));
	tried("load-module", syscall(SYS_init_module, "", 0, ""));
	tried("load-module-file", syscall(SYS_finit_module, STDERR_FILENO, "", 0));
	tried("bpf", syscall(SYS_bpf, 0, NULL, 0));
	tried("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	tried("io-uring", syscall(SYS_io_uring_setup, 1, &(struct io_uring_params){0}));
	tried("userfaultfd", syscall(SYS_userfaultfd, 0));
	tried("add-key", syscall(SYS_add_key, "user", "x", "x", 1, -3));
	tried("set-time", syscall(SYS_clock_settime, 0, NULL));
	tried("set-name", sethostname("x", 1));
	tried("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
	tried("become-root", setuid(0));
	tried("set-groups", syscall(SYS_setgroups, 0, NULL));
	tried("set-dumpable", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	tried("personality", syscall(SYS_personality, 0x0040000));
	tried("map-code", mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				  0) == MAP_FAILED
				  ? -1
				  : 0);
	tried("make-code", mprotect(page, 4096, PROT_READ | PROT_EXEC));
	tried("terminal-input", syscall(SYS_ioctl, STDERR_FILENO, 0x5412, "x")); /* TIOCSTI */
}

/* Last: where it works, that is the end. */
static void try_exec(void)
{
	static char name[] = "true";
	char *const argv[] = {name, NULL}, *const none[] = {NULL};

	tried("exec", execve("/bin/true", argv, none));
	tried("exec-by-descriptor",
		syscall(SYS_execveat, STDERR_FILENO, "", argv, none, AT_EMPTY_PATH));
}

void try_everything(const char *who)
{
	trying = who;
	try_files();
	try_processes();
	try_sockets();
	try_kernel();
	try_exec();
	fprintf(stderr, "walls: %s tried everything\n", who);
}
