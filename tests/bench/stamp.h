/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bench-stamp writes and bench-press reads.
 */
#ifndef FLAGMAN_BENCH_STAMP_H
#define FLAGMAN_BENCH_STAMP_H

struct stamp {
	unsigned long long when; /* ns, CLOCK_MONOTONIC, at the command's first instruction */
	unsigned long long id;   /* of the press */
};

#endif
