/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watcher/batch.h"

#include "common/fd.h"

#include <errno.h>
#include <stdlib.h>

enum mark {
	MARK_NAMED = 1, /* the slot has a number */
	MARK_DIRTY = 2, /* it stands in dirty[] */
	MARK_GONE = 4,
};

int batch_open(struct batch *b, uint32_t n_slots)
{
	*b = (struct batch){.n_slots = n_slots};
	b->number = calloc(n_slots, sizeof(*b->number));
	b->marks = calloc(n_slots, sizeof(*b->marks));
	b->dirty = calloc(n_slots, sizeof(*b->dirty));
	if (b->number && b->marks && b->dirty)
		return 0;
	free(b->number);
	free(b->marks);
	free(b->dirty);
	*b = (struct batch){0};
	return -ENOMEM;
}

int batch_name(struct batch *b, uint32_t slot, uint32_t number)
{
	if (slot >= b->n_slots)
		return -ERANGE;
	if (b->marks[slot] & MARK_NAMED)
		return -EEXIST;
	b->number[slot] = number;
	b->marks[slot] = MARK_NAMED;
	return 0;
}

void batch_note(struct batch *b, enum news news, uint32_t slot)
{
	if (news == NEWS_NONE)
		return;
	if (news == NEWS_LOST || slot >= b->n_slots || !(b->marks[slot] & MARK_NAMED)) {
		b->everything = true;
		return;
	}
	if (!(b->marks[slot] & MARK_DIRTY))
		b->dirty[b->n_dirty++] = slot;
	b->marks[slot] |= MARK_DIRTY | (news == NEWS_GONE ? MARK_GONE : 0);
}

static int flush(struct batch *b, int fd)
{
	size_t n = b->n_out;

	b->n_out = 0;
	return n ? write_all(fd, b->out, n * sizeof(b->out[0])) : 0;
}

int batch_record(struct batch *b, int fd, enum watch_kind kind, uint32_t number, int error)
{
	int r = b->n_out == BATCH_RECORDS ? flush(b, fd) : 0;

	b->out[b->n_out++] = (struct watch_record){
		.kind = (uint16_t)kind, .error = (uint16_t)error, .number = number};
	return r;
}

int batch_send(struct batch *b, int fd)
{
	int r = b->everything ? batch_record(b, fd, WATCH_EVERYTHING, 0, 0) : 0;

	for (uint32_t i = 0; i < b->n_dirty && r == 0; i++) {
		uint32_t slot = b->dirty[i];

		if (!b->everything)
			r = batch_record(b, fd, WATCH_LOOK, b->number[slot], 0);
		if (r == 0 && b->marks[slot] & MARK_GONE)
			r = batch_record(b, fd, WATCH_GONE, b->number[slot], 0);
		b->marks[slot] = MARK_NAMED;
	}
	b->n_dirty = 0;
	b->everything = false;
	return r < 0 ? r : flush(b, fd);
}
