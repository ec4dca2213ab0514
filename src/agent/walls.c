/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/walls.h"

#include "agent/board.h"
#include "agent/board_parts.h"
#include "agent/runs.h"
#include "agent/store.h"
#include "agent/trouble.h"
#include "common/confine.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

/* Grouped by what they are for.  fcntl(2) could make the kernel send signals to others (F_SETOWN,
 * F_SETSIG): so it is allowed by command. */
static const struct confine_call calls[] = {
	/* the loop */
	CONFINE_CALL(epoll_create1),
	CONFINE_CALL(epoll_ctl),
	CONFINE_CALL(epoll_wait),
	CONFINE_CALL(epoll_pwait),
	CONFINE_CALL(epoll_pwait2),
	CONFINE_CALL(timerfd_create),
	CONFINE_CALL(timerfd_settime),
	CONFINE_CALL(timerfd_settime64),
	CONFINE_CALL(eventfd2),
	CONFINE_CALL(sched_yield),
	/* the sockets that it holds, the watcher's pipe, the list for it */
	CONFINE_CALL(accept4),
	CONFINE_CALL(recvmsg),
	CONFINE_CALL(sendmsg),
	CONFINE_CALL(getsockopt),
	CONFINE_CALL(pipe2),
	CONFINE_CALL(memfd_create),
	/* names */
	CONFINE_CALL(newfstatat),
	CONFINE_CALL(fstatat64),
	CONFINE_CALL(stat),
	CONFINE_CALL(stat64),
	CONFINE_CALL(lstat),
	CONFINE_CALL(lstat64),
	CONFINE_CALL(statx),
	CONFINE_CALL(access),
	CONFINE_CALL(faccessat),
	CONFINE_CALL(faccessat2),
	CONFINE_CALL(readlink),
	CONFINE_CALL(readlinkat),
	CONFINE_CALL(openat),
	CONFINE_CALL(open),
	CONFINE_CALL(mkdirat),
	CONFINE_CALL(unlink),
	CONFINE_CALL(unlinkat),
	CONFINE_CALL(rename),
	CONFINE_CALL(renameat),
	CONFINE_CALL(renameat2),
	CONFINE_CALL(getcwd),
	CONFINE_CALL(getdents64),
	/* files */
	CONFINE_CALL(fstat),
	CONFINE_CALL(fstat64),
	CONFINE_CALL(fstatfs),
	CONFINE_CALL(fstatfs64),
	CONFINE_CALL(statfs),
	CONFINE_CALL(statfs64),
	CONFINE_CALL(lseek),
	CONFINE_CALL(_llseek),
	CONFINE_CALL(pread64),
	CONFINE_CALL(pwrite64),
	CONFINE_CALL(ftruncate),
	CONFINE_CALL(ftruncate64),
	CONFINE_CALL(fallocate),
	CONFINE_CALL(fsync),
	CONFINE_CALL(fdatasync),
	CONFINE_CALL(fchmod),
	CONFINE_CALL(fchown),
	CONFINE_CALL(fchown32),
	CONFINE_CALL(flock),
	CONFINE_CALL(copy_file_range),
	CONFINE_CALL(sendfile),
	CONFINE_CALL(sendfile64),
	CONFINE_FCNTL(F_GETFD),
	CONFINE_FCNTL(F_SETFD),
	CONFINE_FCNTL(F_GETFL),
	CONFINE_FCNTL(F_SETFL),
	CONFINE_FCNTL(F_DUPFD_CLOEXEC),
	CONFINE_FCNTL(F_GETLK),
	CONFINE_FCNTL(F_SETLK),
	CONFINE_FCNTL(F_GETLEASE),
	CONFINE_FCNTL(F_SETLEASE),
	CONFINE_FCNTL(F_ADD_SEALS),
	CONFINE_FCNTL(F_GET_SEALS),
	CONFINE_FCNTL(F_SETPIPE_SZ),
	/* SQLite asks who it is and waits for nobody; qsort(3) asks how much memory there is */
	CONFINE_CALL(getuid),
	CONFINE_CALL(geteuid),
	CONFINE_CALL(getuid32),
	CONFINE_CALL(geteuid32),
	CONFINE_CALL(sysinfo),
	CONFINE_CALL_EQ(prlimit64, 2, 0), /* how many descriptors, for doctor */
	CONFINE_CALL(getrlimit),
	CONFINE_CALL(ugetrlimit),
};

/* /etc/localtime, the boot's id twice, /dev/urandom: each is kept by whoever reads it. */
static void read_ahead(void)
{
	sd_id128_t boot;

	tzset();
	(void)boot_id();
	(void)sd_id128_get_boot(&boot);
	store_read_ahead();
}

static int *room_for(size_t n)
{
	int *dirs = calloc(n, sizeof(*dirs));

	if (!dirs)
		log_fatal(EX_OSERR, "out of memory");
	return dirs;
}

void walls_build(const struct view *v, int dirfd)
{
	int *dirs = room_for(v->h->n_bases + 1);
	size_t n = 0;

	read_ahead();
	dirs[n++] = dirfd;
	for (size_t i = 0; i < v->h->n_bases; i++) {
		int fd = open(view_str(v, v->bases[i].path), O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			dirs[n++] = fd;
	}
	confine("agent", dirs, n, calls, sizeof(calls) / sizeof(calls[0]));
	while (n > 1)
		close_fd(dirs[--n]);
	free(dirs);
}

/* A board whose directory is not the one on record has all its flags put back, silently. */
static void forget_directories(struct agent *a, const struct base *base)
{
	const struct file_id none = {0};
	int r = store_begin(a->store);

	for (size_t i = 0; r == 0 && i < a->n_boards; i++)
		if (board_base(a, &a->boards[i]) == base)
			r = store_put_directory(a->store, board_object(a, &a->boards[i]),
				board_group(a, &a->boards[i]), &none);
	if (r == 0)
		r = store_commit(a->store);
	if (r < 0)
		trouble_store(a, r);
}

void walls_outgrown(struct agent *a, const struct base *base)
{
	log_info("%s: is back, but not as the directory that it was: the agent begins anew",
		board_base_path(a, base));
	forget_directories(a, base);
	runs_settle(a);
	(void)sd_event_exit(a->event, 0);
}
