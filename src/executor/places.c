/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flagmand's own directories. */
#include "executor/places.h"

#include "common/dir.h"
#include "common/fd.h"
#include "wire/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 64

static int open_directory(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* mkdir -p, then open.  These paths are the administrator's. */
static int make_path(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(copy, 0755) < 0 && errno != EEXIST)
		return -errno;
	return open_directory(AT_FDCWD, path);
}

#define LOCK_TRIES      20
#define LOCK_PAUSE_NSEC (50 * 1000 * 1000)

/* A directory of ours below AT, with exactly that owner and mode. */
static int make_own(int at, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* What an earlier flagmand has forked, and has not become its own program yet, holds its locks for
 * a moment longer than it: so a few tries. */
static int take_lock(int directory, const char *name)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NSEC};
	_cleanup_close_ int fd =
		openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	for (unsigned i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -errno;
		(void)nanosleep(&pause, NULL);
	}
	return steal_fd(&fd);
}

/* The lock is held: a socket that is there is a dead flagmand's.  Bound through /proc, because a
 * socket's address has room for 107 bytes of path. */
static int make_control(int run)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (fd < 0 || (unlinkat(run, CONTROL_SOCKET, 0) < 0 && errno != ENOENT))
		return -errno;
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" CONTROL_SOCKET, run);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		fchmodat(run, CONTROL_SOCKET, 0666, 0) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* An absolute path, for those that get it in their environment. */
static char *absolute(const char *path)
{
	char cwd[4096], *out = NULL;

	if (*path == '/')
		return strdup(path);
	if (!getcwd(cwd, sizeof(cwd)) || asprintf(&out, "%s/%s", cwd, path) < 0)
		return NULL;
	return out;
}

static int open_all(struct places *p, const struct identity *id, const char **why)
{
	uid_t own = geteuid();
	gid_t own_gid = getegid();

	*why = p->state_path;
	if ((p->state = make_path(p->state_path)) < 0)
		return p->state;
	if ((p->lock = take_lock(p->state, "lock")) < 0)
		return p->lock;
	if ((p->claims.runs = make_own(p->state, "runs", own, own_gid, 0700)) < 0)
		return p->claims.runs;
	if ((p->agent = make_own(p->state, "agent", id->uid, id->gid, 0700)) < 0)
		return p->agent;
	*why = p->run_path;
	if ((p->run = make_path(p->run_path)) < 0)
		return p->run;
	/* another one's socket, FIFOs and notification sockets would be taken for leftovers */
	if ((p->run_lock = take_lock(p->run, "run.lock")) < 0)
		return p->run_lock;
	if ((p->claims.alive = make_own(p->run, "alive", own, own_gid, 0700)) < 0)
		return p->claims.alive;
	if ((p->notify = make_own(p->run, "notify", own, own_gid, 0711)) < 0)
		return p->notify;
	if ((p->control = make_control(p->run)) < 0)
		return p->control;
	return 0;
}

int places_open(struct places *p, const char *state, const char *run, const struct identity *id,
	const char **why)
{
	*p = (struct places){
		.state_path = absolute(state),
		.run_path = absolute(run),
		.state = -1,
		.claims = {-1, -1},
		.agent = -1,
		.run = -1,
		.notify = -1,
		.lock = -1,
		.run_lock = -1,
		.control = -1,
	};
	*why = state;
	if (!p->state_path || !p->run_path ||
		asprintf(&p->agent_path, "%s/agent", p->state_path) < 0 ||
		asprintf(&p->notify_path, "%s/notify", p->run_path) < 0)
		return -ENOMEM;
	return open_all(p, id, why);
}

static void sweep(int directory, bool (*in_use)(const char *id, void *userdata), void *userdata)
{
	_cleanup_dir_ DIR *d = dir_open(directory, ".");

	for (const struct dirent *e; (e = dir_next(d));)
		if (*e->d_name != '.' && !in_use(e->d_name, userdata))
			(void)unlinkat(directory, e->d_name, 0);
}

void places_sweep(
	const struct places *p, bool (*in_use)(const char *id, void *userdata), void *userdata)
{
	sweep(p->notify, in_use, userdata);
	sweep(p->claims.alive, in_use, userdata);
}

void places_close(struct places *p)
{
	if (p->control >= 0)
		(void)unlinkat(p->run, CONTROL_SOCKET, 0);
	close_fd(p->control);
	close_fd(p->notify);
	close_fd(p->run_lock);
	close_fd(p->run);
	close_fd(p->agent);
	close_fd(p->claims.alive);
	close_fd(p->claims.runs);
	close_fd(p->state);
	close_fd(p->lock);
	free(p->state_path);
	free(p->run_path);
	free(p->agent_path);
	free(p->notify_path);
}
