/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Burn.  Everything that can be found out before the laser goes on is: the image is whole, the disc
 * can take it.  Then it is written, closed, read back, recorded; the tray opens last of all.
 */
#include "disc/say.h"
#include "disc/stop.h"
#include "disc/tray.h"
#include "disc/verify.h"
#include "disc/write.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define BLANK_HEAD (64 * 1024) /* where every file system of a disc has something */

static const char *disc_state(enum burn_disc_status s)
{
	switch (s) {
	case BURN_DISC_BLANK:
		return "blank";
	case BURN_DISC_APPENDABLE:
		return "written to, and open";
	case BURN_DISC_FULL:
		return "written to, and closed";
	default:
		return "not known";
	}
}

/* 1 with more in N, 0 where nothing was ever written, -1 where it can't be read. */
static int read_head(const struct drive *d, unsigned char *to, off_t at, off_t *n)
{
	char why[256];

	if (d->file) {
		*n = pread(d->lock, to, (size_t)(BLANK_HEAD - at), at);
		return *n > 0 ? 1 : (int)*n;
	}
	(void)drive_trouble(why, sizeof(why)); /* what was before */
	(void)burn_read_data(d->burner, at, (char *)to, BLANK_HEAD - at, n, 0);
	if (*n > 0)
		return 1;
	/* MMC-5, 6.16.5: there is no such address, or blank check; "[3 11 00]" is a bad sector */
	drive_trouble(why, sizeof(why));
	return strstr(why, "[5 ") || strstr(why, "[8 ") ? 0 : -1;
}

/* An overwritable disc is always blank for libburn.  Not for the person whose files are on it: what
 * can't be read may be a file too.  NULL, or why it is not. */
static const char *holds_something(const struct drive *d)
{
	static unsigned char head[BLANK_HEAD];
	off_t n = 0;
	int r = 1;

	for (off_t at = 0; at < BLANK_HEAD && r > 0; at += n) {
		r = read_head(d, head, at, &n);
		for (off_t i = 0; r > 0 && i < n; i++)
			if (head[i])
				return "is not blank";
	}
	return r < 0 ? "can't be read, and may hold something" : NULL;
}

static int not_blank(const struct drive *d, const char *how, bool erasable, bool dummy)
{
	if (erasable)
		return verdict(DISC_UNFIT,
			"the %s in %s %s, and %s. Put in a blank one; this one is as it was",
			d->media, d->device, how,
			dummy ? "a simulation erases nothing"
			      : "this burn may not erase it (blank: yes)");
	return verdict(DISC_UNFIT, "the %s in %s %s: put in a blank one. This one is as it was",
		d->media, d->device, how);
}

static int read_only(const struct drive *d)
{
	if (!drive_writes_any(d))
		return verdict(DISC_UNFIT, "%s (%s) can read discs but not write them", d->device,
			d->model);
	return verdict(DISC_UNFIT,
		"the disc in %s (%s) can't be written: put in a blank one. This one is as it was",
		d->device, *d->media ? d->media : "of an unknown kind");
}

static void say_erasing(void *userdata, int status, const struct burn_progress *p)
{
	unsigned percent = (unsigned)((uint64_t)p->sector * 100 / 0x10000);

	(void)userdata;
	(void)status;
	say_progress(0, "erasing what is on the disc: %u%%", percent > 100 ? 100 : percent);
}

/* How much it takes once it is erased; 0: not known.  libburn tells it only of blank discs. */
static uint64_t size_when_erased(const struct drive *d)
{
	int state, n, start, end;
	unsigned block;
	off_t size = 0;

	if (burn_disc_get_formats(d->burner, &state, &size, &block, &n) > 0 && size > 0)
		return (uint64_t)size;
	if (burn_disc_read_atip(d->burner) > 0 &&
		burn_drive_get_start_end_lba(d->burner, &start, &end, 0) > 0 && end > 0)
		return (uint64_t)end * SECTOR;
	return 0;
}

