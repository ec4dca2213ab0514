/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a disc back, and no copy of it: the device is opened afresh, exclusively and with
 * O_DIRECT, so that every byte comes from the drive; after a tray cycle, where there is a tray,
 * because the kernel may still believe in the size that the disc had before a burn, and then reads
 * nothing without an error (measured).  A file that plays a disc is synced and dropped from the
 * page cache where its file system can't do O_DIRECT.
 *
 * A read that fails is tried again sector by sector: what can't be had is told apart from what is
 * different, and neither is ever taken for good.
 */
#ifndef FLAGMAN_DISC_MEDIUM_H
#define FLAGMAN_DISC_MEDIUM_H

#include "disc/drive.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MEDIUM_ALIGN   4096
#define MEDIUM_CHUNK   (1024 * 1024) /* bytes read at once: a multiple of MEDIUM_ALIGN */
#define MEDIUM_RETRIES 3

struct medium {
	int fd;
	bool file;
	uint64_t size; /* bytes that it says it has */
};

/* Opens the disc in D, which nobody holds.  CYCLE: through the tray, where it can be.  0 or a
 * verdict's status (DISC_NONE, EX_TEMPFAIL, ...).  The caller closes ret->fd. */
int medium_open(const struct drive *d, bool cycle, struct medium *ret);

/* SIZE bytes from OFFSET (both multiples of SECTOR) into TO, which is aligned to MEDIUM_ALIGN and
 * has room for a multiple of it.  Returns how many there were, which is less than SIZE only at the
 * end of the disc; -EIO and the like. */
ssize_t medium_read(struct medium *m, void *to, size_t size, uint64_t offset);
/* The same, and what can't be read in one go is read by sectors, with retries. */
ssize_t medium_read_patiently(struct medium *m, void *to, size_t size, uint64_t offset);
/* One sector, with retries: how many bytes there were, 0 at the end of the disc; -errno. */
ssize_t medium_read_sector(struct medium *m, void *to, uint64_t offset);

/* Could D not be read because the disc is gone, or the drive?  0 if not; else a verdict's status.
 */
int medium_gone(const struct drive *d);

#endif
