/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the drive says it can do: features, mode pages, speeds.
 */
#include "mmc_drive.h"

#include <stdio.h>
#include <string.h>

struct features {
	uint8_t reply[512];
	size_t size;
	unsigned from, kind; /* the first wanted; 0 all, 1 current ones, 2 this one */
};

/* kB/s, the fastest first. */
static const unsigned cd_speeds[] = {7056, 4234, 1764};
static const unsigned dvd_speeds[] = {22160, 11080, 5540};
static const unsigned bd_speeds[] = {35968, 17984, 8992};

static const unsigned *speeds(void)
{
	if (mmc_is_cd())
		return cd_speeds;
	return mmc_state()->profile >= 0x40 ? bd_speeds : dvd_speeds;
}

static unsigned current_speed(void)
{
	const unsigned *speed = speeds();

	for (int i = 0; i < 3; i++) {
		if (mmc_state()->speed >= speed[i])
			return speed[i];
	}
	return mmc_state()->speed ? speed[2] : speed[0];
}

static void feature(
	struct features *f, unsigned code, int version, bool current, const void *data, size_t size)
{
	uint8_t *at = f->reply + f->size;

	if (code < f->from || (f->kind == 2 && code != f->from) || (f->kind == 1 && !current))
		return;
	put16(at, code);
	at[2] = (uint8_t)(version << 2 | current);
	at[3] = (uint8_t)size;
	if (size)
		memcpy(at + 4, data, size);
	f->size += 4 + size;
}

static void profiles(struct features *f)
{
	static const uint8_t known[] = {
		0x43, 0x41, 0x40, 0x1b, 0x1a, 0x14, 0x13, 0x11, 0x10, 0x0a, 0x09, 0x08};
	uint8_t list[4 * sizeof(known)] = {0};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(known); i++) {
		if (mmc_state()->read_only && known[i] != 0x10 && known[i] != 0x08)
			continue;
		list[n + 1] = known[i];
		list[n + 2] = known[i] == mmc_profile();
		n += 4;
	}
	feature(f, 0x0000, 0, true, list, n);
}

static void features_of_drive(struct features *f)
{
	struct mmc_state *m = mmc_state();
	uint8_t removable = m->fixed ? 0x01 : m->no_load ? 0x29 : 0x39;

	feature(f, 0x0001, 2, true, "\0\0\0\7\1\0\0", 8);
	feature(f, 0x0002, 1, true, "\2\0\0", 4);
	feature(f, 0x0003, 2, true, (uint8_t[]){removable, 0, 0, 0}, 4);
}

static void features_of_reading(struct features *f, int64_t profile)
{
	bool readable = profile && mmc_recorded() > 0;

	feature(f, 0x0010, 0, readable, "\0\0\x08\0\0\x10\1", 8);
	feature(f, 0x001d, 0, true, NULL, 0);
	feature(f, 0x001e, 2, profile >= 0x08 && profile <= 0x0a, "\0\0\0", 4);
	feature(f, 0x001f, 1, profile >= 0x10 && profile <= 0x1b, "\1\0\1", 4);
}

static void features_of_dvd(struct features *f, int64_t profile)
{
	struct mmc_state *m = mmc_state();
	bool minus = profile == 0x11 || profile == 0x14;
	bool sequence = (minus && !m->only_dao) || profile == 0x09 || profile == 0x0a;

	feature(f, 0x0021, 2, sequence && !m->closed, "\0\1\0\1\x10\0\0", 8);
	feature(f, 0x0023, 1,
		profile == 0x1a || profile == 0x41 || profile == 0x43 || profile == 0x13 ||
			profile == 0x14,
		"\x0a\0\0\0\1\0\0", 8);
	feature(f, 0x0026, 0, profile == 0x13, NULL, 0);
	feature(f, 0x002a, 1, profile == 0x1a, "\1\0\0", 4);
	feature(f, 0x002b, 0, profile == 0x1b, "\1\0\0", 4);
}

static void features_of_writing(struct features *f, int64_t profile)
{
	struct mmc_state *m = mmc_state();
	bool cd = (profile == 0x09 || profile == 0x0a) && !m->closed;
	bool minus = (profile == 0x11 || profile == 0x14) && !m->closed;
	uint8_t random[12];

	put32(random, m->capacity - 1);
	put32(random + 4, MMC_BLOCK);
	put32(random + 8, 16 << 16 | 1 << 8);
	feature(f, 0x0020, 1, mmc_is_overwritable() && m->formatted && profile, random, 12);
	features_of_dvd(f, profile);
	feature(f, 0x002d, 2, cd, "\x46\0\1\0", 4); /* BUF, test write, CD-RW; mode 1 */
	feature(f, 0x002e, 0, cd, "\x66\0\x0c", 4);
	feature(f, 0x002f, 2, minus, "\x46\0\0", 4);
	feature(f, 0x0037, 0, profile == 0x0a, "\0\7\0", 4);
	feature(f, 0x0040, 0, profile >= 0x40, NULL, 0);
	feature(f, 0x0041, 0, profile == 0x41 || profile == 0x43, NULL, 0);
}

