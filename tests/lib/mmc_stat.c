/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drive's name in the file system: a block device, 11:9.  The other half of mmc_drive.c.
 */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include "mmc_drive.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int stat_any(int at, const char *path, struct stat *st, int flags)
{
	bool drive = path && *path ? mmc_names_drive(at, path) : mmc_is_drive(at);
	char link[8];

	if (drive && flags & AT_SYMLINK_NOFOLLOW &&
		syscall(SYS_readlinkat, at, path, link, sizeof(link)) > 0)
		drive = false;
	if (!drive)
		return (int)syscall(SYS_newfstatat, at, path, st, flags);
	if (mmc_state()->gone)
		return mmc_fail(-ENOENT);
	memset(st, 0, sizeof(*st));
	st->st_dev = makedev(0, 5);
	st->st_ino = 9 + mmc_minor();
	st->st_nlink = 1;
	st->st_mode = S_IFBLK | (mmc_state()->denied ? 0600 : 0666);
	st->st_rdev = makedev(11, mmc_minor());
	st->st_blksize = 4096;
	return 0;
}

/* struct stat64 is the same where long has 64 bits. */
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "stat64");

#define STAT(NAME, TYPE, FLAGS) \
	int NAME(const char *path, struct TYPE *st) \
	{ \
		return stat_any(AT_FDCWD, path, (struct stat *)(void *)st, FLAGS); \
	}
#define FSTAT(NAME, TYPE) \
	int NAME(int fd, struct TYPE *st) \
	{ \
		return stat_any(fd, "", (struct stat *)(void *)st, AT_EMPTY_PATH); \
	}
#define FSTATAT(NAME, TYPE) \
	int NAME(int at, const char *path, struct TYPE *st, int flags) \
	{ \
		return stat_any(at, path, (struct stat *)(void *)st, flags); \
	}
STAT(stat, stat, 0)
STAT(stat64, stat64, 0)
STAT(lstat, stat, AT_SYMLINK_NOFOLLOW)
STAT(lstat64, stat64, AT_SYMLINK_NOFOLLOW)
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)
FSTATAT(fstatat, stat)
FSTATAT(fstatat64, stat64)

/* What they were until glibc 2.33, and still are in Debian's libburn. */
#define XSTAT(NAME, TYPE, FLAGS) \
	int NAME(int version, const char *path, struct TYPE *st); \
	int NAME(int version, const char *path, struct TYPE *st) \
	{ \
		(void)version; \
		return stat_any(AT_FDCWD, path, (struct stat *)(void *)st, FLAGS); \
	}
#define FXSTAT(NAME, TYPE) \
	int NAME(int version, int fd, struct TYPE *st); \
	int NAME(int version, int fd, struct TYPE *st) \
	{ \
		(void)version; \
		return stat_any(fd, "", (struct stat *)(void *)st, AT_EMPTY_PATH); \
	}
XSTAT(__xstat, stat, 0)
XSTAT(__xstat64, stat64, 0)
XSTAT(__lxstat, stat, AT_SYMLINK_NOFOLLOW)
XSTAT(__lxstat64, stat64, AT_SYMLINK_NOFOLLOW)
FXSTAT(__fxstat, stat)
FXSTAT(__fxstat64, stat64)

int statx(int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict x)
{
	bool drive = *path ? mmc_names_drive(at, path) : mmc_is_drive(at);
	struct stat st = {0};
	int r;

	if (!drive)
		return (int)syscall(SYS_statx, at, path, flags, mask, x);
	r = stat_any(at, path, &st, flags);
	if (r < 0)
		return r;
	memset(x, 0, sizeof(*x));
	x->stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_INO;
	x->stx_mode = (uint16_t)st.st_mode;
	x->stx_nlink = 1;
	x->stx_ino = st.st_ino;
	x->stx_rdev_major = major(st.st_rdev);
	x->stx_rdev_minor = minor(st.st_rdev);
	x->stx_dev_minor = 5;
	return 0;
}

static int access_any(int at, const char *path, int mode, int flags)
{
	if (mmc_names_drive(at, path)) {
		if (mmc_state()->gone)
			return mmc_fail(-ENOENT);
		return mmc_fail(mode == F_OK || !mmc_state()->denied ? 0 : -EACCES);
	}
	if (flags)
		return (int)syscall(SYS_faccessat2, at, path, mode, flags);
	return (int)syscall(SYS_faccessat, at, path, mode);
}

int access(const char *path, int mode)
{
	return access_any(AT_FDCWD, path, mode, 0);
}

int faccessat(int at, const char *path, int mode, int flags)
{
	return access_any(at, path, mode, flags);
}

int euidaccess(const char *path, int mode)
{
	return access_any(AT_FDCWD, path, mode, AT_EACCESS);
}

int eaccess(const char *path, int mode)
{
	return access_any(AT_FDCWD, path, mode, AT_EACCESS);
}

static char *real_path(const char *path, char *to)
{
	typedef char *realpath_fn(const char *, char *);

	if (!mmc_names_drive(AT_FDCWD, path))
		return ((realpath_fn *)dlsym(RTLD_NEXT, "realpath"))(path, to);
	if (!to)
		return strdup(mmc_device());
	snprintf(to, PATH_MAX, "%s", mmc_device());
	return to;
}

char *__realpath_chk(const char *path, char *to, size_t size);

char *realpath(const char *restrict path, char *restrict to)
{
	return real_path(path, to);
}

char *__realpath_chk(const char *path, char *to, size_t size)
{
	(void)size;
	return real_path(path, to);
}

char *canonicalize_file_name(const char *path)
{
	return real_path(path, NULL);
}
