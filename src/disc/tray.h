/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tray, through libcdio's MMC commands.  Not cdio_eject_media(): that unmounts a mounted disc
 * without a word (measured).
 */
#ifndef FLAGMAN_DISC_TRAY_H
#define FLAGMAN_DISC_TRAY_H

#include <stdbool.h>

/* The kernel's view (CDROM_DRIVE_STATUS, linux/cdrom.h): CDS_NO_DISC, CDS_TRAY_OPEN, CDS_DISC_OK,
 * ..., or -errno. */
int tray_status(const char *device);
bool tray_is_there(const char *device);
/* Unlocks and opens it, and sees that it did; 0 or a verdict's status. */
int tray_open(const char *device);
/* Closes it, and waits until the disc can be read: 0, or a verdict's status.  PERSON: where the
 * drive can't close it by itself, somebody is asked to, and waited for. */
int tray_close(const char *device, bool person);

#endif
