/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a burn or a verification found, as flagman-disc(1) reported it into the claim: one line of
 * tab-separated key=value, from a command, so it is believed only as far as it fits.
 */
#ifndef FLAGMAN_AGENT_DISC_H
#define FLAGMAN_AGENT_DISC_H

#include "agent/run.h"

#include <stdbool.h>
#include <stdint.h>

struct disc {
	uint64_t run;
	char verb[16];    /* burn, verify */
	char verdict[24]; /* matches, differs, unreadable, not verified, spoiled, simulated */
	char against[16]; /* image, record, checksum; "" */
	char sha256[65];  /* of the image, or of what was read; "" */
	char id[33];      /* of the disc's contents; "" */
	char media[32];   /* DVD+R */
	char product[64]; /* the blank disc's maker and type */
	char image[256];  /* its name; "" */
	uint64_t length;  /* bytes */
	uint64_t speed;   /* bytes a second; 0: not known */
};

/* False: it is no record. */
bool disc_parse(const char *text, struct disc *ret);
/* "matches, byte for byte", "differs from what was recorded", "not verified", ... */
char *disc_verdict_words(const struct disc *d, char *buf, size_t size);
/* The text of <image>.result.txt: 0, or the buffer's error. */
int disc_result(struct buf *out, const struct run *r, const struct disc *d, uint64_t timeout);

#endif
