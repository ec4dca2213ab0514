/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded by tests: a quota.  While the file $QUOTA_SWITCH begins with a 1, nothing below
 * $QUOTA_BELOW can be written or made: EDQUOT.  To remove, rename and shorten is allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const volatile char *reached;
static const char *below;

__attribute__((constructor)) static void map_switch(void)
{
	const char *path = getenv("QUOTA_SWITCH");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

	below = getenv("QUOTA_BELOW");
	if (map == MAP_FAILED || !below)
		abort();
	close(fd);
	reached = map;
}

static int refused(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (!reached || *reached != '1')
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = '\0';
	if (strncmp(path, below, strlen(below)) != 0)
		return 0;
	errno = EDQUOT;
	return 1;
}

ssize_t write(int fd, const void *data, size_t size)
{
	return refused(fd) ? -1 : syscall(SYS_write, fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	return refused(fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return pwrite64(fd, data, size, at);
}

int fallocate64(int fd, int mode, off64_t at, off64_t size)
{
	return refused(fd) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, size);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
	return fallocate64(fd, mode, at, size);
}
