/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The laser: libburn's write run, from a disc that is known to be fit to one that is closed, or
 * said to be spoiled.
 *
 * The image is read once: what goes to the drive goes through SHA-256 on its way, in libburn's
 * fifo thread.  Told to stop, or after an error, the drive is left to finish its commands.
 */
#ifndef FLAGMAN_DISC_WRITE_H
#define FLAGMAN_DISC_WRITE_H

#include "disc/drive.h"
#include "disc/image.h"

struct write_run {
	struct drive *drive;
	const struct image *image;
	bool dummy, multi_session;
	const char *speed; /* max, min, or a number */
	unsigned percent;  /* of the job that will be done after it: 50 or 100 */
	/* libburn's */
	struct burn_disc *disc;
	struct burn_session *session;
	struct burn_track *track;
	struct burn_source *fifo;
	struct burn_write_opts *options;
	/* what became of the disc before it is written: "was erased"; NULL: it is as it was */
	const char *left;
	/* what came out */
	bool touched;          /* something may be on the disc */
	uint64_t speed_of_all; /* bytes a second */
	char sha256[65];       /* of the bytes that were sent */
};

/* Composes the run: is the disc large enough, does the drive have a way to write it?  0, or a
 * verdict's status (DISC_UNFIT).  write_done() in either case. */
int write_prepare(struct write_run *w);
/* 0, or a verdict's status: DISC_SPOILED, DISC_STOPPED. */
int write_go(struct write_run *w);
void write_done(struct write_run *w);

/* Waits for what libburn does in the background; SAY is called meanwhile.  STOP: and may be told
 * to stop.  True if it was. */
bool write_wait(struct burn_drive *b,
	void (*say)(void *userdata, int drive_status, const struct burn_progress *p),
	void *userdata, bool stop);

#endif
