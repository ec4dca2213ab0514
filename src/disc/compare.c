/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/compare.h"

#include "disc/say.h"
#include "disc/stop.h"

#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct walk {
	struct compare *c;
	unsigned char *disc, *image; /* MEDIUM_CHUNK each */
	uint64_t began;
	int status; /* of a verdict that ends it */
};

static void note_unreadable(struct compare *c, uint64_t sector, int error)
{
	if (c->unreadable++ == 0) {
		c->first_unreadable = sector;
		c->error = -error;
	}
	c->gave_up = c->unreadable >= COMPARE_UNREADABLE_MAX;
}

static void count_differing(struct walk *w, size_t size, uint64_t offset)
{
	struct compare *c = w->c;

	for (size_t at = 0; at < size; at += SECTOR) {
		size_t n = size - at < SECTOR ? size - at : SECTOR;
		if (memcmp(w->disc + at, w->image + at, n) == 0)
			continue;
		if (c->differing++ == 0)
			c->first_differing = (offset + at) / SECTOR;
	}
}

/* SIZE good bytes of the disc are in w->disc. */
static void take(struct walk *w, size_t size, uint64_t offset)
{
	struct compare *c = w->c;

	if (!c->image) {
		if (!c->unreadable)
			c->take(c->userdata, w->disc, size, offset);
		return;
	}
	int error = pread_all(c->image->fd, w->image, size, (off_t)offset);
	if (error < 0)
		w->status = verdict(EX_NOINPUT, "%s can't be read at sector %llu: %s",
			c->image->name, (unsigned long long)(offset / SECTOR), strerror(-error));
	else if (memcmp(w->disc, w->image, size) != 0)
		count_differing(w, size, offset);
}

/* What could not be read in one go.  A sector is taken as soon as it is there: w->disc is free
 * then.  False: told to stop before it was through. */
static bool read_sectors(struct walk *w, size_t size, uint64_t offset)
{
	struct compare *c = w->c;

	for (size_t at = 0; at < size && !w->status && !c->gave_up; at += SECTOR) {
		if (stop_told())
			return false;
		size_t want = size - at < SECTOR ? size - at : SECTOR;
		ssize_t n = medium_read_sector(c->medium, w->disc, offset + at);
		if (n < 0) {
			note_unreadable(c, (offset + at) / SECTOR, (int)n);
			continue;
		}
		if ((size_t)n < want) {
			c->end = offset + at + (size_t)n;
			return true;
		}
		take(w, want, offset + at);
	}
	return true;
}

/* What is bad already stays so; the rest is not known. */
static void stop(struct walk *w, uint64_t known)
{
	struct compare *c = w->c;

	if (c->differing || c->unreadable)
		c->gave_up = true;
	else
		w->status = verdict(DISC_STOPPED,
			"stopped after %llu of %llu sectors: nothing is known of the rest",
			(unsigned long long)(known / SECTOR),
			(unsigned long long)((c->length + SECTOR - 1) / SECTOR));
}

static void show_progress(const struct walk *w, uint64_t done)
{
	const struct compare *c = w->c;
	uint64_t took = now_monotonic() - w->began;
	double rate = took ? (double)done / (double)took : 0; /* bytes a us */
	unsigned percent = c->percent + (unsigned)((100 - c->percent) * done / (c->length + 1));
	char at[64], of[64], left[64], speed[64];

	text_duration(left, sizeof(left),
		rate > 0 ? (uint64_t)((double)(c->length - done) / rate) / USEC_PER_SEC *
				   USEC_PER_SEC
			 : 0);
	say_progress(percent, "reading the disc back: %s of %s, %s/s, %s left",
		text_size(at, sizeof(at), done), text_size(of, sizeof(of), c->length),
		text_size(speed, sizeof(speed), (uint64_t)(rate * (double)USEC_PER_SEC)), left);
}

static void walk(struct walk *w)
{
	struct compare *c = w->c;

	for (uint64_t at = 0; at < c->end && !w->status && !c->gave_up;) {
		size_t size = c->end - at < MEDIUM_CHUNK ? (size_t)(c->end - at) : MEDIUM_CHUNK;
		ssize_t n = medium_read(c->medium, w->disc, size, at);
		bool through = true;
		if (n < 0) {
			through = read_sectors(w, size, at);
		} else {
			take(w, (size_t)n, at);
			if ((size_t)n < size)
				c->end = at + (size_t)n;
		}
		at += size;
		if (!through || (at < c->end && stop_told()))
			stop(w, through ? at : at - size);
		show_progress(w, at < c->length ? at : c->length);
	}
}

static void say_read(const struct walk *w)
{
	uint64_t took = now_monotonic() - w->began;
	char duration[64], speed[64];

	say_fact("Read", "%llu bytes in %s, %s/s", (unsigned long long)w->c->end,
		text_duration(duration, sizeof(duration), took),
		text_size(speed, sizeof(speed), took ? w->c->end * USEC_PER_SEC / took : 0));
}

int compare_run(struct compare *c)
{
	_cleanup_free_ unsigned char *disc = aligned_alloc(MEDIUM_ALIGN, MEDIUM_CHUNK);
	_cleanup_free_ unsigned char *image = aligned_alloc(MEDIUM_ALIGN, MEDIUM_CHUNK);
	struct walk w = {.c = c, .disc = disc, .image = image, .began = now_monotonic()};

	if (!disc || !image)
		return verdict(EX_OSERR, "out of memory");
	c->end = c->length;
	walk(&w);
	if (!w.status)
		say_read(&w);
	return w.status;
}

enum disc_exit compare_result(const struct compare *c)
{
	/* Both can be: that something differs is certain, whatever could be read on another drive.
	 */
	if (c->differing)
		return DISC_DIFFERS;
	if (c->unreadable)
		return DISC_UNREADABLE;
	return c->end < c->length ? DISC_DIFFERS : DISC_OK;
}
