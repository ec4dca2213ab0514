/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a command wrote, in a file that does not grow beyond the limit: its beginning in the first
 * half, and a ring for its end in the second.  claim.h tells how it is read.
 */
#ifndef FLAGMAN_RUNNER_OUTPUT_H
#define FLAGMAN_RUNNER_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

struct output {
	int fd; /* the caller's */
	uint64_t head, ring;
	uint64_t total; /* bytes taken so far */
	int error;      /* errno of the first write that failed; nothing is kept from then on */
};

void output_init(struct output *o, int fd, uint64_t limit);
void output_add(struct output *o, const char *data, size_t len);

#endif
