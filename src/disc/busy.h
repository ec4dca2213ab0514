/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a drive: what the kernel says of the one that may be opened with O_EXCL (open(2): a block
 * device that is mounted or so opened by another gives EBUSY, before the drive itself is touched).
 */
#ifndef FLAGMAN_DISC_BUSY_H
#define FLAGMAN_DISC_BUSY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Opens DEVICE, a block device, exclusively with FLAGS (O_RDONLY or O_RDWR, O_DIRECT); never
 * blocks.  The descriptor, or minus a verdict's status.
 */
int busy_open(const char *device, int flags);
/* Locks the file behind FD (flock(2)), which plays a drive: 0 or a verdict's status. */
int busy_lock(int fd, const char *path);

/* Whether LINE of proc_pid_mountinfo(5), which is changed, mounts DEVICE: then where and by whom.
 */
bool busy_read_mount(char *line, dev_t device, char *who, size_t size);

#endif
