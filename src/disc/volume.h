/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the volume descriptors of an image, or of a disc, promise: ISO 9660 (ECMA-119 8.4) and UDF
 * (ECMA-167 part 3).  Untrusted: every offset and length in them is somebody's claim.
 *
 * A volume's id is made from its descriptors, so that a disc is known again as the one that was
 * burned: with their dates to 1/100 s they differ between any two images that were not made to be
 * the same.  It finds the record of a burn; the SHA-256 in the record is what counts.
 */
#ifndef FLAGMAN_DISC_VOLUME_H
#define FLAGMAN_DISC_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VOLUME_ID_SIZE 33           /* 32 hex digits */
#define VOLUME_HEAD    (288 * 2048) /* what of it is looked at first */

#define VOLUME_ALIGN 4096
/* Reads SIZE bytes from OFFSET on, all sectors of 2048, into memory that is aligned to and has room
 * for a multiple of VOLUME_ALIGN; returns how many there were, or -errno. */
typedef ssize_t volume_read(void *source, void *to, size_t size, uint64_t offset);

struct volume {
	bool iso9660, udf;
	uint64_t size;           /* bytes, as the descriptors have it; 0: neither */
	char label[129];         /* printable; "" where it has none */
	char id[VOLUME_ID_SIZE]; /* "" where there is neither */
	unsigned char pvd[2048]; /* ISO 9660: the primary descriptor */
};

/* 0, or -errno of READ. */
int volume_look(volume_read *read, void *source, struct volume *ret);

/* The checksum that isomd5sum's implantisomd5 wrote into the primary descriptor. */
struct implanted {
	char md5[33];  /* lower case */
	uint64_t size; /* bytes it is of */
};
bool volume_implanted(const struct volume *v, struct implanted *ret);
/* Where in the volume the text lies that counts as spaces. */
#define IMPLANTED_AT   (16 * 2048 + 883)
#define IMPLANTED_SIZE 512

#endif
