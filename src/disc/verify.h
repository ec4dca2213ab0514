/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verify: the disc in a drive is compared with, in this order, the image byte for byte; the SHA-256
 * and length that a burn has recorded; the checksum inside the image.  What it was is said.
 */
#ifndef FLAGMAN_DISC_VERIFY_H
#define FLAGMAN_DISC_VERIFY_H

#include "disc/image.h"
#include "disc/medium.h"
#include "disc/say.h"

struct verification {
	const struct disc_options *options;
	const struct image *image; /* or NULL */
	unsigned percent;          /* of the job that was done before */
	/* what came out, for the record */
	const char *verdict, *against;
	uint64_t length;
	char id[VOLUME_ID_SIZE], sha256[65], name[256];
};

/* Compares the disc in D, which nobody holds.  The status of the verdict, which is said to nobody
 * yet. */
int verify_disc(const struct drive *d, struct verification *v);

/* At the end of a burn or a verification: opens the tray, if the verdict is stored (KEPT).  It may
 * refuse; that changes nothing of what the disc is. */
void verify_eject(const struct drive *d, bool kept);

#endif
