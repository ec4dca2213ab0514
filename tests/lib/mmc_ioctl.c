/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ioctls of Linux's cdrom and sr drivers, and SG_IO, by which programs talk to the drive
 * directly.  Who is not root and has it open for reading may not send what changes something.
 */
#include "mmc_drive.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <scsi/scsi.h>
#include <scsi/scsi_ioctl.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CD_PREGAP 150

/* SCSI_IOCTL_GET_IDLUN fills this. */
struct idlun {
	uint32_t id;
	uint32_t host;
};

/* Commands that Linux lets through on a descriptor for reading: block/scsi_ioctl.c. */
static bool is_harmless(uint8_t opcode)
{
	static const uint8_t harmless[] = {0x00, 0x03, 0x08, 0x12, 0x1a, 0x1b, 0x23, 0x25, 0x28,
		0x2f, 0x3c, 0x42, 0x43, 0x44, 0x46, 0x4a, 0x51, 0x52, 0x5a, 0x5c, 0xa0, 0xa4, 0xa8,
		0xac, 0xad, 0xb9, 0xbd, 0xbe};

	return memchr(harmless, opcode, sizeof(harmless)) != NULL;
}

static void fill_sense(const struct mmc_command *c, uint8_t *sense)
{
	memset(sense, 0, 18);
	sense[0] = c->sense_lba >= 0 ? 0xf0 : 0x70;
	sense[2] = (uint8_t)(c->sense >> 16);
	put32(sense + 3, c->sense_lba >= 0 ? c->sense_lba : 0);
	sense[7] = 10;
	sense[12] = (uint8_t)(c->sense >> 8);
	sense[13] = (uint8_t)c->sense;
}

static int run(int fd, struct mmc_command *c)
{
	bool writes = c->cdb[0] == 0x2a || c->cdb[0] == 0xaa || c->cdb[0] == 0x2e;
	bool reads = c->cdb[0] == 0x28 || c->cdb[0] == 0xa8 || c->cdb[0] == 0xbe;
	int lock;

	if (mmc_state()->gone)
		return -ENXIO;
	if (!is_harmless(c->cdb[0]) && geteuid() != 0 && !mmc_kernel_writable(fd))
		return -EPERM;
	if (writes)
		mmc_sleep(mmc_state()->write_ms * 1000);
	if (reads)
		mmc_sleep(mmc_state()->read_ms * 1000);
	c->sense_lba = -1;
	lock = mmc_lock();
	mmc_execute(c);
	mmc_unlock(lock);
	return 0;
}

static int sg_io(int fd, sg_io_hdr_t *h)
{
	uint8_t cdb[16] = {0}, sense[18];
	struct mmc_command c = {.cdb = cdb, .data = h->dxferp, .size = h->dxfer_len};
	int r;

	if (h->interface_id != 'S' || h->cmd_len < 6 || h->cmd_len > 16 || h->iovec_count)
		return -EINVAL;
	memcpy(cdb, h->cmdp, h->cmd_len);
	if (h->dxfer_direction == SG_DXFER_NONE)
		c.size = 0;
	r = run(fd, &c);
	if (r < 0)
		return r;
	h->status = h->masked_status = h->msg_status = h->sb_len_wr = 0;
	h->host_status = h->driver_status = 0;
	h->info = 0;
	h->duration = 1;
	h->resid = (int)(h->dxfer_len - c.done);
	if (!c.sense)
		return 0;
	fill_sense(&c, sense);
	h->status = 2;
	h->masked_status = 1;
	h->driver_status = 8;
	h->info = SG_INFO_CHECK;
	h->sb_len_wr = h->mx_sb_len < sizeof(sense) ? h->mx_sb_len : sizeof(sense);
	if (h->sbp)
		memcpy(h->sbp, sense, h->sb_len_wr);
	return 0;
}

static int send_packet(int fd, struct cdrom_generic_command *g)
{
	struct mmc_command c = {.cdb = g->cmd, .data = g->buffer, .size = g->buflen};
	uint8_t sense[18];
	int r;

	if (g->data_direction == CGC_DATA_NONE)
		c.size = 0;
	r = run(fd, &c);
	if (r < 0)
		return r;
	g->stat = 0;
	if (!c.sense)
		return 0;
	fill_sense(&c, sense);
	g->stat = 2;
	if (g->sense)
		memcpy(g->sense, sense, sizeof(sense));
	return -EIO;
}

