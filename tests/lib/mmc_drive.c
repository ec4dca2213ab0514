/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded by tests: an optical drive (mmc_drive.h says how).  Here are libc's functions by which
 * a program reaches it; those with __ are what they are called by programs built with
 * _FORTIFY_SOURCE. An open of the device opens a file, so that dup(), fork(), exec() and close()
 * need no help, and a descriptor is the drive's if it is one of that file.  All else is passed on
 * to the kernel.
 */
#undef _FILE_OFFSET_BITS /* they give other names to what is defined here */
#undef _FORTIFY_SOURCE
#include "mmc_drive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <dlfcn.h>

#define LOCKS_BELOW ((off_t)1 << 40)

bool mmc_is_drive(int fd)
{
	struct stat st;
	int saved = errno;
	bool yes = mmc_state() && fd >= 0 &&
		   syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 &&
		   mmc_is_node(st.st_dev, st.st_ino);

	errno = saved;
	return yes;
}

/* The device's name, a link that leads there, or the file behind it. */
bool mmc_names_drive(int at, const char *path)
{
	char link[PATH_MAX];
	struct stat st;
	int saved = errno;
	ssize_t n = 0;
	bool yes = false;

	if (!mmc_state() || !path || !*path)
		return false;
	if (strcmp(path, mmc_device()) == 0)
		yes = true;
	else if (syscall(SYS_newfstatat, at, path, &st, 0) == 0)
		yes = mmc_is_node(st.st_dev, st.st_ino);
	else if ((n = syscall(SYS_readlinkat, at, path, link, sizeof(link) - 1)) > 0) {
		link[n] = '\0';
		yes = strcmp(link, mmc_device()) == 0;
	}
	errno = saved;
	return yes;
}

int mmc_fail(int error)
{
	if (error >= 0)
		return error;
	errno = -error;
	return -1;
}

