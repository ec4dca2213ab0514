/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A drive in libburn's hands: /dev/sr0 and its like, opened exclusively, or stdio:/PATH, a regular
 * file that plays a drive with a disc that can be overwritten.  The file is locked (flock(2)).
 */
#ifndef FLAGMAN_DISC_DRIVE_H
#define FLAGMAN_DISC_DRIVE_H

#include "common/fd.h"

#include <libburn/libburn.h>
#include <stdbool.h>
#include <stdint.h>

#define DRIVE_FILE "stdio:"

struct drive {
	const char *device; /* as given */
	const char *path;   /* of the node, or of the file */
	bool file;
	int lock; /* of the file, or -1; held until drive_done() */
	struct burn_drive_info *info;
	struct burn_drive *burner; /* NULL while it is let go */
	char model[80];
	/* the disc's, as it was when the drive was taken */
	int profile;      /* MMC-5 table 89; 0xffff: a file; 0: none */
	char media[80];   /* "DVD+R" */
	char product[80]; /* the disc's maker and type: "MCC/004/0"; "" where it doesn't say */
};

/* The node or file behind DEVICE, which may not be one that libburn would take and we should not.
 * MAKE: a file that is not there is made; else it is a drive without a disc.  0 or a verdict's
 * status. */
int drive_init(struct drive *d, const char *device, bool make);
/* Takes it, with the disc in it; the tray is closed for that.  0 or a verdict's status. */
int drive_take(struct drive *d);
/* Lets it go; others may have it.  The disc stays in. */
void drive_let_go(struct drive *d);
/* The same, and the lock too. */
void drive_done(struct drive *d);
#define _cleanup_drive_ _cleanup_(drive_done)

/* Can be written anywhere and again, such as DVD+RW: libburn then always calls it blank. */
bool drive_overwritable(const struct drive *d);
/* The drive can write this disc, or some disc. */
bool drive_writes_disc(const struct drive *d);
bool drive_writes_any(const struct drive *d);
bool drive_is_cd(const struct drive *d);
/* kB/s that are 1x for this disc. */
double drive_single_speed(const struct drive *d);

/* What libburn has to say about the last failure, or "". */
const char *drive_trouble(char *buf, size_t size);

#endif