int mmc_get_configuration(struct mmc_command *c)
{
	struct features f = {.size = 8, .from = get16(c->cdb + 2), .kind = c->cdb[1] & 3};
	int64_t profile = mmc_profile();

	profiles(&f);
	features_of_drive(&f);
	features_of_reading(&f, profile);
	if (!mmc_state()->read_only)
		features_of_writing(&f, profile);
	feature(&f, 0x0100, 0, true, NULL, 0);
	feature(&f, 0x0105, 1, true, "\0\0\0", 4);
	feature(&f, 0x0107, 5, profile != 0, "\x1f\0\0", 4);
	feature(&f, 0x0108, 0, true, "FLAGMAN00001", 12);
	put32(f.reply, (int64_t)f.size - 4);
	put16(f.reply + 6, profile);
	mmc_answer(c, f.reply, f.size, get16(c->cdb + 7));
	return 0;
}

int mmc_get_performance(struct mmc_command *c)
{
	uint8_t reply[8 + 3 * 16] = {0};
	size_t size = 8;

	if (c->cdb[10] != 3)
		return SENSE_INVALID_FIELD;
	for (int i = 0; i < 3 && mmc_profile() && !mmc_state()->read_only; i++, size += 16) {
		put32(reply + size + 4, mmc_state()->capacity - 1);
		put32(reply + size + 8, speeds()[0]);
		put32(reply + size + 12, speeds()[i]);
	}
	put32(reply, (int64_t)size - 4);
	if (get16(c->cdb + 8) * 16 + 8 < size)
		size = get16(c->cdb + 8) * 16 + 8;
	mmc_answer(c, reply, size, size);
	return 0;
}

static size_t page_errors(uint8_t *page)
{
	memcpy(page, "\x01\x0a\0\x05\0\0\0\0\x05\0\0", 12);
	return 12;
}

static size_t page_write(uint8_t *page)
{
	struct mmc_state *m = mmc_state();

	memset(page, 0, 52);
	page[0] = 0x05;
	page[1] = 50;
	page[2] = (uint8_t)m->write_type;
	page[3] = (uint8_t)m->write_mode;
	page[4] = (uint8_t)m->block_type;
	page[5] = page[13] = 16;
	page[15] = 150;
	return 52;
}

static size_t page_capabilities(uint8_t *page)
{
	struct mmc_state *m = mmc_state();
	int mechanism = m->fixed ? 0 : 1;

	memset(page, 0, 44);
	page[0] = 0x2a;
	page[1] = 42;
	page[2] = 0x3f;
	page[3] = m->read_only ? 0 : 0x17; /* CD-R, CD-RW, test write, DVD-R */
	page[4] = m->read_only ? 0x70 : 0xf0;
	page[6] = (uint8_t)(mechanism << 5 | (m->fixed ? 0 : 8) | (m->locked != 0) << 1 | 1);
	put16(page + 8, speeds()[0]);
	put16(page + 12, 1024);
	put16(page + 14, speeds()[0]);
	if (m->read_only)
		return 44;
	put16(page + 18, speeds()[0]);
	put16(page + 20, current_speed());
	put16(page + 28, current_speed());
	put16(page + 30, 3);
	for (int i = 0; i < 3; i++)
		put16(page + 34 + 4 * i, speeds()[i]);
	return 44;
}

int mmc_mode_sense(struct mmc_command *c)
{
	uint8_t reply[8 + 12 + 52 + 44] = {0};
	int page = c->cdb[2] & 0x3f;
	size_t size = 8;

	snprintf(c->note, sizeof(c->note), " page=%02xh", page);
	if (page == 0x05 && mmc_state()->read_only)
		return SENSE_INVALID_FIELD;
	if (page == 0x01 || page == 0x3f)
		size += page_errors(reply + size);
	if ((page == 0x05 || page == 0x3f) && !mmc_state()->read_only)
		size += page_write(reply + size);
	if (page == 0x2a || page == 0x3f)
		size += page_capabilities(reply + size);
	if (size == 8)
		return SENSE_INVALID_FIELD;
	put16(reply, (int64_t)size - 2);
	mmc_answer(c, reply, size, get16(c->cdb + 7));
	return 0;
}

/* Raw writing is what not even all real burners do: this one refuses. */
static int select_write(const uint8_t *page)
{
	struct mmc_state *m = mmc_state();

	if (m->read_only)
		return SENSE_INVALID_PARAM;
	if ((page[2] & 0x0f) > 2)
		return SENSE_INVALID_PARAM;
	if ((page[4] & 0x0f) != 8 && (page[4] & 0x0f) != 0 && (page[4] & 0x0f) != 10)
		return SENSE_INVALID_PARAM;
	m->write_type = page[2];
	m->write_mode = page[3];
	m->block_type = page[4];
	return 0;
}

int mmc_mode_select(struct mmc_command *c)
{
	const uint8_t *page = c->data + 8 + (c->size >= 8 ? get16(c->data + 6) : 0);

	if (c->size < 10 || (size_t)(page - c->data) + 6 > c->size)
		return SENSE_INVALID_PARAM;
	c->done = c->size;
	snprintf(c->note, sizeof(c->note), " page=%02xh type=%02xh mode=%02xh", page[0] & 0x3f,
		page[2], page[3]);
	return (page[0] & 0x3f) == 0x05 ? select_write(page) : 0;
}
