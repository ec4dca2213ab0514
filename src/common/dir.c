/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/dir.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

DIR *dir_of(int fd)
{
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		close_fd(fd);
	return d;
}

DIR *dir_open(int dirfd, const char *name)
{
	return dir_of(openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

const struct dirent *dir_next(DIR *d)
{
	const struct dirent *e;

	if (!d)
		return NULL;
	do
		e = readdir(d);
	while (e && is_dots(e->d_name));
	return e;
}

bool dir_is_empty(int fd)
{
	_Alignas(struct dirent64) char entries[1024];
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return false;
	while ((n = getdents64(fd, entries, sizeof(entries))) > 0) {
		const struct dirent64 *e;
		for (ssize_t at = 0; at < n; at += e->d_reclen) {
			e = (const struct dirent64 *)(const void *)(entries + at);
			if (!is_dots(e->d_name)) {
				(void)lseek(fd, 0, SEEK_SET);
				return false;
			}
		}
	}
	return n == 0;
}
