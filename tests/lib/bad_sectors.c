/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded by tests: bytes BAD_FIRST to BAD_LAST of the file BAD_FILE can't be read, as on a
 * scratched disc: a read(2) or pread(2) that touches them is EIO.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_bad(int fd, size_t size, off_t offset)
{
	const char *path = getenv("BAD_FILE"), *first = getenv("BAD_FIRST"),
		   *last = getenv("BAD_LAST");
	struct stat st, bad;

	return path && first && last && fstat(fd, &st) == 0 && stat(path, &bad) == 0 &&
	       st.st_dev == bad.st_dev && st.st_ino == bad.st_ino && offset <= atoll(last) &&
	       offset + (off_t)size > atoll(first);
}

static ssize_t bad_pread(int fd, void *to, size_t size, off_t offset)
{
	if (is_bad(fd, size, offset)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, to, size, offset);
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
	return bad_pread(fd, to, size, offset);
}

ssize_t pread64(int fd, void *to, size_t size, off64_t offset)
{
	return bad_pread(fd, to, size, offset);
}

ssize_t read(int fd, void *to, size_t size)
{
	off_t at = lseek(fd, 0, SEEK_CUR);

	if (at >= 0 && is_bad(fd, size, at)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_read, fd, to, size);
}
