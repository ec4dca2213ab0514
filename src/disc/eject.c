/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Eject: never a drive that somebody uses, and it is seen to be open, or closed. */
#include "disc/disc.h"
#include "disc/drive.h"
#include "disc/say.h"
#include "disc/tray.h"

#include <errno.h>
#include <linux/cdrom.h>

static int close_it(const char *device)
{
	int status = tray_close(device, false);

	if (status == 0)
		return verdict(0, "the tray of %s is closed, with a disc in it", device);
	if (status == DISC_NONE)
		return verdict(0, "the tray of %s is closed, without a disc", device);
	return status;
}

int eject_verb(const struct disc_options *o)
{
	_cleanup_drive_ struct drive d = {.lock = -1};
	int status = drive_init(&d, o->device, false);

	if (status)
		return status;
	if (d.file)
		return verdict(DISC_NO_TRAY, "nothing to eject: %s is a file", o->device);
	status = tray_status(o->device);
	/* one that can't even be asked: tray_open() says why */
	if (status >= 0 && !tray_is_there(o->device))
		return verdict(DISC_NO_TRAY, "nothing to eject: %s has no tray", o->device);
	if (o->close)
		return close_it(o->device);
	if (status == CDS_TRAY_OPEN)
		return verdict(0, "the tray of %s is open already", o->device);
	status = tray_open(o->device);
	return status ? status : verdict(0, "the tray of %s is open", o->device);
}
