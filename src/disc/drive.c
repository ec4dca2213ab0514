/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/drive.h"

#include "disc/busy.h"
#include "disc/disc.h"
#include "disc/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* MMC-5, table 89: those that libburn writes. */
enum profile {
	PROFILE_CD_R = 0x09,
	PROFILE_CD_RW = 0x0a,
	PROFILE_DVD_RAM = 0x12,
	PROFILE_DVD_RW_OVERWRITE = 0x13,
	PROFILE_DVD_FIRST = 0x11,
	PROFILE_DVD_RW_DL = 0x17,
	PROFILE_DVD_PLUS_RW = 0x1a,
	PROFILE_DVD_PLUS_R = 0x1b,
	PROFILE_DVD_PLUS_R_DL = 0x2b,
	PROFILE_BD_R = 0x41,
	PROFILE_BD_R_RANDOM = 0x42,
	PROFILE_BD_RE = 0x43,
	PROFILE_FILE = 0xffff,
};

/* Only an ordinary file may play a drive, and only by a plain name: stdio:/dev/sda would be a disk,
 * stdio:/dev/fd/3 something that nobody meant. */
static int init_file(struct drive *d, bool make)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (*d->path != '/' || strncmp(d->path, "/dev/", 5) == 0 ||
		strncmp(d->path, "/proc/", 6) == 0)
		return verdict(EX_UNAVAILABLE,
			"%s: what plays a drive is an ordinary file with an absolute path",
			d->device);
	fd = open(d->path,
		O_RDWR | (make ? O_CREAT : 0) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		0666);
	if (fd < 0 && errno == ENOENT && !make)
		return 0; /* no disc in it */
	if (fd < 0)
		return verdict(EX_UNAVAILABLE, "%s can't be opened: %s", d->device,
			errno == ELOOP ? "it is a symbolic link" : strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return verdict(EX_UNAVAILABLE, "%s is not an ordinary file", d->device);
	int status = busy_lock(fd, d->path);
	if (status == 0)
		d->lock = steal_fd(&fd);
	return status;
}

int drive_init(struct drive *d, const char *device, bool make)
{
	size_t n = strlen(DRIVE_FILE);

	*d = (struct drive){.device = device, .path = device, .lock = -1};
	d->file = strncmp(device, DRIVE_FILE, n) == 0;
	if (d->file)
		d->path += n;
	return d->file ? init_file(d, make) : 0;
}

/* libburn needs the node itself and not a link to it; it also checks that it may have it. */
static int find_address(struct drive *d, char *address)
{
	int fd;

	if (d->file) {
		snprintf(address, BURN_DRIVE_ADR_LEN, "%s", d->device);
		return 0;
	}
	fd = busy_open(d->path, O_RDWR);
	if (fd < 0)
		return -fd;
	close(fd);
	char path[BURN_DRIVE_ADR_LEN];
	snprintf(path, sizeof(path), "%s", d->path);
	if (burn_drive_convert_fs_adr(path, address) > 0)
		return 0;
	return verdict(EX_UNAVAILABLE, "%s is not a drive for discs", d->device);
}

static void trim(char *s)
{
	size_t n = strlen(s);

	while (n > 0 && s[n - 1] == ' ')
		s[--n] = '\0';
}

static void name_model(struct drive *d)
{
	char vendor[9], product[17];

	snprintf(vendor, sizeof(vendor), "%s", d->info[0].vendor);
	snprintf(product, sizeof(product), "%s", d->info[0].product);
	trim(vendor);
	trim(product);
	if (d->file)
		snprintf(d->model, sizeof(d->model), "a file that plays a drive");
	else
		snprintf(d->model, sizeof(d->model), "%s %s", vendor, product);
}

/* "DVD-R sequential recording": people say DVD-R. */
static void shorten(char *media)
{
	char *rest = strstr(media, " sequential recording");

	if (rest)
		*rest = '\0';
}

