/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the drive says of the disc: its state, tracks, tables, sizes and who made it.
 */
#include "mmc_drive.h"

#include <stdio.h>
#include <string.h>

enum { CD_PREGAP = 150 };

static void put_msf(uint8_t *p, int64_t lba)
{
	lba += CD_PREGAP;
	p[0] = 0;
	p[1] = (uint8_t)(lba / 75 / 60);
	p[2] = (uint8_t)(lba / 75 % 60);
	p[3] = (uint8_t)(lba % 75);
}

static void put_address(uint8_t *p, int64_t lba, bool msf)
{
	if (msf)
		put_msf(p, lba);
	else
		put32(p, lba);
}

static int64_t profile_group(void)
{
	return mmc_profile() == 0x10 || mmc_profile() == 0x08 ? 0 : mmc_state()->profile;
}

/* 0 blank, 1 appendable, 2 complete */
static int disc_status(void)
{
	if (!profile_group())
		return 2;
	if (mmc_is_blank())
		return 0;
	return mmc_is_appendable() ? 1 : 2;
}

/* 0 empty, 1 incomplete, 3 complete */
static int session_status(void)
{
	struct mmc_state *m = mmc_state();

	if (disc_status() == 2)
		return 3;
	return m->run >= 0 || (m->tracks && m->track_session[m->tracks - 1] > m->sessions) ||
			       (m->nwa > 0 && !m->tracks)
		       ? 1
		       : 0;
}

static int64_t first_track_of_session(int64_t session)
{
	struct mmc_state *m = mmc_state();
	int64_t track = 0;

	while (track < m->tracks && m->track_session[track] < session)
		track++;
	return track + 1;
}

static bool has_invisible_track(void)
{
	return !mmc_is_overwritable() && disc_status() != 2;
}

int mmc_read_disc_information(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	bool open = has_invisible_track();
	int64_t sessions = m->sessions + open, last = m->tracks + open;
	uint8_t reply[34] = {0, 32};

	if (mmc_is_overwritable() || sessions == 0)
		sessions = last = 1;
	reply[2] = (uint8_t)(disc_status() | session_status() << 2 | mmc_is_erasable() << 4);
	reply[3] = 1;
	reply[4] = (uint8_t)sessions;
	reply[5] = (uint8_t)(mmc_is_overwritable() ? 1 : first_track_of_session(sessions));
	reply[6] = (uint8_t)last;
	reply[7] = 0x20 | (m->profile == 0x1a && m->formatted ? 3 : 0);
	memset(reply + 16, 0xff, 8);
	if (open && mmc_is_cd()) {
		put_msf(reply + 16, m->nwa ? m->nwa : 97 * 60 * 75 - CD_PREGAP);
		put_msf(reply + 20, m->capacity);
	} else if (open) {
		put32(reply + 16, m->nwa);
		put32(reply + 20, m->capacity - 1);
	}
	mmc_answer(c, reply, sizeof(reply), get16(c->cdb + 7));
	return 0;
}

static int64_t track_at(int64_t lba)
{
	struct mmc_state *m = mmc_state();
	int64_t track = 0;

	while (track < m->tracks && lba >= m->track_start[track] + m->track_size[track])
		track++;
	return track + 1;
}

static void fill_open_track(uint8_t *reply)
{
	struct mmc_state *m = mmc_state();
	int64_t start = m->run >= 0 ? m->run : m->nwa;
	int64_t end = m->reserved ? start + m->reserved : m->capacity;

	if (m->run < 0)
		reply[6] |= 0x40;
	if (m->reserved)
		reply[6] |= 0x80;
	reply[7] = 1;
	if (m->broken) {
		reply[5] |= 0x20; /* damaged */
		reply[7] = 0;
	}
	put32(reply + 8, start);
	put32(reply + 12, m->nwa);
	put32(reply + 16, end > m->nwa ? end - m->nwa : 0);
	put32(reply + 24, end - start);
}

static void fill_closed_track(uint8_t *reply, int64_t track)
{
	struct mmc_state *m = mmc_state();

	reply[7] = 2;
	put32(reply + 8, m->track_start[track - 1]);
	put32(reply + 24, m->track_size[track - 1]);
	put32(reply + 28, m->track_start[track - 1] + m->track_size[track - 1] - 1);
}

static void fill_whole_disc(uint8_t *reply)
{
	struct mmc_state *m = mmc_state();

	reply[7] = 1;
	put32(reply + 16, m->formatted ? m->capacity : 0);
	put32(reply + 24, m->formatted ? m->capacity : 0);
}

