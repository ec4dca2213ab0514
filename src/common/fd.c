/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/fd.h"

#include "common/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DELETED " (deleted)"

void close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

static int64_t nanoseconds(struct statx_timestamp t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int file_info_at(int dirfd, const char *name, struct file_info *ret)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);
	struct statx st;

	if (statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return -errno;
	*ret = (struct file_info){
		.id.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
		.id.ino = st.stx_ino,
		.id.btime_ns = st.stx_mask & STATX_BTIME ? (uint64_t)nanoseconds(st.stx_btime) : 0,
		.size = st.stx_size,
		.mtime_ns = nanoseconds(st.stx_mtime),
		.mode = st.stx_mode,
		.nlink = st.stx_nlink,
		.uid = st.stx_uid,
		.gid = st.stx_gid,
	};
	return 0;
}

/* Is PATH, to the letter, a name of FD's inode? */
static bool is_its_name(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

int fd_path(int fd, uint32_t nlink, char *buf, size_t size, bool *ret_deleted)
{
	const size_t tail = strlen(DELETED);
	char link[sizeof("/proc/self/fd/") + 12];
	bool deleted = false;
	ssize_t n;

	if (size == 0)
		return -ENAMETOOLONG;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size);
	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	/* With a hard link kept elsewhere nlink is not 0, and the words may still be the kernel's:
	 * they are a part of the name only if the file is there under it. */
	if ((size_t)n > tail && strcmp(buf + n - tail, DELETED) == 0 &&
		(nlink == 0 || !is_its_name(fd, buf))) {
		buf[(size_t)n - tail] = '\0';
		deleted = true;
	}
	*ret_deleted = deleted;
	return 0;
}

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int pread_all(int fd, void *data, size_t len, off_t offset)
{
	char *p = data;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fill_file(int fd, const void *data, size_t len, mode_t mode)
{
	int r = write_all(fd, data, len);

	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int write_file_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	struct token random = token_new();
	char tmp[TOKEN_HEX + 2] = ".";
	_cleanup_close_ int fd = -1;
	int r;

	token_hex(&random, tmp + 1);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill_file(fd, data, len, mode);
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, tmp, 0);
	return r;
}

void close_from(int first)
{
	closefrom(first); /* glibc's: close_range(2), or /proc where the kernel has none */
}

static bool read_boot_id(char *ret)
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	struct token t;
	char text[36], hex[TOKEN_HEX + 1];
	size_t n = 0;

	if (fd < 0 || pread_all(fd, text, sizeof(text), 0) < 0)
		return false;
	for (size_t i = 0; i < sizeof(text) && n < TOKEN_HEX; i++)
		if (text[i] != '-')
			hex[n++] = text[i];
	hex[n] = '\0';
	if (!token_parse(hex, &t))
		return false;
	memcpy(ret, hex, sizeof(hex));
	return true;
}

const char *boot_id(void)
{
	static char id[TOKEN_HEX + 1];

	/* Where it can't be read, say a boot that nobody has seen: what was pressed in another boot
	 * is shown and never run, which is the harmless mistake. */
	if (!id[0] && !read_boot_id(id)) {
		struct token random = token_new();
		token_hex(&random, id);
	}
	return id;
}
