/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The image: a regular file, opened once.  Under flagman it is a payload in custody, which nobody
 * can change; one that the configuration names can be, so whoever used it asks image_unchanged().
 */
#ifndef FLAGMAN_DISC_IMAGE_H
#define FLAGMAN_DISC_IMAGE_H

#include "disc/disc.h"
#include "disc/volume.h"

#include <sys/stat.h>

#define SHOWN_MAX 104 /* bytes */

struct image {
	int fd;
	const char *called;   /* the caller's */
	char name[SHOWN_MAX]; /* the same as sentences have it: a long one would drown them */
	uint64_t size;        /* bytes */
	struct stat st;
	struct volume volume;
};

/* Opens it; 0 or a verdict's status.  The caller closes ret->fd. */
int image_open(const struct disc_options *o, struct image *ret);
/* Is all of it there?  DONE is what was not done if it isn't: "burned", "compared".  0 or a
 * verdict's status (EX_DATAERR). */
int image_whole(const struct image *i, const char *done);
/* Is it fit to be burned?  0 or a verdict's status (EX_DATAERR). */
int image_check(const struct image *i);
bool image_unchanged(const struct image *i);
/* "ISO 9660 and UDF", for people. */
const char *image_kind(const struct volume *v);

#endif
