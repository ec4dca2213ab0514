/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded by tests: what is written to a claim's record (CLAIM_RECORD_AT) is an I/O error. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLAIM_RECORD_AT 3584

static ssize_t no_record(int fd, const void *data, size_t size, off_t offset)
{
	if (offset == CLAIM_RECORD_AT) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return no_record(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	return no_record(fd, data, size, offset);
}
