/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in a flag's place and is not flagman's. */
#include "agent/board.h"
#include "agent/flag.h"
#include "agent/trouble.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COPY_MAX (1024 * 1024)

static bool same_content(int old_fd, int new_fd, uint64_t size)
{
	char path[64];
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *x = malloc(size + 1), *y = malloc(size + 1);

	/* the old one may be O_PATH: open it anew */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", old_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct file_info info;
	if (fd < 0 || !x || !y || file_info_at(fd, "", &info) < 0 || info.size != size)
		return false;
	return pread_all(fd, x, size, 0) == 0 && pread_all(new_fd, y, size, 0) == 0 &&
	       memcmp(x, y, size) == 0;
}

static bool is_copy(int dirfd, const char *name, int old_fd)
{
	struct file_info info;
	_cleanup_close_ int fd = -1;

	if (file_info_at(dirfd, name, &info) < 0 || !S_ISREG(info.mode) || info.nlink != 1)
		return false;
	/* An empty one may be somebody's who is about to write into it. */
	if (old_fd < 0 || info.size == 0 || info.size > COPY_MAX)
		return false;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && same_content(old_fd, fd, info.size);
}

int flag_put_aside(int dirfd, const char *name, int old_fd)
{
	char aside[FLAG_NAME_MAX];
	const char *suffix = "";
	size_t len = strlen(name);

	if (is_copy(dirfd, name, old_fd))
		return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (len > 4 && strcasecmp(name + len - 4, NAME_SUFFIX) == 0)
		suffix = name + (len -= 4);
	for (unsigned i = 1; i < 100; i++) {
		int n = i == 1 ? snprintf(aside, sizeof(aside), "%.*s (put aside)%s", (int)len,
					 name, suffix)
			       : snprintf(aside, sizeof(aside), "%.*s (put aside %u)%s", (int)len,
					 name, i, suffix);
		if (n < 0 || (size_t)n >= sizeof(aside))
			return -ENAMETOOLONG;
		if (renameat2(dirfd, name, dirfd, aside, RENAME_NOREPLACE) == 0) {
			log_info("%s was not flagman's: put aside as %s", name, aside);
			return 0;
		}
		if (errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}