static int64_t asked_track(const uint8_t *cdb)
{
	struct mmc_state *m = mmc_state();
	int64_t number = get32(cdb + 2);

	if ((cdb[1] & 3) == 0)
		return mmc_is_overwritable() ? 1 : track_at(number);
	if ((cdb[1] & 3) == 2)
		return first_track_of_session(number);
	return number == 0xff ? m->tracks + 1 : number;
}

int mmc_read_track_information(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	uint8_t reply[48] = {0, 46, 0, 1, 0, 4, 1};
	int64_t track = asked_track(c->cdb);

	snprintf(c->note, sizeof(c->note), " track=%lld", (long long)track);
	if (mmc_is_overwritable() && track == 1)
		fill_whole_disc(reply);
	else if (track >= 1 && track <= m->tracks)
		fill_closed_track(reply, track);
	else if (track == m->tracks + 1 && has_invisible_track())
		fill_open_track(reply);
	else
		return SENSE_INVALID_FIELD;
	reply[2] = (uint8_t)track;
	reply[3] = (uint8_t)(track > m->tracks ? m->sessions + 1 : m->track_session[track - 1]);
	mmc_answer(c, reply, sizeof(reply), get16(c->cdb + 7));
	return 0;
}

int mmc_read_capacity(struct mmc_command *c)
{
	uint8_t reply[8];

	put32(reply, mmc_recorded() > 0 ? mmc_recorded() - 1 : 0);
	put32(reply + 4, MMC_BLOCK);
	mmc_answer(c, reply, sizeof(reply), sizeof(reply));
	return 0;
}

static int64_t visible_tracks(void)
{
	struct mmc_state *m = mmc_state();
	int64_t n = m->tracks;

	while (n && m->track_session[n - 1] > m->sessions)
		n--;
	return n;
}

static size_t toc_plain(uint8_t *reply, bool msf, int from)
{
	struct mmc_state *m = mmc_state();
	int64_t n = mmc_is_overwritable() ? 1 : visible_tracks();
	size_t size = 4;

	reply[2] = 1;
	reply[3] = (uint8_t)n;
	for (int64_t i = 0; i <= n; i++) {
		int64_t lba = mmc_recorded();
		if (i < n)
			lba = mmc_is_overwritable() ? 0 : m->track_start[i];
		if (i < n && i + 1 < from)
			continue;
		reply[size + 1] = 0x14;
		reply[size + 2] = i < n ? (uint8_t)(i + 1) : 0xaa;
		put_address(reply + size + 4, lba, msf);
		size += 8;
	}
	return size;
}

static size_t toc_sessions(uint8_t *reply, bool msf)
{
	struct mmc_state *m = mmc_state();
	int64_t first = mmc_is_overwritable() ? 1 : first_track_of_session(m->sessions);

	reply[2] = 1;
	reply[3] = (uint8_t)(m->sessions ? m->sessions : 1);
	reply[5] = 0x14;
	reply[6] = (uint8_t)first;
	put_address(reply + 8, m->tracks ? m->track_start[first - 1] : 0, msf);
	return 12;
}

static size_t toc_line(uint8_t *p, int64_t session, uint8_t point)
{
	p[0] = (uint8_t)session;
	p[1] = 0x14;
	p[3] = point;
	return 11;
}

static size_t toc_of_session(uint8_t *reply, int64_t session)
{
	struct mmc_state *m = mmc_state();
	int64_t first = first_track_of_session(session);
	int64_t last = first_track_of_session(session + 1) - 1;
	size_t size = 0;

	reply[8] = (uint8_t)first;
	size += toc_line(reply, session, 0xa0);
	reply[size + 8] = (uint8_t)last;
	size += toc_line(reply + size, session, 0xa1);
	put_msf(reply + size + 7, m->track_start[last - 1] + m->track_size[last - 1]);
	size += toc_line(reply + size, session, 0xa2);
	for (int64_t i = first; i <= last; i++) {
		put_msf(reply + size + 7, m->track_start[i - 1]);
		size += toc_line(reply + size, session, (uint8_t)i);
	}
	return size;
}

static size_t toc_full(uint8_t *reply)
{
	size_t size = 4;

	reply[2] = 1;
	reply[3] = (uint8_t)mmc_state()->sessions;
	for (int64_t i = 1; i <= mmc_state()->sessions; i++)
		size += toc_of_session(reply + size, i);
	return size;
}

static size_t atip(uint8_t *reply)
{
	reply[4] = 0xd0;
	reply[6] = mmc_is_erasable() ? 0x80 | 0x40 : 0x80;
	put_msf(reply + 7, 97 * 60 * 75 + 15 * 75 - CD_PREGAP);
	put_msf(reply + 11, mmc_state()->capacity);
	return 28;
}