/* Commands that the kernel sends itself: told in the log as its own. */
static int simple(const char *why, int sense)
{
	mmc_log("%s%s", why, sense ? " -> failed" : "");
	return sense ? -EIO : 0;
}

static int capability(void)
{
	struct mmc_state *m = mmc_state();
	int can = CDC_CLOSE_TRAY | CDC_OPEN_TRAY | CDC_LOCK | CDC_SELECT_SPEED | CDC_MULTI_SESSION |
		  CDC_MCN | CDC_MEDIA_CHANGED | CDC_PLAY_AUDIO | CDC_RESET | CDC_DRIVE_STATUS |
		  CDC_GENERIC_PACKET | CDC_DVD;

	if (m->fixed)
		can &= ~(CDC_CLOSE_TRAY | CDC_OPEN_TRAY);
	if (!m->read_only)
		can |= CDC_CD_R | CDC_CD_RW | CDC_DVD_R;
	return can;
}

static int drive_status(void)
{
	int sense = mmc_readiness();

	if (sense == 0)
		return CDS_DISC_OK;
	if (sense == SENSE_BECOMING_READY || sense == SENSE_NOT_READY)
		return CDS_DRIVE_NOT_READY;
	if (sense == SENSE_TRAY_OPEN)
		return CDS_TRAY_OPEN;
	return mmc_state()->profile ? CDS_DISC_OK : CDS_NO_DISC;
}

static int disc_status(void)
{
	if (mmc_state()->tray_open || !mmc_state()->profile)
		return CDS_NO_DISC;
	return mmc_recorded() > 0 ? CDS_DATA_1 : CDS_NO_INFO;
}

static int eject(void)
{
	struct mmc_state *m = mmc_state();

	if (!(capability() & CDC_OPEN_TRAY))
		return -ENOSYS;
	if (mmc_kernel_users() != 1 || m->kept_locked || m->mounted)
		return -EBUSY;
	m->locked = 0;
	return simple("CDROMEJECT", mmc_eject());
}

static int close_tray(void)
{
	if (!(capability() & CDC_CLOSE_TRAY))
		return -ENOSYS;
	return simple("CDROMCLOSETRAY", mmc_load());
}

static int lock_door(bool locked)
{
	struct mmc_state *m = mmc_state();

	if (!locked && mmc_kernel_users() > 1 && geteuid() != 0)
		return -EBUSY;
	m->kept_locked = m->locked = locked;
	return simple(locked ? "CDROM_LOCKDOOR 1" : "CDROM_LOCKDOOR 0", 0);
}

static int media_changed(void)
{
	struct mmc_state *m = mmc_state();
	int changed = m->kernel_changed != 0;

	m->kernel_changed = 0;
	return changed;
}

static void to_msf(int64_t lba, struct cdrom_msf0 *msf)
{
	lba += CD_PREGAP;
	msf->minute = (uint8_t)(lba / 75 / 60);
	msf->second = (uint8_t)(lba / 75 % 60);
	msf->frame = (uint8_t)(lba % 75);
}

static int toc_header(struct cdrom_tochdr *header)
{
	if (mmc_readiness())
		return -ENOMEDIUM;
	if (mmc_recorded() == 0)
		return -EIO;
	header->cdth_trk0 = 1;
	header->cdth_trk1 = mmc_is_overwritable() ? 1 : (uint8_t)mmc_state()->tracks;
	return 0;
}

static int toc_entry(struct cdrom_tocentry *entry)
{
	struct mmc_state *m = mmc_state();
	int64_t lba = 0;

	if (mmc_readiness())
		return -ENOMEDIUM;
	if (entry->cdte_track == CDROM_LEADOUT)
		lba = mmc_recorded();
	else if (entry->cdte_track < 1 || entry->cdte_track > (m->tracks ? m->tracks : 1))
		return -EIO;
	else if (m->tracks)
		lba = m->track_start[entry->cdte_track - 1];
	entry->cdte_adr = 1;
	entry->cdte_ctrl = CDROM_DATA_TRACK;
	entry->cdte_datamode = 1;
	if (entry->cdte_format == CDROM_MSF)
		to_msf(lba, &entry->cdte_addr.msf);
	else
		entry->cdte_addr.lba = (int)lba;
	return 0;
}

