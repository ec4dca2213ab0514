/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors and memory that clean up after themselves, and the identity of a file.
 *
 *	_cleanup_close_ int fd = openat(...);      closed at the end of the scope
 *	_cleanup_free_ char *s = strdup(...);      freed
 *	return steal_fd(&fd);                      handed over to the caller
 */
#ifndef FLAGMAN_FD_H
#define FLAGMAN_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>

void close_fd(int fd); /* keeps errno; a negative FD is ignored */

static inline void close_fdp_(const int *fd)
{
	close_fd(*fd);
}
static inline void freep_(void *p)
{
	free(*(void **)p);
}
static inline int steal_fd(int *fd)
{
	int r = *fd;
	*fd = -1;
	return r;
}
static inline void *steal_ptr_(void *p)
{
	void **pp = p, *r = *pp;
	*pp = NULL;
	return r;
}
#define steal_ptr(p)    ((__typeof__(*(p)))steal_ptr_(p))
#define _cleanup_close_ __attribute__((cleanup(close_fdp_)))
#define _cleanup_free_  __attribute__((cleanup(freep_)))
#define _cleanup_(f)    __attribute__((cleanup(f)))

/*
 * A file's identity.  ext4 reuses inode numbers at once, so the birth time belongs to it
 * (statx(2), STATX_BTIME; 0 where the file system has none).
 */
struct file_id {
	uint64_t dev;
	uint64_t ino;
	uint64_t btime_ns;
};
static inline bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->btime_ns == b->btime_ns;
}

struct file_info {
	struct file_id id;
	uint64_t size;
	int64_t mtime_ns;
	uint32_t mode; /* type and permissions */
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
};

/* statx(2) of NAME below DIRFD, never following a symlink.  NAME "" is DIRFD itself.
 * 0 or -errno; *RET is untouched on failure. */
int file_info_at(int dirfd, const char *name, struct file_info *ret);

/*
 * Where the inode behind FD is now: readlink of /proc/self/fd/FD (proc(5)).  *RET_DELETED tells
 * whether " (deleted)" stood behind the name; it is cut off, and BUF has the path.  A file whose
 * own name ends in " (deleted)" is told apart by st_nlink, so pass what statx says.
 * 0 or -errno (-ENAMETOOLONG when BUF is too small).
 */
int fd_path(int fd, uint32_t nlink, char *buf, size_t size, bool *ret_deleted);

/* Write or read all of it; 0 or -errno (-EIO for a short read). */
int write_all(int fd, const void *data, size_t len);
int pread_all(int fd, void *data, size_t len, off_t offset);

/* mkstemp-like: write DATA to NAME below DIRFD through a temporary, fsync, rename. 0 or -errno. */
int write_file_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode);

/* Close every descriptor from FIRST on (close_range(2)). */
void close_from(int first);

/* The boot's id, 32 hex digits (/proc/sys/kernel/random/boot_id without its dashes). */
const char *boot_id(void);

#endif
