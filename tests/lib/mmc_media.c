/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is on the disc and how it is read and written.  A disc that is written once has complete
 * tracks, perhaps one that is being written (`run`), and an address at which it goes on; one that
 * can be written anywhere has sectors, once it is formatted.
 */
#include "mmc_drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mmc_is_cd(void)
{
	int64_t profile = mmc_state()->profile;

	return profile >= 0x08 && profile <= 0x0a;
}

bool mmc_is_overwritable(void)
{
	int64_t profile = mmc_state()->profile;

	return profile == 0x1a || profile == 0x13 || profile == 0x43;
}

bool mmc_is_erasable(void)
{
	return mmc_is_overwritable() || mmc_state()->profile == 0x0a ||
	       mmc_state()->profile == 0x14;
}

static bool is_pressed(void)
{
	return mmc_state()->profile == 0x08 || mmc_state()->profile == 0x10;
}

bool mmc_is_blank(void)
{
	struct mmc_state *m = mmc_state();

	if (mmc_is_overwritable())
		return !m->formatted;
	return !is_pressed() && !m->tracks && m->run < 0 && !m->nwa && !m->closed;
}

bool mmc_is_appendable(void)
{
	return !mmc_is_overwritable() && !is_pressed() && !mmc_is_blank() && !mmc_state()->closed;
}

int64_t mmc_recorded(void)
{
	struct mmc_state *m = mmc_state();

	if (mmc_is_overwritable())
		return m->formatted ? m->capacity : 0;
	return m->tracks ? m->track_start[m->tracks - 1] + m->track_size[m->tracks - 1] : 0;
}

static int64_t run_out(int64_t lba, int64_t n)
{
	struct mmc_state *m = mmc_state();

	for (int64_t i = 0; i < m->tracks; i++) {
		int64_t end = m->track_start[i] + m->track_size[i];
		int64_t from = end - m->track_runout[i];
		if (from < end && lba < end && from < lba + n)
			return from > lba ? from : lba;
	}
	return -1;
}

int64_t mmc_bad_sector(int64_t lba, size_t n)
{
	struct mmc_state *m = mmc_state();
	int64_t bad = run_out(lba, (int64_t)n);

	for (int64_t i = 0; i < m->bad_count; i++) {
		int64_t start = m->bad_start[i], at = start > lba ? start : lba;
		if (at >= start + m->bad_size[i] || at >= lba + (int64_t)n || !m->bad_tries[i])
			continue;
		if (m->bad_tries[i] > 0)
			m->bad_tries[i]--;
		if (bad < 0 || at < bad)
			bad = at;
	}
	return bad;
}

static int read_blocks(struct mmc_command *c, int64_t lba, int64_t n)
{
	struct mmc_state *m = mmc_state();
	int64_t end = mmc_recorded(), bad;

	snprintf(c->note, sizeof(c->note), " lba=%lld n=%lld", (long long)lba, (long long)n);
	if (m->run >= 0 && m->nwa > end)
		end = m->nwa;
	if (lba < 0 || n < 0 || lba + n > end)
		return SENSE_OUT_OF_RANGE;
	if ((size_t)n * MMC_BLOCK > c->size)
		return SENSE_INVALID_FIELD;
	bad = n ? mmc_bad_sector(lba, (size_t)n) : -1;
	if (bad >= 0) {
		c->sense_lba = bad;
		return run_out(bad, 1) >= 0 ? SENSE_ILLEGAL_MODE : SENSE_READ_ERROR;
	}
	if (n && mmc_data_read(lba, (size_t)n, c->data) < 0)
		abort();
	c->done = (size_t)n * MMC_BLOCK;
	return 0;
}

int mmc_read_10(struct mmc_command *c)
{
	return read_blocks(c, get32(c->cdb + 2), get16(c->cdb + 7));
}

int mmc_read_12(struct mmc_command *c)
{
	return read_blocks(c, get32(c->cdb + 2), get32(c->cdb + 6));
}