static int multisession(struct cdrom_multisession *ms)
{
	struct mmc_state *m = mmc_state();
	int64_t lba = m->tracks ? m->track_start[m->tracks - 1] : 0;

	ms->xa_flag = m->sessions > 1;
	if (ms->addr_format == CDROM_MSF)
		to_msf(lba, &ms->addr.msf);
	else
		ms->addr.lba = (int)lba;
	return 0;
}

static int scsi_id(struct sg_scsi_id *id)
{
	memset(id, 0, sizeof(*id));
	id->host_no = (int)mmc_minor();
	id->scsi_type = TYPE_ROM;
	return 0;
}

static int idlun(struct idlun *id)
{
	id->id = mmc_minor() << 24;
	id->host = mmc_minor();
	return 0;
}

static int sizes(unsigned long request, void *argument)
{
	switch (request) {
	case BLKGETSIZE64:
		*(uint64_t *)argument = (uint64_t)mmc_kernel_size();
		return 0;
	case BLKGETSIZE:
		*(unsigned long *)argument = (unsigned long)mmc_kernel_size() / 512;
		return 0;
	case BLKSSZGET:
		*(int *)argument = MMC_BLOCK;
		return 0;
	case BLKPBSZGET:
		*(unsigned *)argument = MMC_BLOCK;
		return 0;
	case BLKROGET:
		*(int *)argument = 1;
		return 0;
	case BLKFLSBUF:
		return geteuid() == 0 ? 0 : -EACCES;
	case BLKRRPART:
		return -EINVAL;
	default:
		return -ENOTTY;
	}
}

static int scsi(unsigned long request, void *argument)
{
	switch (request) {
	case SG_GET_SCSI_ID:
		return scsi_id(argument);
	case SCSI_IOCTL_GET_IDLUN:
		return idlun(argument);
	case SCSI_IOCTL_GET_BUS_NUMBER:
		*(int *)argument = (int)mmc_minor();
		return 0;
	case SG_GET_VERSION_NUM:
		*(int *)argument = 30527;
		return 0;
	case SG_SET_TIMEOUT:
		return 0;
	case SG_GET_TIMEOUT:
		return 60 * 100;
	case SG_GET_RESERVED_SIZE:
		*(int *)argument = 1 << 17;
		return 0;
	case SG_SET_RESERVED_SIZE:
		return 0;
	case SG_EMULATED_HOST:
		*(int *)argument = 1;
		return 0;
	default:
		return sizes(request, argument);
	}
}

static int cdrom(unsigned long request, void *argument)
{
	switch (request) {
	case CDROM_DRIVE_STATUS:
		return drive_status();
	case CDROM_DISC_STATUS:
		return disc_status();
	case CDROM_GET_CAPABILITY:
		return capability();
	case CDROM_MEDIA_CHANGED:
		return media_changed();
	case CDROMEJECT:
		return eject();
	case CDROMCLOSETRAY:
		return close_tray();
	case CDROM_LOCKDOOR:
		return lock_door(argument != NULL);
	case CDROMREADTOCHDR:
		return toc_header(argument);
	case CDROMREADTOCENTRY:
		return toc_entry(argument);
	case CDROMMULTISESSION:
		return multisession(argument);
	case CDROM_SELECT_SPEED:
	case CDROM_SET_OPTIONS:
	case CDROM_CLEAR_OPTIONS:
	case CDROMEJECT_SW:
	case CDROMSTART:
	case CDROMSTOP:
		return 0;
	default:
		return scsi(request, argument);
	}
}

int mmc_kernel_ioctl(int fd, unsigned long request, void *argument)
{
	int lock, r;

	if (mmc_state()->gone)
		return -ENXIO;
	if (request == SG_IO)
		return sg_io(fd, argument);
	if (request == CDROM_SEND_PACKET)
		return send_packet(fd, argument);
	lock = mmc_lock();
	r = cdrom(request, argument);
	mmc_unlock(lock);
	return r;
}