static int erase(struct write_run *w)
{
	char trouble[256], size[64], room[64];
	struct drive *d = w->drive;
	const struct image *i = w->image;
	uint64_t space = size_when_erased(d);

	if (space && space < i->size)
		return verdict(DISC_UNFIT,
			"%s is too large for the disc: it has %s, and the %s takes %s. Put in a "
			"larger disc; this one is as it was",
			i->name, text_size(size, sizeof(size), i->size), d->media,
			text_size(room, sizeof(room), space));
	if (stop_told())
		return verdict(DISC_STOPPED,
			"stopped before anything was written: the disc is as it "
			"was");
	w->left = "was erased";
	say_doing("0%% erasing what is on the disc");
	burn_disc_erase(d->burner, 1);
	(void)write_wait(d->burner, say_erasing, NULL, false);
	if (!burn_drive_wrote_well(d->burner))
		return verdict(DISC_SPOILED, "the disc can't be erased%s: put in another",
			drive_trouble(trouble, sizeof(trouble)));
	say_fact("Erased", "what was on the disc");
	return burn_drive_re_assess(d->burner, 0) > 0
		       ? 0
		       : verdict(DISC_SPOILED,
				 "%s does not know the disc any more once it is erased", d->device);
}

/* BD-RE and DVD+RW from the box: a format that takes seconds comes first. */
static int format(struct write_run *w)
{
	char trouble[256];
	struct drive *d = w->drive;
	unsigned block;
	int state = 0, n;
	off_t size;

	if (d->file || w->dummy ||
		burn_disc_get_formats(d->burner, &state, &size, &block, &n) <= 0 ||
		state != BURN_FORMAT_IS_UNFORMATTED)
		return 0;
	if (stop_told())
		return verdict(
			DISC_STOPPED, "stopped before anything was written: the disc is as it was");
	w->left = "was formatted";
	say_doing("0%% formatting the new disc");
	burn_disc_format(d->burner, 0, 0x40 | 0x06); /* the default size, no certification */
	(void)write_wait(d->burner, say_erasing, NULL, false);
	if (burn_drive_wrote_well(d->burner) && burn_drive_re_assess(d->burner, 0) > 0)
		return 0;
	return verdict(DISC_SPOILED, "the disc can't be formatted%s: put in another",
		drive_trouble(trouble, sizeof(trouble)));
}

static int make_fit_overwritable(struct write_run *w, bool blank)
{
	int status = format(w);
	const char *how = status || blank || w->left ? NULL : holds_something(w->drive);

	return how ? not_blank(w->drive, how, true, w->dummy) : status;
}

/* May it be written?  Erases it where that is asked for. */
static int make_fit(struct write_run *w, const struct disc_options *o)
{
	struct drive *d = w->drive;
	enum burn_disc_status s = burn_disc_get_status(d->burner);
	bool erasable = burn_disc_erasable(d->burner);

	say_fact("Drive", "%s, %s", d->device, d->model);
	if (s == BURN_DISC_EMPTY || s == BURN_DISC_UNREADY || s == BURN_DISC_UNGRABBED) {
		if (!drive_writes_any(d))
			return read_only(d);
		return verdict(DISC_NONE, "there is no disc in %s: put in a blank one", d->device);
	}
	say_fact("Disc", "%s%s%s, %s", *d->media ? d->media : "unknown", *d->product ? ", " : "",
		d->product, drive_overwritable(d) ? "overwritable" : disc_state(s));
	/* a CD-RW whose burn broke off is unsuitable, but for being erased */
	if (!drive_writes_disc(d) || (s == BURN_DISC_UNSUITABLE && !erasable))
		return read_only(d);
	if (drive_overwritable(d))
		return make_fit_overwritable(w, o->blank);
	if (s == BURN_DISC_BLANK)
		return 0;
	if (!erasable || !o->blank || o->dummy)
		return not_blank(d, "is not blank", erasable, o->dummy);
	if (s == BURN_DISC_UNSUITABLE)
		(void)burn_disc_pretend_full(d->burner);
	return erase(w);
}

/* The image must not be the disc: a burn would eat it. */
static int same_file(const struct drive *d, const struct image *i)
{
	struct stat st;

	if (d->lock < 0 || fstat(d->lock, &st) < 0 || st.st_dev != i->st.st_dev ||
		st.st_ino != i->st.st_ino)
		return 0;
	return verdict(EX_DATAERR, "%s is the file that plays the drive", i->name);
}

static int write_image(struct drive *d, struct write_run *w, const struct disc_options *o)
{
	int status = drive_take(d);

	if (status == 0)
		status = make_fit(w, o);
	if (status == 0)
		status = write_prepare(w);
	if (status == 0)
		status = write_go(w);
	write_done(w);
	drive_let_go(d);
	return status;
}