/* The user's data, nothing of what is around it. */
int mmc_read_cd(struct mmc_command *c)
{
	if (!mmc_is_cd() || (c->cdb[9] & 0xf8) != 0x10 || c->cdb[10])
		return SENSE_INVALID_FIELD;
	return read_blocks(c, get32(c->cdb + 2), get32(c->cdb + 5) & 0xffffff);
}

static bool is_dummy(void)
{
	return mmc_state()->write_type & 0x10 && !mmc_is_overwritable() &&
	       (mmc_is_cd() || mmc_state()->profile == 0x11 || mmc_state()->profile == 0x14);
}

/* On a disc that is written in one go, or track by track. */
static int check_sequence(int64_t lba, int64_t n)
{
	struct mmc_state *m = mmc_state();
	int64_t end = m->capacity;

	if (is_pressed() || m->closed)
		return SENSE_CANNOT_WRITE;
	if (m->broken)
		return SENSE_INCOMPLETE_TRACK;
	if (m->profile == 0x14 && m->only_dao && !m->reserved)
		return SENSE_ILLEGAL_MODE;
	if (m->cue && m->run < 0 && lba <= m->nwa) {
		m->run = m->nwa; /* the pause before a track comes first, if it comes */
		m->nwa = lba;
	}
	if (m->cue)
		end = m->cue;
	else if (m->reserved)
		end = m->run + m->reserved;
	if (lba != m->nwa)
		return SENSE_WRONG_ADDRESS;
	return lba + n > end ? SENSE_OUT_OF_RANGE : 0;
}

static int check_write(struct mmc_command *c, int64_t lba, int64_t n)
{
	struct mmc_state *m = mmc_state();

	if (n < 0 || (size_t)n * MMC_BLOCK > c->size)
		return SENSE_INVALID_FIELD;
	if (!mmc_is_overwritable())
		return check_sequence(lba, n);
	if (!m->formatted)
		return SENSE_CANNOT_WRITE;
	return lba < 0 || lba + n > m->capacity ? SENSE_OUT_OF_RANGE : 0;
}

static void store(int64_t lba, int64_t n, uint8_t *from)
{
	struct mmc_state *m = mmc_state();
	uint8_t block[MMC_BLOCK];

	if (n > 0 && mmc_data_write(lba, (size_t)n, from) < 0)
		abort();
	for (int64_t i = 0; i < m->corrupt_count; i++) {
		if (m->corrupt[i] < lba || m->corrupt[i] >= lba + n)
			continue;
		memcpy(block, from + (m->corrupt[i] - lba) * MMC_BLOCK, sizeof(block));
		block[MMC_BLOCK / 2] ^= 0x10;
		if (mmc_data_write(m->corrupt[i], 1, block) < 0)
			abort();
	}
}

static int write_blocks(struct mmc_command *c, int64_t lba, int64_t n)
{
	struct mmc_state *m = mmc_state();
	int sense = check_write(c, lba, n);
	int64_t skip = lba < 0 ? -lba : 0;

	snprintf(c->note, sizeof(c->note), " lba=%lld n=%lld", (long long)lba, (long long)n);
	if (sense)
		return sense;
	c->done = (size_t)n * MMC_BLOCK;
	if (m->write_error >= 0 && m->write_error >= lba && m->write_error < lba + n) {
		n = m->write_error - lba;
		c->sense_lba = m->write_error;
		sense = SENSE_WRITE_ERROR;
	}
	if (!is_dummy() && n > skip)
		store(lba + skip, n - skip, c->data + skip * MMC_BLOCK);
	if (!mmc_is_overwritable()) {
		if (m->run < 0)
			m->run = m->nwa;
		m->nwa += n;
	}
	return sense;
}

int mmc_write_10(struct mmc_command *c)
{
	return write_blocks(c, get32(c->cdb + 2), get16(c->cdb + 7));
}

int mmc_write_12(struct mmc_command *c)
{
	return write_blocks(c, get32(c->cdb + 2), get32(c->cdb + 6));
}
