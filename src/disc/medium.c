/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/medium.h"

#include "disc/busy.h"
#include "disc/disc.h"
#include "disc/say.h"
#include "disc/tray.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

static int open_file(const struct drive *d, struct medium *ret)
{
	struct stat st;
	_cleanup_close_ int fd = open(d->path, O_RDONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == EINVAL) { /* tmpfs and others can't */
		fd = open(d->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && fsync(fd) == 0)
			(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	if (fd < 0 && errno == ENOENT)
		return verdict(DISC_NONE, "there is no disc in %s: no file is there", d->device);
	if (fd < 0 || fstat(fd, &st) < 0)
		return verdict(
			EX_UNAVAILABLE, "%s can't be opened: %s", d->device, strerror(errno));
	*ret = (struct medium){.file = true, .size = (uint64_t)st.st_size};
	ret->fd = steal_fd(&fd);
	return 0;
}

/* Out and in again; a tray that is held shut, or that nobody can close, is no reason not to read:
 * O_DIRECT reads the disc too. */
static int cycle_tray(const struct drive *d)
{
	if (!tray_is_there(d->path))
		return 0;
	say_doing("taking the disc of %s out and in, to read it afresh", d->device);
	if (tray_open(d->path) == DISC_NO_TRAY) {
		say_fact("Tray", "it did not open: the disc is read without that");
		return 0;
	}
	return tray_close(d->path, true);
}

static int no_disc(const struct drive *d, int status)
{
	if (status == CDS_TRAY_OPEN)
		return verdict(DISC_NONE,
			"the tray of %s is open: there is no disc to read. Put one in and close it",
			d->device);
	return verdict(DISC_NONE, "there is no disc in %s: put one in", d->device);
}

static int open_device(const struct drive *d, bool cycle, struct medium *ret)
{
	_cleanup_close_ int fd = -1;
	int status = tray_status(d->path);

	if (status == CDS_NO_DISC || status == CDS_TRAY_OPEN)
		return no_disc(d, status);
	if (cycle) {
		status = cycle_tray(d);
		if (status)
			return status;
	}
	fd = busy_open(d->path, O_RDONLY | O_DIRECT);
	if (fd < 0)
		return -fd;
	*ret = (struct medium){.fd = -1};
	(void)ioctl(fd, BLKFLSBUF, 0); /* for root: what the page cache has goes as well */
	if (ioctl(fd, BLKGETSIZE64, &ret->size) < 0)
		return verdict(EX_UNAVAILABLE, "%s does not tell its disc's size: %s", d->device,
			strerror(errno));
	ret->fd = steal_fd(&fd);
	return 0;
}

int medium_open(const struct drive *d, bool cycle, struct medium *ret)
{
	*ret = (struct medium){.fd = -1};
	return d->file ? open_file(d, ret) : open_device(d, cycle, ret);
}

ssize_t medium_read(struct medium *m, void *to, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		/* O_DIRECT takes whole blocks; what is more than SIZE is not counted */
		size_t want = (size - done + MEDIUM_ALIGN - 1) / MEDIUM_ALIGN * MEDIUM_ALIGN;
		ssize_t n = pread(m->fd, (char *)to + done, m->file ? want : size - done,
			(off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
		if (n == 0)
			break; /* the end */
		if (m->file && n % MEDIUM_ALIGN != 0) {
			if (offset + done < m->size && done < size)
				return -EIO; /* something in the middle can't be read */
			break; /* the end of a file: O_DIRECT would not take the next offset */
		}
	}
	return (ssize_t)(done < size ? done : size);
}

/* A file's blocks may be larger than a sector: without O_DIRECT from here on. */
static void read_plainly(struct medium *m)
{
	int flags = fcntl(m->fd, F_GETFL);

	if (m->file && flags & O_DIRECT)
		(void)fcntl(m->fd, F_SETFL, flags & ~O_DIRECT);
}

ssize_t medium_read_sector(struct medium *m, void *to, uint64_t offset)
{
	ssize_t n = -1;

	read_plainly(m);
	for (int i = 0; i < MEDIUM_RETRIES && n < 0; i++)
		n = pread(m->fd, to, SECTOR, (off_t)offset);
	return n < 0 ? -errno : n;
}

ssize_t medium_read_patiently(struct medium *m, void *to, size_t size, uint64_t offset)
{
	ssize_t n = medium_read(m, to, size, offset);
	size_t done = 0;

	if (n >= 0)
		return n;
	for (n = SECTOR; done < size && n == SECTOR; done += n > 0 ? (size_t)n : 0)
		n = medium_read_sector(m, (char *)to + done, offset + done);
	return n < 0 ? n : (ssize_t)done;
}

int medium_gone(const struct drive *d)
{
	int status = d->file ? CDS_DISC_OK : tray_status(d->path);

	if (status == CDS_TRAY_OPEN || status == CDS_NO_DISC)
		return verdict(DISC_NONE,
			"the disc was taken out of %s while it was read: put it in again",
			d->device);
	if (status < 0)
		return verdict(EX_UNAVAILABLE,
			"%s went away while its disc was read: is it connected and switched on?",
			d->device);
	return 0;
}
