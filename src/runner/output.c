/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Head and ring of a command's output. */
#include "runner/output.h"

#include "wire/spec.h"

#include <errno.h>
#include <unistd.h>

void output_init(struct output *o, int fd, uint64_t limit)
{
	if (limit > INT64_MAX)
		limit = INT64_MAX;
	*o = (struct output){.fd = fd, .head = limit / 2, .ring = limit - limit / 2};
}

/* Where the next byte goes, and how many may follow it there; 0: nowhere. */
static uint64_t place(const struct output *o, uint64_t *ret_offset)
{
	uint64_t in_ring;

	if (o->total < o->head) {
		*ret_offset = o->total;
		return o->head - o->total;
	}
	if (o->ring == 0)
		return 0;
	in_ring = (o->total - o->head) % o->ring;
	*ret_offset = o->head + in_ring;
	return o->ring - in_ring;
}

void output_add(struct output *o, const char *data, size_t len)
{
	while (len > 0 && !o->error) {
		uint64_t offset = 0, room = place(o, &offset);
		size_t part = room && room < len ? (size_t)room : len;
		ssize_t n = room ? pwrite(o->fd, data, part, (off_t)(CLAIM_OUTPUT_AT + offset))
				 : (ssize_t)len;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			o->error = n < 0 ? errno : ENOSPC;
			return;
		}
		o->total += (uint64_t)n;
		data += n;
		len -= (size_t)n;
	}
}
