/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/tray.h"

#include "disc/busy.h"
#include "disc/disc.h"
#include "disc/say.h"
#include "disc/stop.h"

#include "common/fd.h"
#include "common/text.h"

#include <cdio/cdio.h>
#include <cdio/mmc.h>
#include <cdio/mmc_hl_cmds.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h> /* linux/cdrom.h needs INT_MAX */
#include <linux/cdrom.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#define POLL_MS        100
#define MMC_TIMEOUT_MS 60000               /* for one command: mechanics are slow */
#define OPEN_PATIENCE  (5 * USEC_PER_SEC)  /* after the command, which waits itself */
#define SPIN_PATIENCE  (90 * USEC_PER_SEC) /* a disc that was just written is looked at for long */
#define PUSH_AFTER     (5 * USEC_PER_SEC)  /* then the drive can't close it by itself */
#define GONE_AFTER     USEC_PER_SEC        /* it may have been reset */

/* For questions: never exclusive, and the tray stays where it is (O_NONBLOCK). */
static int look_at(const char *device)
{
	return open(device, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int tray_status(const char *device)
{
	_cleanup_close_ int fd = look_at(device);
	int status = fd < 0 ? -1 : ioctl(fd, CDROM_DRIVE_STATUS, CDSL_CURRENT);

	return status < 0 ? -errno : status;
}

bool tray_is_there(const char *device)
{
	_cleanup_close_ int fd = look_at(device);
	int can = fd < 0 ? -1 : ioctl(fd, CDROM_GET_CAPABILITY, 0);

	return can >= 0 && can & CDC_OPEN_TRAY;
}

/* Exclusively: who has it is told by busy_open(). */
static int open_drive(const char *device, CdIo_t **ret)
{
	int fd = busy_open(device, O_RDWR);

	if (fd < 0)
		return -fd;
	close(fd);
	mmc_timeout_ms = MMC_TIMEOUT_MS;
	*ret = cdio_open_am(device, DRIVER_LINUX, "MMC_RDWR_EXCL");
	return *ret ? 0
		    : verdict(DISC_NO_TRAY, "%s does not answer: the tray stays as it is", device);
}

static bool is_open(int status)
{
	return status == CDS_TRAY_OPEN;
}

int tray_open(const char *device)
{
	uint64_t until = now_monotonic() + OPEN_PATIENCE;
	CdIo_t *drive = NULL;
	int status = open_drive(device, &drive);

	if (status)
		return status;
	/* some drives never say that a tray is open, only that there is no disc any more */
	bool empty = tray_status(device) == CDS_NO_DISC;
	driver_return_code_t r = mmc_eject_media(drive);
	cdio_destroy(drive);
	while (!is_open(status = tray_status(device)) && (empty || status != CDS_NO_DISC) &&
		now_monotonic() < until && r == DRIVER_OP_SUCCESS)
		(void)stop_wait(POLL_MS);
	if (is_open(status) || (!empty && status == CDS_NO_DISC))
		return 0;
	if (status == CDS_NO_DISC && r == DRIVER_OP_SUCCESS)
		return verdict(DISC_NO_TRAY,
			"%s was told to open its tray, and does not say that it did: there is no "
			"disc in it",
			device);
	return verdict(DISC_NO_TRAY,
		"the tray of %s did not open%s: another program may hold it shut, or it is jammed",
		device, r == DRIVER_OP_SUCCESS ? "" : " (the drive refused)");
}

/* Until it is closed and the drive has looked at the disc. */
static int wait_until_ready(const char *device, bool person)
{
	uint64_t began = now_monotonic();
	bool asked = false;
	int status;

	while ((status = tray_status(device)) != CDS_DISC_OK) {
		uint64_t waited = now_monotonic() - began;
		if (is_open(status) && waited > PUSH_AFTER && !person)
			return verdict(DISC_NO_TRAY,
				"the tray of %s does not close by itself: push it in", device);
		if (is_open(status) && waited > PUSH_AFTER && !asked) {
			say_doing("push the tray of %s in: it can't close it by itself", device);
			asked = true;
		}
		if (status == CDS_NO_DISC && waited > PUSH_AFTER / 4)
			return verdict(DISC_NONE, "there is no disc in %s", device);
		if (status < 0 && waited > GONE_AFTER)
			return verdict(EX_UNAVAILABLE,
				"%s went away: is it connected and switched on?", device);
		if (!is_open(status) && waited > SPIN_PATIENCE)
			return verdict(DISC_NONE, "%s does not get ready to read its disc", device);
		if (stop_wait(POLL_MS))
			return verdict(DISC_STOPPED, "stopped while %s took in its disc", device);
	}
	return 0;
}

int tray_close(const char *device, bool person)
{
	CdIo_t *drive = NULL;
	int status = open_drive(device, &drive);

	if (status)
		return status;
	(void)mmc_close_tray(drive); /* what came of it is seen */
	cdio_destroy(drive);
	return wait_until_ready(device, person);
}
