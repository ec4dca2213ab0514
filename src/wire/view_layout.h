/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the arrays of an image are: one rule for the side that writes and the side that checks.
 * Inside src/wire only.
 */
#ifndef FLAGMAN_WIRE_VIEW_LAYOUT_H
#define FLAGMAN_WIRE_VIEW_LAYOUT_H

#include "wire/view.h"

#include <fcntl.h>

#define VIEW_ARRAYS 6
#define VIEW_ALIGN  8
#define VIEW_SEALS  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct view_array {
	uint32_t *field; /* in the header: where its offset stands */
	uint32_t n;
	size_t item;
	uint64_t offset;  /* where it must be */
	const void *data; /* for the writing side to fill in */
};

/* Places the arrays one after the other from H->bases on; each item's size is a multiple of 4, so
 * each begins at the next multiple of VIEW_ALIGN.  Returns the size of the image. */
uint64_t view_layout(struct view_header *h, struct view_array *ret);

#endif