int mmc_read_toc(struct mmc_command *c)
{
	uint8_t reply[4 + (MMC_TRACKS * 4 + 1) * 11] = {0};
	int format = c->cdb[2] & 0x0f;
	bool msf = c->cdb[1] & 2, recordable = mmc_profile() == 0x09 || mmc_profile() == 0x0a;
	size_t size = 0;

	if (format == 0 && c->cdb[9] >> 6)
		format = c->cdb[9] >> 6;
	snprintf(c->note, sizeof(c->note), " format=%d", format);
	if (format == 4 && recordable)
		size = atip(reply);
	else if (mmc_recorded() == 0)
		return SENSE_INVALID_FIELD;
	else if (format == 0)
		size = toc_plain(reply, msf, c->cdb[6]);
	else if (format == 1)
		size = toc_sessions(reply, msf);
	else if (format == 2 && mmc_is_cd())
		size = toc_full(reply);
	if (size == 0)
		return SENSE_INVALID_FIELD;
	put16(reply, (int64_t)size - 2);
	mmc_answer(c, reply, size, get16(c->cdb + 7));
	return 0;
}

int mmc_read_format_capacities(struct mmc_command *c)
{
	static const uint8_t plus_rw[] = {0x26, 0}, bd_re[] = {0x00, 0x30, 0x31, 0};
	static const uint8_t bd_r[] = {0x00, 0x32, 0}, minus_rw[] = {0x00, 0x10, 0x15, 0};
	struct mmc_state *m = mmc_state();
	const uint8_t *types = m->profile == 0x1a   ? plus_rw
			       : m->profile == 0x43 ? bd_re
			       : m->profile == 0x41 ? bd_r
						    : minus_rw;
	uint8_t reply[64] = {0};
	size_t size = 12, n = 0;

	put32(reply + 4, m->capacity);
	put32(reply + 8, MMC_BLOCK);
	reply[8] = mmc_readiness() ? 3 : m->formatted ? 2 : 1;
	if (!mmc_readiness() && (mmc_is_overwritable() || m->profile == 0x14 || m->profile == 0x41))
		n = m->profile == 0x1a ? 1 : m->profile == 0x41 ? 2 : 3;
	for (size_t i = 0; i < n; i++, size += 8) {
		put32(reply + size, m->capacity);
		put32(reply + size + 4, MMC_BLOCK);
		reply[size + 4] = (uint8_t)(types[i] << 2);
	}
	reply[3] = (uint8_t)(size - 4);
	mmc_answer(c, reply, size, get16(c->cdb + 7));
	return 0;
}

static uint8_t book_type(void)
{
	switch (mmc_state()->profile) {
	case 0x11:
		return 0x25;
	case 0x14:
	case 0x13:
		return 0x32;
	case 0x1a:
		return 0x92;
	case 0x1b:
		return 0xa1;
	default:
		return 0x01;
	}
}

static size_t physical_format(uint8_t *body)
{
	body[0] = book_type();
	body[1] = 0x0f;
	body[2] = 0x02;
	put32(body + 4, 0x30000);
	put32(body + 8, 0x30000 + (mmc_recorded() ? mmc_recorded() : mmc_state()->capacity) - 1);
	memcpy(body + 19, "FLAGMAN TST", 11);
	return 2048;
}

static size_t bd_information(uint8_t *body)
{
	memcpy(body, "DI", 2);
	memcpy(body + 8, mmc_state()->profile == 0x43 ? "BDW" : "BDR", 3);
	memcpy(body + 100, "FLGMANTST", 9);
	return 112;
}

static size_t prerecorded(uint8_t *body)
{
	body[16] = 3;
	memcpy(body + 17, "FLAGMA", 6);
	body[24] = 4;
	memcpy(body + 25, "NTST01", 6);
	return 40;
}

int mmc_read_disc_structure(struct mmc_command *c)
{
	uint8_t reply[4 + 2048] = {0};
	int format = c->cdb[7];
	bool bd = mmc_state()->profile >= 0x40;
	bool minus = mmc_state()->profile == 0x11 || mmc_state()->profile == 0x14 ||
		     mmc_state()->profile == 0x13;
	size_t size = 0;

	snprintf(c->note, sizeof(c->note), " format=%02xh", format);
	if (mmc_is_cd() || (c->cdb[1] & 0x0f) != bd)
		return SENSE_INVALID_FIELD;
	if (format == 0x00)
		size = bd ? bd_information(reply + 4) : physical_format(reply + 4);
	else if (format == 0x11 && (mmc_state()->profile == 0x1a || mmc_state()->profile == 0x1b))
		size = physical_format(reply + 4);
	else if (format == 0x0e && minus)
		size = prerecorded(reply + 4);
	if (size == 0)
		return SENSE_INVALID_FIELD;
	put16(reply, (int64_t)size + 2);
	mmc_answer(c, reply, size + 4, get16(c->cdb + 8));
	return 0;
}