static void look_at_disc(struct drive *d)
{
	char *product = NULL, *code1 = NULL, *code2 = NULL, *book = NULL;

	*d->media = *d->product = '\0';
	if (burn_disc_get_profile(d->burner, &d->profile, d->media) <= 0)
		d->profile = 0;
	shorten(d->media);
	if (!d->file && burn_disc_get_media_id(d->burner, &product, &code1, &code2, &book, 0) > 0 &&
		product)
		snprintf(d->product, sizeof(d->product), "%s", product);
	free(product);
	free(code1);
	free(code2);
	free(book);
}

static int initialize(void)
{
	static bool done;
	char keep[] = "SORRY", print[] = "NEVER", prefix[] = "";

	if (!done && burn_initialize() <= 0)
		return verdict(EX_OSERR, "libburn does not start");
	if (!done) {
		burn_msgs_set_severities(keep, print, prefix);
		burn_preset_device_open(1, 0, 0);
	}
	done = true;
	return 0;
}

int drive_take(struct drive *d)
{
	char address[BURN_DRIVE_ADR_LEN], why[256];
	int status = initialize();

	if (status == 0)
		status = find_address(d, address);
	if (status)
		return status;
	if (burn_drive_scan_and_grab(&d->info, address, 1) <= 0) {
		d->info = NULL;
		return verdict(EX_UNAVAILABLE, "%s does not answer as a drive should%s", d->device,
			drive_trouble(why, sizeof(why)));
	}
	d->burner = d->info[0].drive;
	name_model(d);
	look_at_disc(d);
	return 0;
}

void drive_let_go(struct drive *d)
{
	if (d->burner)
		burn_drive_release(d->burner, 0);
	if (d->info)
		burn_drive_info_free(d->info);
	d->burner = NULL;
	d->info = NULL;
}

void drive_done(struct drive *d)
{
	drive_let_go(d);
	close_fd(d->lock);
	d->lock = -1;
}

bool drive_overwritable(const struct drive *d)
{
	return d->profile == PROFILE_DVD_RAM || d->profile == PROFILE_DVD_RW_OVERWRITE ||
	       d->profile == PROFILE_DVD_PLUS_RW || d->profile == PROFILE_BD_RE ||
	       d->profile == PROFILE_FILE;
}

static bool is_writable(int profile)
{
	return profile == PROFILE_CD_R || profile == PROFILE_CD_RW ||
	       (profile >= PROFILE_DVD_FIRST && profile <= PROFILE_DVD_RW_DL) ||
	       profile == PROFILE_DVD_PLUS_RW || profile == PROFILE_DVD_PLUS_R ||
	       profile == PROFILE_DVD_PLUS_R_DL || profile == PROFILE_BD_R ||
	       profile == PROFILE_BD_RE || profile == PROFILE_FILE;
}

bool drive_writes_disc(const struct drive *d)
{
	return is_writable(d->profile);
}

bool drive_writes_any(const struct drive *d)
{
	int n = 0, profiles[64];
	char current[64];

	if (d->file)
		return true;
	burn_drive_get_all_profiles(d->burner, &n, profiles, current);
	for (int i = 0; i < n; i++)
		if (is_writable(profiles[i]))
			return true;
	return false;
}

bool drive_is_cd(const struct drive *d)
{
	return d->profile == PROFILE_CD_R || d->profile == PROFILE_CD_RW;
}

double drive_single_speed(const struct drive *d)
{
	if (drive_is_cd(d))
		return 176.4;
	return d->profile >= PROFILE_BD_R && d->profile <= PROFILE_BD_RE ? 4496 : 1385;
}

const char *drive_trouble(char *buf, size_t size)
{
	char text[BURN_MSGS_MESSAGE_LEN], severity[80], all[] = "ALL";
	int code, error;

	*buf = '\0';
	while (burn_msgs_obtain(all, &code, text, &error, severity) > 0)
		snprintf(buf, size, " (%.200s%s%s)", text, error ? ": " : "",
			error ? strerror(error) : "");
	return buf;
}
