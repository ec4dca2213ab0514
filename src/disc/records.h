/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was burned here before: lines of "id TAB length TAB sha256 TAB when TAB name", newest first,
 * as flagman's agent writes them from the history.  A line that is not so is passed over.
 */
#ifndef FLAGMAN_DISC_RECORDS_H
#define FLAGMAN_DISC_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define RECORDS_MAX 16 /* of one id that are looked at: several images may have the same */

struct burned {
	uint64_t length;
	char sha256[65];
	char when[40];
	char name[256];
};

/* Those of discs with ID in the file PATH ("-": standard input; NULL: none), shortest first;
 * returns how many. */
size_t records_find(const char *path, const char *id, struct burned found[RECORDS_MAX]);

#endif
