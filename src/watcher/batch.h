/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one emptying of the queue has found: a set of directories, each once, in the order of their
 * first events, and the records that say so.
 *
 *	batch_open(&b, n_slots);
 *	batch_name(&b, slot, number);		before the first note of the slot
 *	batch_note(&b, NEWS_LOOK, slot);	as often as there are events
 *	batch_send(&b, fd);			writes, and is empty again
 *
 * Five bytes a directory; the list of the dirty ones is touched only as far as it was ever filled.
 */
#ifndef FLAGMAN_WATCHER_BATCH_H
#define FLAGMAN_WATCHER_BATCH_H

#include "watcher/watches.h"
#include "wire/watch.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_RECORDS (PIPE_BUF / sizeof(struct watch_record))

struct batch {
	uint32_t n_slots;
	uint32_t *number; /* by slot */
	uint8_t *marks;   /* by slot */
	uint32_t *dirty;  /* slots, in order */
	uint32_t n_dirty;
	bool everything;
	struct watch_record out[BATCH_RECORDS]; /* not yet written */
	size_t n_out;
};

int batch_open(struct batch *b, uint32_t n_slots); /* 0 or -ENOMEM */

/* Gives SLOT its number. -EEXIST: it has one; -ERANGE: no such slot. */
int batch_name(struct batch *b, uint32_t slot, uint32_t number);

/* A slot that has no number is an event that nobody can place: look everywhere. */
void batch_note(struct batch *b, enum news news, uint32_t slot);

/*
 * Puts a record of its own behind those waiting; they go when they fill PIPE_BUF, or with
 * batch_send().  Both: 0 or -errno; -EPIPE when nobody reads any more.
 */
int batch_record(struct batch *b, int fd, enum watch_kind kind, uint32_t number, int error);
int batch_send(struct batch *b, int fd);

#endif
