/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Beginnings and ends of tracks, sessions and discs; blanking and formatting.  Distances between
 * tracks and sessions are shorter than on real discs: those of the tests are small.
 */
#include "mmc_drive.h"

#include <stdio.h>
#include <string.h>

enum {
	WRITE_TRACK_AT_ONCE = 1,
	WRITE_SESSION_AT_ONCE = 2,
	CD_PREGAP = 150,
	CD_RUN_OUT = 2,
	SESSION_GAP = 16,
	ECC_BLOCK = 16,
};

static bool is_dummy(void)
{
	struct mmc_state *m = mmc_state();

	return m->write_type & 0x10 && (mmc_is_cd() || m->profile == 0x11 || m->profile == 0x14);
}

static int writing_by(void)
{
	return (int)mmc_state()->write_type & 0x0f;
}

/* DVD-R and CD tell by mode page 5 if a session may follow. */
static bool more_to_come(void)
{
	return (mmc_state()->write_mode >> 6 & 3) == 3;
}

static void forget_run(void)
{
	struct mmc_state *m = mmc_state();

	m->run = -1;
	m->reserved = m->cue = m->broken = 0;
}

static void finish_track(void)
{
	struct mmc_state *m = mmc_state();
	int64_t size = m->reserved ? m->reserved : m->nwa - m->run;
	bool run_out = mmc_is_cd() && !m->cue;

	if (m->run < 0 || is_dummy()) {
		m->nwa = m->run < 0 ? m->nwa : m->run;
		forget_run();
		return;
	}
	m->track_start[m->tracks] = m->run;
	m->track_runout[m->tracks] = m->broken ? size - (m->nwa - m->run)
				     : run_out ? CD_RUN_OUT
					       : 0;
	m->track_size[m->tracks] = size + (run_out ? CD_RUN_OUT : 0);
	m->track_session[m->tracks] = m->sessions + 1;
	m->nwa = m->run + m->track_size[m->tracks];
	m->nwa += mmc_is_cd() ? CD_PREGAP : -m->nwa & (ECC_BLOCK - 1);
	m->tracks++;
	forget_run();
}

static void finish_session(bool last)
{
	struct mmc_state *m = mmc_state();

	finish_track();
	if (m->tracks && m->track_session[m->tracks - 1] > m->sessions) {
		m->sessions++;
		m->nwa += SESSION_GAP;
	}
	if (last && m->tracks)
		m->closed = 1;
	m->only_dao = m->only_dao && !m->tracks;
}

/* What was announced in full ends by itself, once the last of it is on the disc. */
int mmc_sync(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();

	(void)c;
	if (m->close_error)
		return SENSE_WRITE_ERROR;
	if (m->cue && m->run >= 0 && m->nwa >= m->cue)
		finish_session(!more_to_come());
	else if ((m->profile == 0x11 || m->profile == 0x14) &&
		 writing_by() == WRITE_SESSION_AT_ONCE && m->reserved &&
		 m->nwa > m->run + m->reserved - ECC_BLOCK)
		finish_session(true);
	mmc_break_off();
	mmc_be_busy();
	return 0;
}

void mmc_break_off(void)
{
	struct mmc_state *m = mmc_state();
	bool minus = m->profile == 0x11 || m->profile == 0x14;

	if (m->run < 0 || writing_by() != WRITE_SESSION_AT_ONCE)
		return;
	if (is_dummy() && (m->cue || (minus && m->reserved)))
		finish_track();
	else if (m->cue || (minus && m->reserved))
		m->broken = 1;
}

int mmc_reserve(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	int64_t size = get32(c->cdb + 5);

	snprintf(c->note, sizeof(c->note), " n=%lld", (long long)size);
	if (mmc_is_overwritable() || m->closed || m->run >= 0)
		return SENSE_CANNOT_WRITE;
	if (size <= 0 || m->nwa + size > m->capacity)
		return SENSE_END_OF_AREA;
	m->run = m->nwa;
	m->reserved = size;
	return 0;
}

/* Lines of eight bytes; the last is of the lead-out, which begins where the tracks end. */
int mmc_cue_sheet(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	const uint8_t *last = c->data + c->size - 8;

	if (!mmc_is_cd() || m->closed || writing_by() != WRITE_SESSION_AT_ONCE)
		return SENSE_CANNOT_WRITE;
	if (c->size < 16 || last[1] != 0xaa)
		return SENSE_INVALID_PARAM;
	m->cue = (last[5] * 60 + last[6]) * 75 + last[7] - CD_PREGAP;
	snprintf(c->note, sizeof(c->note), " end=%lld", (long long)m->cue);
	c->done = c->size;
	if (m->cue > m->capacity) {
		m->cue = 0;
		return SENSE_END_OF_AREA;
	}
	return 0;
}

int mmc_close(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	int what = c->cdb[2] & 7;

	snprintf(c->note, sizeof(c->note), "%s",
		what == 1   ? " track"
		: what == 2 ? " session"
			    : " disc");
	mmc_be_busy();
	if (m->close_error)
		return SENSE_WRITE_ERROR;
	if (mmc_is_overwritable())
		return 0;
	if (m->closed)
		return SENSE_CANNOT_WRITE;
	if (what == 1)
		finish_track();
	else if (what == 2)
		finish_session((mmc_is_cd() || m->profile == 0x11 || m->profile == 0x14) &&
			       !more_to_come());
	else
		finish_session(true);
	return 0;
}

static void wipe(void)
{
	struct mmc_state *m = mmc_state();

	m->tracks = m->sessions = m->nwa = m->closed = 0;
	forget_run();
	mmc_data_clear(0);
	mmc_be_busy();
}

int mmc_blank(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	int type = c->cdb[1] & 7;

	snprintf(c->note, sizeof(c->note), "%s", type == 0 ? " all" : " fast");
	if (m->profile != 0x0a && m->profile != 0x14 && m->profile != 0x13)
		return SENSE_CANNOT_FORMAT;
	if (type > 1)
		return SENSE_INVALID_FIELD;
	if (m->profile == 0x13)
		m->profile = 0x14;
	m->formatted = 0;
	m->only_dao = type == 1 && m->profile == 0x14;
	wipe();
	return 0;
}

int mmc_format(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	int type;

	if (c->size < 12)
		return SENSE_INVALID_PARAM;
	c->done = c->size;
	type = c->data[8] >> 2;
	snprintf(c->note, sizeof(c->note), " type=%02xh", type);
	if (m->profile == 0x13 && type == 0x13)
		return 0;
	if (m->profile == 0x14 || m->profile == 0x13)
		m->profile = 0x13;
	else if (m->profile == 0x41 ? !mmc_is_blank() : !mmc_is_overwritable())
		return SENSE_CANNOT_FORMAT;
	m->formatted = 1;
	wipe();
	return 0;
}
