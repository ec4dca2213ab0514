/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman-disc: burn, verify, eject, info.
 *
 * A program of its own, for two reasons.  It runs as the user and device group that the action says
 * and reads what strangers made, discs and images; and libcdio is GPL-3.0-or-later, which must not
 * meet libinotifytools in one executable.
 *
 * A verb ends with an exit status below and one plain sentence (say.h): what is the case, and what
 * to do about it.  The statuses differ wherever a person, or a script, would go on differently.
 */
#ifndef FLAGMAN_DISC_DISC_H
#define FLAGMAN_DISC_DISC_H

#include <stdbool.h>

#define SECTOR 2048 /* bytes of data in one, on every disc that holds a file system */

/* Beside these, those of sysexits(3): EX_USAGE; EX_DATAERR: the image is not right; EX_NOINPUT: it
 * can't be read; EX_UNAVAILABLE: the drive can't be used; EX_OSERR; EX_TEMPFAIL: it is in use. */
enum disc_exit {
	DISC_OK = 0, /* done; of a comparison: it matches */
	DISC_DIFFERS = 1,
	DISC_UNREADABLE = 2,
	DISC_NOTHING = 3, /* nothing to compare with */
	DISC_NONE = 4,    /* no disc */
	DISC_UNFIT = 5,   /* the disc or the drive can't take the image; it is as it was */
	DISC_SPOILED = 6, /* the burn broke off */
	DISC_STOPPED = 7, /* told to stop, and stopped in an orderly way */
	DISC_NO_TRAY = 8, /* nothing to eject, or it did not open */
};

struct disc_options {
	const char *device;  /* /dev/sr0, or stdio:/PATH */
	const char *image;   /* path; NULL: none */
	const char *name;    /* what people call it: as dropped, or the path's last part */
	const char *records; /* file of what was burned (records.h), "-" for stdin; NULL: none */
	const char *speed;   /* max, min, or a number */
	bool verify, eject, blank, dummy, multi_session, close, json;
};

int burn_verb(const struct disc_options *o);
int verify_verb(const struct disc_options *o);
int eject_verb(const struct disc_options *o);
int info_verb(const struct disc_options *o);

#endif
