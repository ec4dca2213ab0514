/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disc against what should be on it.
 *
 * As many bytes are compared as the image has: burners pad, and what lies behind the end of an
 * image may be unreadable on a good disc.  Three things can be wrong, and are counted apart:
 * sectors that differ, sectors that can't be read after retries, and a disc that ends too early.
 */
#ifndef FLAGMAN_DISC_COMPARE_H
#define FLAGMAN_DISC_COMPARE_H

#include "disc/image.h"
#include "disc/medium.h"

#include <nettle/md5.h>
#include <nettle/sha2.h>

#define COMPARE_UNREADABLE_MAX 256 /* then the rest is not read: each costs seconds */

struct hashing;

struct compare {
	struct medium *medium;
	uint64_t length;           /* bytes */
	const struct image *image; /* to compare with, or NULL: */
	/* then this gets what is read, in order, as long as nothing was unreadable */
	void (*take)(void *userdata, const unsigned char *data, size_t size, uint64_t offset);
	void *userdata;
	unsigned percent; /* of the whole job that was done before */
	/* what came out */
	uint64_t differing, first_differing;   /* sectors */
	uint64_t unreadable, first_unreadable; /* sectors */
	int error;                             /* errno of the first that was unreadable */
	uint64_t end;                          /* bytes that there were: LENGTH, or less */
	bool gave_up; /* after COMPARE_UNREADABLE_MAX, or told to stop when it was bad already */
};

/* 0 when it could be carried out, whatever came out; else a verdict's status: DISC_STOPPED,
 * EX_NOINPUT, EX_OSERR. */
int compare_run(struct compare *c);
/* DISC_OK, DISC_DIFFERS or DISC_UNREADABLE, by the counts. */
enum disc_exit compare_result(const struct compare *c);

#endif
