/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/write.h"

#include "disc/say.h"
#include "disc/stop.h"

#include "common/text.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define FIFO_CHUNK  (32 * 1024)
#define FIFO_CHUNKS 640 /* 20 MiB: libburn's fifo sleeps for 50 ms when it is empty, or full */
#define POLL_MS     50
/* On CDs the last sectors of a track can be unreadable for the kernel's read-ahead: they are not to
 * be the image's (cdrecord pads so too). */
#define CD_PADDING (150 * SECTOR)

/* ---- the source: the image, hashed on its way ---- */

struct source {
	int fd;
	uint64_t size, at;
	struct sha256_ctx sha;
	int error; /* errno */
};

static int source_read(struct burn_source *b, unsigned char *buffer, int size)
{
	struct source *s = b->data;
	size_t done = 0;

	if (s->size - s->at < (uint64_t)size)
		size = (int)(s->size - s->at);
	while (done < (size_t)size) {
		ssize_t n = pread(s->fd, buffer + done, (size_t)size - done, (off_t)(s->at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->error = n < 0 ? errno : EIO; /* shorter than it was: it was changed */
			return -1;
		}
		done += (size_t)n;
	}
	sha256_update(&s->sha, done, buffer);
	s->at += done;
	return (int)done;
}

static off_t source_size(struct burn_source *b)
{
	return (off_t)((const struct source *)b->data)->size;
}

static int source_set_size(struct burn_source *b, off_t size)
{
	(void)b;
	(void)size;
	return 1; /* libburn's note to itself: the size is the image's */
}

static void source_free(struct burn_source *b)
{
	(void)b; /* the data is the caller's */
}

static struct burn_source *new_fifo(struct source *s)
{
	/* libburn frees it with free(3) */
	struct burn_source *b = calloc(1, sizeof(*b)), *fifo;

	if (!b)
		return NULL;
	b->refcount = 1;
	b->read = source_read;
	b->get_size = source_size;
	b->set_size = source_set_size;
	b->free_data = source_free;
	b->data = s;
	fifo = burn_fifo_source_new(b, FIFO_CHUNK, FIFO_CHUNKS, 1);
	burn_source_free(b);
	return fifo;
}

/* ---- the run ---- */

static struct source source;

static int compose(struct write_run *w)
{
	const struct image *i = w->image;

	source = (struct source){.fd = i->fd, .size = i->size};
	sha256_init(&source.sha);
	w->disc = burn_disc_create();
	w->session = burn_session_create();
	w->track = burn_track_create();
	w->fifo = new_fifo(&source);
	w->options = burn_write_opts_new(w->drive->burner);
	if (!w->disc || !w->session || !w->track || !w->fifo || !w->options)
		return verdict(EX_OSERR, "out of memory");
	burn_disc_add_session(w->disc, w->session, BURN_POS_END);
	burn_track_define_data(w->track, 0, drive_is_cd(w->drive) ? CD_PADDING : 0, 1,
		BURN_MODE1 | BURN_BLOCK_MODE1);
	if (burn_track_set_source(w->track, w->fifo) != BURN_SOURCE_OK ||
		burn_session_add_track(w->session, w->track, BURN_POS_END) != 1)
		return verdict(EX_OSERR, "libburn does not take %s", i->name);
	burn_write_opts_set_perform_opc(w->options, 0);
	burn_write_opts_set_multi(w->options, w->multi_session);
	burn_write_opts_set_simulate(w->options, w->dummy);
	burn_write_opts_set_underrun_proof(w->options, 1);
	burn_write_opts_set_stdio_fsync(w->options, 1); /* once, at the end */
	return 0;
}

static void set_speed(const struct write_run *w)
{
	double single = drive_single_speed(w->drive);
	int kilobytes = strcmp(w->speed, "max") == 0 ? 0
			: strcmp(w->speed, "min") == 0
				? -1
				: (int)((double)strtoul(w->speed, NULL, 10) * single + 0.5);

	burn_drive_set_speed(w->drive->burner, 0, kilobytes);
}

/* libburn's reasons are lines of its own making. */
static void one_line(char *s)
{
	for (; *s; s++)
		if (*s == '\n')
			*s = s[1] ? ' ' : '\0';
}

static const char *left(const struct write_run *w)
{
	return w->left ? w->left : "is as it was";
}

int write_prepare(struct write_run *w)
{
	char reasons[BURN_REASONS_LEN], size[64], room[64];
	uint64_t need = w->image->size + (drive_is_cd(w->drive) ? CD_PADDING : 0);
	int status = compose(w);

	if (status)
		return status;
	set_speed(w);
	uint64_t space = (uint64_t)burn_disc_available_space(w->drive->burner, w->options);
	if (space < need)
		return verdict(DISC_UNFIT,
			"%s is too large for the disc: it has %s, and the %s takes %s. Put in a "
			"larger disc; this one %s",
			w->image->name, text_size(size, sizeof(size), w->image->size),
			w->drive->media, text_size(room, sizeof(room), space), left(w));
	if (burn_write_opts_auto_write_type(w->options, w->disc, reasons, 2) == BURN_WRITE_NONE) {
		one_line(reasons);
		return verdict(DISC_UNFIT, "%s can't write this %s%s: %.200s. The disc %s",
			w->drive->device, w->drive->media, w->dummy ? " as a simulation" : "",
			reasons, left(w));
	}
	return 0;
}

bool write_wait(struct burn_drive *b,
	void (*say)(void *userdata, int drive_status, const struct burn_progress *p),
	void *userdata, bool stop)
{
	struct burn_progress p;
	enum burn_drive_status status;
	bool stopped = false;

	/* the thread is on its way until it says so */
	while (burn_drive_get_status(b, NULL) == BURN_DRIVE_SPAWNING)
		(void)stop_wait(1);
	while ((status = burn_drive_get_status(b, &p)) != BURN_DRIVE_IDLE) {
		if (stop && !stopped && status == BURN_DRIVE_WRITING && stop_told()) {
			burn_drive_cancel(b);
			stopped = true;
			say_doing("stopping: the drive finishes what it has begun");
		}
		if (!stopped)
			say(userdata, status, &p);
		(void)stop_wait(POLL_MS);
	}
	return stopped;
}

struct watching {
	const struct write_run *w;
	uint64_t began, most; /* bytes: libburn's own figure falls back to 0 when it has closed */
};

static unsigned buffer_percent(const struct burn_progress *p)
{
	return p->buffer_capacity
		       ? 100 - (unsigned)((uint64_t)p->buffer_available * 100 / p->buffer_capacity)
		       : 100;
}

static void say_writing(void *userdata, int status, const struct burn_progress *p)
{
	struct watching *g = userdata;
	const struct write_run *w = g->w;
	uint64_t size = w->image->size, done = (uint64_t)p->sector * SECTOR;
	uint64_t took = now_monotonic() - g->began;
	char at[64], of[64], left[64], speed[64];

	if (status != BURN_DRIVE_WRITING) {
		g->most = g->most ? size : 0;
		say_doing("%u%% %s", g->most ? w->percent : 0,
			status == BURN_DRIVE_CLOSING_TRACK || status == BURN_DRIVE_CLOSING_SESSION
				? "closing the disc"
				: "writing the disc's beginning or end");
		return;
	}
	done = done < size ? done : size;
	if (done < g->most)
		return;
	g->most = done;
	double rate = took ? (double)done / (double)took : 0;
	text_duration(left, sizeof(left),
		rate > 0 ? (uint64_t)((double)(size - done) / rate) / USEC_PER_SEC * USEC_PER_SEC
			 : 0);
	say_progress((unsigned)(done * w->percent / (size + 1)),
		"%s %s of %s, %s/s (%.1fx), buffer %u%%, %s left",
		w->dummy ? "simulating:" : "burning:", text_size(at, sizeof(at), done),
		text_size(of, sizeof(of), size),
		text_size(speed, sizeof(speed), (uint64_t)(rate * (double)USEC_PER_SEC)),
		rate * 1000 / drive_single_speed(w->drive), buffer_percent(p), left);
}

/* What is on a disc that was not finished. */
static int spoiled(const struct write_run *w, int status, const char *how)
{
	off_t read = 0, written = 0;
	char done[64];

	(void)burn_track_get_counters(w->track, &read, &written);
	text_size(done, sizeof(done), (uint64_t)written);
	if (w->dummy)
		return verdict(status, "the simulation %s: the disc is as it was", how);
	if (drive_overwritable(w->drive))
		return verdict(status,
			"the burn of %s %s: the disc holds a part of it (at most %s), and can be "
			"burned again (blank: yes)",
			w->image->name, how, done);
	if (burn_disc_erasable(w->drive->burner))
		return verdict(status,
			"the burn of %s %s: the disc is spoiled (at most %s are on it) until it is "
			"erased (blank: yes)",
			w->image->name, how, done);
	return verdict(status,
		"the burn of %s %s: the disc is spoiled (at most %s are on it). Put in a new one",
		w->image->name, how, done);
}

int write_go(struct write_run *w)
{
	struct watching g = {.w = w, .began = now_monotonic()};
	uint8_t digest[SHA256_DIGEST_SIZE];
	char why[300];

	if (stop_told())
		return verdict(
			DISC_STOPPED, "stopped before anything was written: the disc %s", left(w));
	w->touched = !w->dummy;
	burn_disc_write(w->options, w->disc);
	bool stopped = write_wait(w->drive->burner, say_writing, &g, true);
	uint64_t took = now_monotonic() - g.began;
	if (stopped)
		return spoiled(w, DISC_STOPPED, "was stopped");
	if (source.error) {
		snprintf(why, sizeof(why), "broke off, because %s can't be read (%s)",
			w->image->name, strerror(source.error));
		return spoiled(w, DISC_SPOILED, why);
	}
	if (!burn_drive_wrote_well(w->drive->burner) || source.at != w->image->size) {
		char trouble[256];
		snprintf(why, sizeof(why), "broke off%s", drive_trouble(trouble, sizeof(trouble)));
		return spoiled(w, DISC_SPOILED, why);
	}
	sha256_digest(&source.sha, sizeof(digest), digest);
	text_hex(w->sha256, digest, sizeof(digest));
	w->speed_of_all = took ? w->image->size * USEC_PER_SEC / took : 0;
	return 0;
}

void write_done(struct write_run *w)
{
	if (w->options)
		burn_write_opts_free(w->options);
	if (w->fifo)
		burn_source_free(w->fifo);
	if (w->track)
		burn_track_free(w->track);
	if (w->session)
		burn_session_free(w->session);
	if (w->disc)
		burn_disc_free(w->disc);
	w->options = NULL;
	w->fifo = NULL;
	w->track = NULL;
	w->session = NULL;
	w->disc = NULL;
}
