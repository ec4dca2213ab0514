/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Linux makes of the drive: opens, who has it, and the block device with a size of its own.
 * An open holds two kinds of locks on the node, both of the open file, so that they last as long as
 * any descriptor of it: one of the seats, for counting (CDROMEJECT wants to be alone), and with
 * O_EXCL the place of the one who may have that.  How it was opened is kept in flags of the node
 * that mean nothing for it: it is itself always open for reading and writing.
 */
#include "mmc_drive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEATS         64
#define SEAT_EXCL     (((off_t)1 << 40) + SEATS)
#define FLAG_DIRECT   O_DSYNC
#define FLAG_READONLY O_APPEND

static bool take_seat(int fd, off_t seat)
{
	struct flock lock = {.l_type = F_WRLCK, .l_start = seat, .l_len = 1};

	return syscall(SYS_fcntl, fd, F_OFD_SETLK, &lock) == 0;
}

static bool is_taken(int fd, off_t seat)
{
	struct flock lock = {.l_type = F_WRLCK, .l_start = seat, .l_len = 1};

	return syscall(SYS_fcntl, fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int mmc_kernel_users(void)
{
	int fd = mmc_open_file("node", O_RDWR), users = 0;

	for (off_t i = 0; i < SEATS; i++)
		users += is_taken(fd, SEAT_EXCL - SEATS + i);
	close(fd);
	return users;
}

static int flags_of(int fd)
{
	return (int)syscall(SYS_fcntl, fd, F_GETFL, NULL);
}

bool mmc_kernel_direct(int fd)
{
	return (flags_of(fd) & FLAG_DIRECT) == FLAG_DIRECT;
}

bool mmc_kernel_writable(int fd)
{
	return !(flags_of(fd) & FLAG_READONLY);
}

int64_t mmc_kernel_size(void)
{
	return mmc_state()->kernel_blocks * MMC_BLOCK;
}

/*
 * As sr does at an open: it asks the drive if something has changed, and believes only that.  Who
 * has it open already while a disc is changed is told of it himself, by his next command.
 */
static void look_at_disc(void)
{
	struct mmc_state *m = mmc_state();

	m->attention = 0;
	if (mmc_readiness()) {
		m->kernel_blocks = 0; /* and looks once more at the next open */
		m->kernel_changed = m->kernel_changed || m->profile;
		return;
	}
	if (m->kernel_changed || !m->stale_size)
		m->kernel_blocks = mmc_recorded();
	m->kernel_changed = 0;
}

/* Without O_NONBLOCK somebody wants to read: a tray is pulled in, and there must be a disc. */
static int want_disc(int flags)
{
	struct mmc_state *m = mmc_state();

	if (m->tray_open)
		mmc_load();
	if (m->tray_open || !m->profile)
		return -ENOMEDIUM;
	if ((flags & O_ACCMODE) != O_RDONLY && m->profile != 0x1a)
		return -EROFS;
	return 0;
}

static int check_open(int flags)
{
	struct mmc_state *m = mmc_state();

	if (m->gone)
		return -ENXIO;
	if (m->denied)
		return -EACCES;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (flags & O_EXCL && m->mounted)
		return -EBUSY;
	return flags & O_NONBLOCK ? 0 : want_disc(flags);
}

static int open_node(int flags)
{
	int marks = (flags & O_CLOEXEC) | (flags & O_DIRECT ? FLAG_DIRECT : 0) |
		    ((flags & O_ACCMODE) == O_RDONLY ? FLAG_READONLY : 0);
	int fd = mmc_open_file("node", O_RDWR | marks);
	off_t seat = SEAT_EXCL - SEATS;

	if (fd < 0)
		return -errno;
	if (!(flags & O_CLOEXEC))
		syscall(SYS_fcntl, fd, F_SETFD, 0L);
	if (flags & O_EXCL && !take_seat(fd, SEAT_EXCL)) {
		close(fd);
		return -EBUSY;
	}
	while (seat < SEAT_EXCL && !take_seat(fd, seat))
		seat++;
	return fd;
}

int mmc_kernel_open(int flags)
{
	struct mmc_state *m = mmc_state();
	int lock = mmc_lock(), fd;

	if (mmc_kernel_users() == 0) { /* what has happened since the last close */
		m->locked = m->kept_locked;
		mmc_break_off();
	}
	fd = check_open(flags);
	if (fd == 0)
		fd = open_node(flags);
	if (fd >= 0)
		look_at_disc();
	mmc_log("OPEN%s%s%s%s", (flags & O_ACCMODE) == O_RDONLY ? " ro" : " rw",
		flags & O_EXCL ? " excl" : "", flags & O_DIRECT ? " direct" : "",
		fd < 0 ? " -> failed" : "");
	mmc_unlock(lock);
	return fd;
}

/* How many bytes can be read: up to the end, or to a sector that is bad. */
static ssize_t readable(int64_t at, size_t size)
{
	struct mmc_state *m = mmc_state();
	int64_t first = at / MMC_BLOCK, end = mmc_kernel_size(), n = (int64_t)size, bad;

	if (m->gone)
		return -ENXIO;
	if (at >= end)
		return 0;
	if (m->tray_open || !m->profile)
		return -ENOMEDIUM;
	if (n > end - at)
		n = end - at;
	bad = mmc_bad_sector(first, (size_t)((at + n - 1) / MMC_BLOCK - first + 1));
	if (bad < 0)
		return n;
	return bad * MMC_BLOCK > at ? bad * MMC_BLOCK - at : -EIO;
}

static ssize_t copy(uint8_t *to, int64_t at, ssize_t n)
{
	uint8_t block[MMC_BLOCK];

	for (ssize_t done = 0; done < n;) {
		int64_t within = (at + done) % MMC_BLOCK, part = MMC_BLOCK - within;
		if (part > n - done)
			part = n - done;
		if (mmc_data_read((at + done) / MMC_BLOCK, 1, block) < 0)
			return -EIO;
		memcpy(to + done, block + within, (size_t)part);
		done += part;
	}
	return n;
}

ssize_t mmc_kernel_read(int fd, void *to, size_t size, int64_t at)
{
	ssize_t n;
	int lock;

	if (at < 0)
		return -EINVAL;
	if (mmc_kernel_direct(fd) && (at % MMC_BLOCK || size % MMC_BLOCK || (uintptr_t)to % 512))
		return -EINVAL;
	mmc_sleep(mmc_state()->read_ms * 1000);
	lock = mmc_lock();
	n = size ? readable(at, size) : 0;
	if (n > 0 && at % MMC_BLOCK == 0 && n % MMC_BLOCK == 0)
		n = mmc_data_read(at / MMC_BLOCK, (size_t)n / MMC_BLOCK, to) < 0 ? -EIO : n;
	else if (n > 0)
		n = copy(to, at, n);
	mmc_log("BLOCK_READ at=%lld size=%zu -> %zd", (long long)at, size, n);
	mmc_unlock(lock);
	return n;
}
