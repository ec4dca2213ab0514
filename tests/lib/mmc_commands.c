/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drive: which commands it knows, and those that are about the drive itself (SPC, MMC-5).
 * Each handler returns 0 or a sense code.  What was asked, and how it went, is in the log.
 */
#include "mmc_drive.h"

#include <stdio.h>
#include <string.h>

enum {
	NEEDS_DISC = 1,   /* fails where none is, or it is not ready */
	NEEDS_BURNER = 2, /* a DVD-ROM drive does not know it */
	NO_ATTENTION = 4, /* is done even if there is something to tell */
};

int64_t mmc_profile(void)
{
	struct mmc_state *m = mmc_state();

	if (m->tray_open || !m->profile)
		return 0;
	if (!m->read_only)
		return m->profile;
	if (mmc_is_blank())
		return 0;
	return mmc_is_cd() ? 0x08 : 0x10;
}

void mmc_answer(struct mmc_command *c, const uint8_t *reply, size_t size, size_t asked)
{
	if (size > asked)
		size = asked;
	if (size > c->size)
		size = c->size;
	if (size)
		memcpy(c->data, reply, size);
	c->done = size;
}

void mmc_be_busy(void)
{
	if (mmc_state()->busy_ms)
		mmc_state()->ready_at = mmc_now() + mmc_state()->busy_ms;
}

int mmc_readiness(void)
{
	struct mmc_state *m = mmc_state();

	if (m->tray_open)
		return SENSE_TRAY_OPEN;
	if (!m->profile)
		return SENSE_NO_DISC;
	if (m->ready_at && mmc_now() < m->ready_at)
		return SENSE_BECOMING_READY;
	if (m->read_only && mmc_is_blank())
		return SENSE_INCOMPATIBLE;
	return 0;
}

int mmc_eject(void)
{
	struct mmc_state *m = mmc_state();

	if (m->fixed)
		return SENSE_INVALID_FIELD;
	if (m->locked || m->prevented)
		return SENSE_REMOVAL_PREVENTED;
	if (m->jammed || m->tray_open)
		return 0;
	m->tray_open = 1;
	m->event = 3;
	return 0;
}

int mmc_load(void)
{
	struct mmc_state *m = mmc_state();

	if (m->fixed || m->no_load)
		return SENSE_INVALID_FIELD;
	if (m->jammed || !m->tray_open)
		return 0;
	m->tray_open = 0;
	m->kernel_changed = 1;
	m->event = 2;
	m->attention = m->profile != 0;
	mmc_be_busy();
	return 0;
}

static int start_stop(struct mmc_command *c)
{
	bool start = c->cdb[4] & 1;

	if (!(c->cdb[4] & 2)) {
		snprintf(c->note, sizeof(c->note), start ? " start" : " stop");
		return start ? mmc_readiness() : 0;
	}
	snprintf(c->note, sizeof(c->note), start ? " load" : " eject");
	return start ? mmc_load() : mmc_eject();
}

static int prevent(struct mmc_command *c)
{
	mmc_state()->locked = c->cdb[4] & 1;
	snprintf(c->note, sizeof(c->note), " %d", c->cdb[4] & 1);
	return 0;
}

static int test_unit_ready(struct mmc_command *c)
{
	(void)c;
	return mmc_readiness();
}

static int request_sense(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	int sense = m->ready_at && mmc_now() < m->ready_at ? SENSE_BECOMING_READY : (int)m->sense;
	uint8_t reply[18] = {0x70, 0,
		(uint8_t)(sense >> 16), [7] = 10, [12] = (uint8_t)(sense >> 8), (uint8_t)sense};

	m->sense = 0;
	mmc_answer(c, reply, sizeof(reply), c->cdb[4]);
	return 0;
}

static int inquiry(struct mmc_command *c)
{
	uint8_t reply[96] = {0x05, 0x80, 0x05, 0x32, [4] = 91};

	memcpy(reply + 8, "FLAGMAN EMULATED BURNER 1.00", 28);
	put16(reply + 58, 0x0080); /* SAM-3, as burners say */
	mmc_answer(c, reply, sizeof(reply), get16(c->cdb + 3));
	return 0;
}

static int event_status(struct mmc_command *c)
{
	struct mmc_state *m = mmc_state();
	uint8_t reply[8] = {0, 2, 0x80, 0x10};
	bool present = m->profile && !m->tray_open;

	if (!(c->cdb[1] & 1))
		return SENSE_INVALID_FIELD;
	if (c->cdb[4] & 0x10) {
		reply[1] = 6;
		reply[2] = 4;
		reply[4] = (uint8_t)m->event;
		reply[5] = (uint8_t)((m->tray_open != 0) | present << 1);
		if (get16(c->cdb + 7) > 4)
			m->event = 0;
	}
	mmc_answer(c, reply, reply[1] + 2u, get16(c->cdb + 7));
	return 0;
}

static int mechanism_status(struct mmc_command *c)
{
	uint8_t reply[8] = {0, mmc_state()->tray_open ? 0x10 : 0};

	mmc_answer(c, reply, sizeof(reply), get16(c->cdb + 8));
	return 0;
}

static int buffer_capacity(struct mmc_command *c)
{
	uint8_t reply[12] = {0, 10};

	put32(reply + 4, 1 << 20);
	put32(reply + 8, 1 << 20);
	mmc_answer(c, reply, sizeof(reply), get16(c->cdb + 7));
	return 0;
}

