/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poke DEVICE ACTION...: what test_drive.py does to a drive by libcdio and by hand.
 *
 *	tray, eject, close	of libcdio, with the drive for itself alone
 *	eject-alone		CDROMEJECT
 *	direct			reads all of it to stdout with O_DIRECT; the end may be an error
 *	sector N		reads one by READ(10), and says what the sense is
 *	size, status		BLKGETSIZE64, CDROM_DRIVE_STATUS
 */
#include <cdio/cdio.h>
#include <cdio/logging.h>
#include <cdio/mmc_hl_cmds.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CHUNK 65536

static int by_libcdio(const char *device, const char *action)
{
	CdIo_t *cdio = cdio_open_am(device, DRIVER_LINUX, "MMC_RDWR_EXCL");
	int r;

	if (!cdio) {
		printf("cannot open\n");
		return 1;
	}
	if (strcmp(action, "tray") == 0)
		r = mmc_get_tray_status(cdio);
	else
		r = mmc_eject_media(cdio);
	cdio_destroy(cdio);
	printf("%d\n", r);
	return 0;
}

static int close_tray(const char *device)
{
	driver_id_t driver = DRIVER_LINUX;

	printf("%d\n", cdio_close_tray(device, &driver));
	return 0;
}

static int direct(const char *device)
{
	int fd = open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_DIRECT);
	char *buffer = aligned_alloc(4096, CHUNK);
	ssize_t n;

	if (fd < 0 || !buffer) {
		perror("open");
		return 2;
	}
	for (off_t at = 0; (n = pread(fd, buffer, CHUNK, at)) > 0; at += n)
		fwrite(buffer, 1, (size_t)n, stdout);
	if (n < 0)
		perror("pread");
	free(buffer);
	close(fd);
	return n < 0;
}

static int sector(int fd, unsigned long lba)
{
	unsigned char cdb[10] = {
		0x28, 0, 0, 0, (unsigned char)(lba >> 8), (unsigned char)lba, 0, 0, 1, 0};
	unsigned char data[2048], sense[32] = {0};
	sg_io_hdr_t h = {.interface_id = 'S',
		.dxfer_direction = SG_DXFER_FROM_DEV,
		.cmd_len = sizeof(cdb),
		.cmdp = cdb,
		.dxferp = data,
		.dxfer_len = sizeof(data),
		.sbp = sense,
		.mx_sb_len = sizeof(sense),
		.timeout = 1000};

	if (ioctl(fd, SG_IO, &h) < 0) {
		printf("%s\n", strerror(errno));
		return 1;
	}
	printf("%02x/%02x/%02x %d\n", sense[2], sense[12], sense[13], h.resid);
	return h.status != 0;
}

static int by_ioctl(const char *device, const char *action, const char *argument)
{
	int fd = open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC), r = 0;
	uint64_t size = 0;

	if (fd < 0) {
		printf("%s\n", strerror(errno));
		return 2;
	}
	if (strcmp(action, "sector") == 0) {
		r = sector(fd, strtoul(argument, NULL, 10));
	} else if (strcmp(action, "size") == 0) {
		r = ioctl(fd, BLKGETSIZE64, &size) < 0;
		printf("%llu\n", (unsigned long long)size);
	} else if (strcmp(action, "status") == 0) {
		printf("%d\n", ioctl(fd, CDROM_DRIVE_STATUS, CDSL_CURRENT));
	} else {
		r = ioctl(fd, CDROMEJECT) < 0;
		printf("%s\n", r ? strerror(errno) : "ejected");
	}
	close(fd);
	return r;
}

int main(int argc, char *argv[])
{
	const char *device = argv[1], *action = argc > 2 ? argv[2] : "";

	cdio_loglevel_default = CDIO_LOG_ASSERT;
	if (strcmp(action, "tray") == 0 || strcmp(action, "eject") == 0)
		return by_libcdio(device, action);
	if (strcmp(action, "close") == 0)
		return close_tray(device);
	if (strcmp(action, "direct") == 0)
		return direct(device);
	return by_ioctl(device, action, argc > 3 ? argv[3] : "0");
}