static void say_image(const struct image *i)
{
	char size[64];

	say_fact("Image", "%s, %s, %s%s%s", i->name, text_size(size, sizeof(size), i->size),
		image_kind(&i->volume), *i->volume.label ? ", " : "", i->volume.label);
}

static void say_burned(const struct write_run *w, uint64_t took)
{
	char duration[64], speed[64];

	say_fact("Burned", "%llu bytes in %s, %s/s (%.1fx)%s", (unsigned long long)w->image->size,
		text_duration(duration, sizeof(duration), took),
		text_size(speed, sizeof(speed), w->speed_of_all),
		(double)w->speed_of_all / 1000 / drive_single_speed(w->drive),
		w->dummy ? ", as a simulation" : "");
	say_fact("SHA-256", "%s", w->sha256);
}

/* The disc is what the verification says; without one it was only written without an error. */
static int verify_burn(const struct drive *d, const struct disc_options *o, struct verification *v)
{
	int status;

	if (o->dummy)
		return verdict(DISC_OK,
			"simulated: %s could be burned at this speed. The disc is as "
			"it was",
			v->image->name);
	if (!o->verify)
		return verdict(DISC_OK, "%s was burned. It was not verified", v->image->name);
	status = verify_disc(d, v);
	if (status == DISC_OK)
		return verdict(DISC_OK, "%s was burned, and the disc matches it, byte for byte",
			v->image->name);
	if (!v->verdict) { /* it could not be carried out: what was burned is burned */
		verdict_add(
			". %s was burned without an error, but is not verified", v->image->name);
		return status;
	}
	verdict_add(". It was just burned: do not use it");
	return status;
}

static bool record_burn(const struct write_run *w, const struct verification *v)
{
	const struct record r = {
		.verb = "burn",
		.verdict = w->dummy     ? "simulated"
			   : v->verdict ? v->verdict
			   : *w->sha256 ? "not verified"
					: "spoiled",
		.against = v->verdict ? v->against : NULL,
		.sha256 = w->sha256,
		.length = w->image->size,
		.id = w->image->volume.id,
		.media = w->drive->media,
		.product = w->drive->product,
		.speed = w->speed_of_all,
		.image = w->image->called,
	};

	return record_send(&r);
}

static int burn(struct drive *d, const struct disc_options *o, const struct image *i)
{
	struct write_run w = {.drive = d,
		.image = i,
		.dummy = o->dummy,
		.multi_session = o->multi_session,
		.speed = o->speed ? o->speed : "max",
		.percent = o->verify && !o->dummy ? 50 : 100};
	struct verification v = {.options = o, .image = i, .percent = w.percent};
	uint64_t began = now_monotonic();
	int status = write_image(d, &w, o);

	if (status == 0 && !image_unchanged(i)) {
		*w.sha256 = '\0'; /* of no image: nothing to verify a disc by */
		status =
			o->dummy
				? verdict(EX_NOINPUT,
					  "%s was changed while it was read. The disc is as it was",
					  i->name)
				: verdict(DISC_SPOILED,
					  "%s was changed while it was burned: the disc is not "
					  "what it should be",
					  i->name);
	}
	if (status == 0) {
		say_burned(&w, now_monotonic() - began);
		status = verify_burn(d, o, &v);
	}
	if (!w.touched && *w.sha256 == '\0')
		return status; /* nothing happened */
	bool kept = record_burn(&w, &v);
	verdict_final();
	if (o->eject && *w.sha256)
		verify_eject(d, kept);
	return status;
}

int burn_verb(const struct disc_options *o)
{
	_cleanup_drive_ struct drive d = {.lock = -1};
	struct image i;
	int status;

	if (!o->image)
		return verdict(EX_USAGE, "burn what? --image FILE, or a dropped one "
					 "(FLAGMAN_PAYLOAD)");
	status = image_open(o, &i);
	if (status == 0) {
		say_image(&i);
		status = image_check(&i);
	}
	if (status == 0)
		status = drive_init(&d, o->device, true);
	if (status == 0)
		status = same_file(&d, &i);
	if (status == 0)
		status = burn(&d, o, &i);
	close_fd(i.fd);
	return status;
}