static int set_speed(struct mmc_command *c)
{
	mmc_state()->speed = get16(c->cdb + 4) == 0xffff ? 0 : get16(c->cdb + 4);
	snprintf(c->note, sizeof(c->note), " write=%u", get16(c->cdb + 4));
	return 0;
}

/* The write size is in kB for each so many ms. */
static int set_streaming(struct mmc_command *c)
{
	int64_t ms;

	if (c->size < 28)
		return SENSE_INVALID_PARAM;
	c->done = c->size;
	ms = get32(c->data + 24);
	mmc_state()->speed = ms > 0 && !(c->data[0] & 4) ? get32(c->data + 20) * 1000 / ms : 0;
	snprintf(c->note, sizeof(c->note), " write=%lld", (long long)mmc_state()->speed);
	return 0;
}

static int nothing(struct mmc_command *c)
{
	c->done = c->size;
	return 0;
}

static const struct {
	uint8_t opcode;
	const char *name;
	int (*handler)(struct mmc_command *c);
	int flags;
} commands[] = {
	{0x00, "TEST_UNIT_READY", test_unit_ready, 0},
	{0x03, "REQUEST_SENSE", request_sense, NO_ATTENTION},
	{0x04, "FORMAT_UNIT", mmc_format, NEEDS_DISC | NEEDS_BURNER},
	{0x12, "INQUIRY", inquiry, NO_ATTENTION},
	{0x1b, "START_STOP", start_stop, NO_ATTENTION},
	{0x1e, "PREVENT_ALLOW", prevent, NO_ATTENTION},
	{0x23, "READ_FORMAT_CAPACITIES", mmc_read_format_capacities, 0},
	{0x25, "READ_CAPACITY", mmc_read_capacity, NEEDS_DISC},
	{0x28, "READ10", mmc_read_10, NEEDS_DISC},
	{0x2a, "WRITE10", mmc_write_10, NEEDS_DISC | NEEDS_BURNER},
	{0x2e, "WRITE_VERIFY10", mmc_write_10, NEEDS_DISC | NEEDS_BURNER},
	{0x35, "SYNCHRONIZE_CACHE", mmc_sync, NEEDS_DISC | NEEDS_BURNER},
	{0x43, "READ_TOC", mmc_read_toc, NEEDS_DISC},
	{0x46, "GET_CONFIGURATION", mmc_get_configuration, NO_ATTENTION},
	{0x4a, "GET_EVENT_STATUS", event_status, NO_ATTENTION},
	{0x51, "READ_DISC_INFORMATION", mmc_read_disc_information, NEEDS_DISC},
	{0x52, "READ_TRACK_INFORMATION", mmc_read_track_information, NEEDS_DISC},
	{0x53, "RESERVE_TRACK", mmc_reserve, NEEDS_DISC | NEEDS_BURNER},
	{0x54, "SEND_OPC", nothing, NEEDS_DISC | NEEDS_BURNER},
	{0x55, "MODE_SELECT", mmc_mode_select, 0},
	{0x5a, "MODE_SENSE", mmc_mode_sense, 0},
	{0x5b, "CLOSE", mmc_close, NEEDS_DISC | NEEDS_BURNER},
	{0x5c, "READ_BUFFER_CAPACITY", buffer_capacity, 0},
	{0x5d, "SEND_CUE_SHEET", mmc_cue_sheet, NEEDS_DISC | NEEDS_BURNER},
	{0xa1, "BLANK", mmc_blank, NEEDS_DISC | NEEDS_BURNER},
	{0xa8, "READ12", mmc_read_12, NEEDS_DISC},
	{0xaa, "WRITE12", mmc_write_12, NEEDS_DISC | NEEDS_BURNER},
	{0xac, "GET_PERFORMANCE", mmc_get_performance, 0},
	{0xad, "READ_DISC_STRUCTURE", mmc_read_disc_structure, NEEDS_DISC},
	{0xb6, "SET_STREAMING", set_streaming, 0},
	{0xbb, "SET_CD_SPEED", set_speed, 0},
	{0xbd, "MECHANISM_STATUS", mechanism_status, NO_ATTENTION},
	{0xbe, "READ_CD", mmc_read_cd, NEEDS_DISC},
};

static int dispatch(struct mmc_command *c, size_t i)
{
	struct mmc_state *m = mmc_state();
	int sense;

	if (commands[i].flags & NEEDS_BURNER && m->read_only)
		return SENSE_UNKNOWN_COMMAND;
	if (m->attention && !(commands[i].flags & NO_ATTENTION)) {
		m->attention = 0;
		return SENSE_CHANGED;
	}
	sense = commands[i].flags & NEEDS_DISC ? mmc_readiness() : 0;
	return sense ? sense : commands[i].handler(c);
}

void mmc_execute(struct mmc_command *c)
{
	char unknown[16];
	const char *name = unknown;
	size_t i = 0, n = sizeof(commands) / sizeof(commands[0]);

	while (i < n && commands[i].opcode != c->cdb[0])
		i++;
	if (i < n) {
		name = commands[i].name;
		c->sense = dispatch(c, i);
	} else {
		snprintf(unknown, sizeof(unknown), "%02Xh", c->cdb[0]);
		c->sense = SENSE_UNKNOWN_COMMAND;
	}
	if (!c->sense) {
		mmc_log("%s%s", name, c->note);
		return;
	}
	mmc_state()->sense = c->sense;
	mmc_log("%s%s -> %02x/%02x/%02x", name, c->note, c->sense >> 16, c->sense >> 8 & 0xff,
		c->sense & 0xff);
}