static int open_any(int at, const char *path, int flags, mode_t mode)
{
	if (!(flags & O_PATH) && mmc_names_drive(at, path))
		return mmc_fail(mmc_kernel_open(flags));
	return (int)syscall(SYS_openat, at, path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPEN(NAME) \
	int NAME(const char *path, int flags, ...) \
	{ \
		va_list args; \
		mode_t mode; \
		va_start(args, flags); \
		mode = mode_of(flags, args); \
		va_end(args); \
		return open_any(AT_FDCWD, path, flags, mode); \
	}
#define OPENAT(NAME) \
	int NAME(int at, const char *path, int flags, ...) \
	{ \
		va_list args; \
		mode_t mode; \
		va_start(args, flags); \
		mode = mode_of(flags, args); \
		va_end(args); \
		return open_any(at, path, flags, mode); \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags);

int __open_2(const char *path, int flags)
{
	return open_any(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
	return open_any(AT_FDCWD, path, flags, 0);
}

int __openat_2(int at, const char *path, int flags)
{
	return open_any(at, path, flags, 0);
}

int __openat64_2(int at, const char *path, int flags)
{
	return open_any(at, path, flags, 0);
}

/* A stream reads through libc itself, not through what is here: one of ours has ways of its own. */
static ssize_t stream_read(void *cookie, char *to, size_t size)
{
	return read(*(int *)cookie, to, size);
}

static int stream_seek(void *cookie, off64_t *offset, int whence)
{
	off64_t at = lseek64(*(int *)cookie, *offset, whence);

	if (at < 0)
		return -1;
	*offset = at;
	return 0;
}

static int stream_close(void *cookie)
{
	close(*(int *)cookie);
	free(cookie);
	return 0;
}

static FILE *open_stream(const char *mode)
{
	cookie_io_functions_t io = {
		.read = stream_read, .seek = stream_seek, .close = stream_close};
	int fd = mmc_fail(mmc_kernel_open(strpbrk(mode, "wa+") ? O_RDWR : O_RDONLY));
	int *cookie = fd < 0 ? NULL : malloc(sizeof(*cookie));

	if (!cookie)
		return NULL;
	*cookie = fd;
	return fopencookie(cookie, mode, io);
}

/* libburn and others look for drives in a file of /proc. */
static FILE *stream_any(const char *how, const char *path, const char *mode)
{
	typedef FILE *fopen_fn(const char *, const char *);
	const char *directory = getenv("FLAGMAN_MMC_DRIVE");
	char info[PATH_MAX];

	if (mmc_names_drive(AT_FDCWD, path))
		return open_stream(mode);
	if (directory && strcmp(path, "/proc/sys/dev/cdrom/info") == 0) {
		snprintf(info, sizeof(info), "%s/info", directory);
		path = info;
	}
	return ((fopen_fn *)dlsym(RTLD_NEXT, how))(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	return stream_any("fopen", path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	return stream_any("fopen64", path, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	if (mmc_is_drive(fd))
		return mmc_fail(mmc_kernel_ioctl(fd, request, argument));
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

static ssize_t read_at(int fd, void *to, size_t size, off_t at)
{
	ssize_t n = mmc_kernel_read(fd, to, size, at);

	if (n >= 0)
		return n;
	errno = (int)-n;
	return -1;
}

static ssize_t read_any(int fd, void *to, size_t size)
{
	ssize_t n;

	if (!mmc_is_drive(fd))
		return syscall(SYS_read, fd, to, size);
	n = read_at(fd, to, size, syscall(SYS_lseek, fd, 0, SEEK_CUR));
	if (n > 0)
		syscall(SYS_lseek, fd, n, SEEK_CUR);
	return n;
}

static ssize_t pread_any(int fd, void *to, size_t size, off_t at)
{
	return mmc_is_drive(fd) ? read_at(fd, to, size, at)
				: (ssize_t)syscall(SYS_pread64, fd, to, size, at);
}

ssize_t __read_chk(int fd, void *to, size_t size, size_t room);
ssize_t __pread_chk(int fd, void *to, size_t size, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *to, size_t size, off64_t at, size_t room);

ssize_t read(int fd, void *to, size_t size)
{
	return read_any(fd, to, size);
}

ssize_t __read_chk(int fd, void *to, size_t size, size_t room)
{
	if (size > room)
		abort();
	return read_any(fd, to, size);
}

ssize_t pread(int fd, void *to, size_t size, off_t at)
{
	return pread_any(fd, to, size, at);
}

ssize_t pread64(int fd, void *to, size_t size, off64_t at)
{
	return pread_any(fd, to, size, at);
}

ssize_t __pread_chk(int fd, void *to, size_t size, off_t at, size_t room)
{
	if (size > room)
		abort();
	return pread_any(fd, to, size, at);
}

ssize_t __pread64_chk(int fd, void *to, size_t size, off64_t at, size_t room)
{
	return __pread_chk(fd, to, size, at, room);
}

static off_t seek_any(int fd, off_t offset, int whence)
{
	if (whence == SEEK_END && mmc_is_drive(fd)) {
		offset += mmc_kernel_size();
		whence = SEEK_SET;
	}
	return syscall(SYS_lseek, fd, offset, whence);
}

off_t lseek(int fd, off_t offset, int whence)
{
	return seek_any(fd, offset, whence);
}

off64_t lseek64(int fd, off64_t offset, int whence)
{
	return seek_any(fd, offset, whence);
}

/* mmc_kernel.c's own locks are above LOCKS_BELOW, and not in the way of a program's. */
static int fcntl_drive(int fd, int command, void *argument)
{
	struct flock *lock = argument;
	int r;

	if (command == F_GETFL)
		return mmc_kernel_writable(fd) ? O_RDWR : O_RDONLY;
	if (command == F_SETFL)
		return 0;
	if (command == F_SETLK || command == F_SETLKW || command == F_GETLK ||
		command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK) {
		struct flock clipped = *lock;
		if (clipped.l_len == 0)
			clipped.l_len = LOCKS_BELOW - clipped.l_start;
		r = (int)syscall(SYS_fcntl, fd, command, &clipped);
		lock->l_type = command == F_GETLK || command == F_OFD_GETLK ? clipped.l_type
									    : lock->l_type;
		return r;
	}
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

static int fcntl_any(int fd, int command, void *argument)
{
	return mmc_is_drive(fd) ? fcntl_drive(fd, command, argument)
				: (int)syscall(SYS_fcntl, fd, command, argument);
}

#define FCNTL(NAME) \
	int NAME(int fd, int command, ...) \
	{ \
		va_list args; \
		void *argument; \
		va_start(args, command); \
		argument = va_arg(args, void *); \
		va_end(args); \
		return fcntl_any(fd, command, argument); \
	}
FCNTL(fcntl)
FCNTL(fcntl64)

unsigned sleep(unsigned seconds)
{
	return usleep(seconds * 1000000) < 0 ? seconds : 0;
}

int usleep(useconds_t usec)
{
	int64_t us = mmc_state() && mmc_state()->haste > 1 ? usec / mmc_state()->haste : usec;
	struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	return (int)syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &t, NULL);
}
