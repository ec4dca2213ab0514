/* SPDX-License-Identifier: GPL-2.0-or-later */
/* burn, verify and eject: the program, the drive, and whether its user may open it. */
#include "cli/doctor.h"

#include "cli/account.h"
#include "cli/person.h"
#include "cli/target.h"
#include "common/fd.h"

#include <errno.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define AREA    "drive"
#define PROGRAM "flagman-disc"
#define OPTION  "--device="

/* The package's place, or beside this program, as flagmand looks for its own. */
static bool is_installed(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(PROGRAM));
	char *slash;

	if (doctor_has_program(FLAGMAN_BINDIR "/" PROGRAM))
		return true;
	if (n <= 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return false;
	memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
	return doctor_has_program(path);
}

static const char *device_of(const struct action *a)
{
	for (char **p = a->argv; *p; p++)
		if (strncmp(*p, OPTION, strlen(OPTION)) == 0)
			return *p + strlen(OPTION);
	return NULL;
}

/* A burner of no SCSI has a line in the kernel's list. */
static bool is_optical(const char *device, const struct stat *st)
{
	FILE *f;
	_cleanup_free_ char *line = NULL, *real = realpath(device, NULL);
	const char *base = real ? strrchr(real, '/') : NULL;
	size_t size = 0;
	bool found = false;

	if (S_ISBLK(st->st_mode) && major(st->st_rdev) == SCSI_CDROM_MAJOR)
		return true;
	f = S_ISBLK(st->st_mode) && base ? fopen("/proc/sys/dev/cdrom/info", "re") : NULL;
	while (f && !found && getline(&line, &size, f) > 0)
		found = strncmp(line, "drive name:", 11) == 0 && strstr(line, base + 1);
	if (f)
		fclose(f);
	return found;
}

static void may_not(
	struct doctor *d, const char *name, const struct person *p, const char *device, gid_t gid)
{
	char user[ACCOUNT_NAME_MAX], group[ACCOUNT_NAME_MAX];

	doctor_found(d, AREA, NULL, "%s: %s may not open %s", name, account_user_name(p->uid, user),
		device);
	doctor_advise(d, "write in the action: group: %s; or supplementary-groups: [%s]",
		account_group_name(gid, group), group);
}

static void check_drive(
	struct doctor *d, const char *name, const struct action *a, const char *device)
{
	int want = a->type == ACTION_BURN ? R_OK | W_OK : R_OK;
	struct person p = {.uid = (uid_t)-1};
	struct stat st;

	if (stat(device, &st) < 0) {
		doctor_found(d, AREA,
			"lsblk -o PATH,TYPE,MODEL lists the drives (TYPE rom); is it connected?",
			"%s: %s: %s", name, device, strerror(errno));
		return;
	}
	if (!is_optical(device, &st)) {
		doctor_found(d, AREA, "lsblk -o PATH,TYPE,MODEL lists the drives (TYPE rom)",
			"%s: %s is no optical drive", name, device);
		return;
	}
	if (doctor_person(d, a->how, &p) == 0 && person_may(&p, device, want) == 0)
		may_not(d, name, &p, device, st.st_gid);
	person_done(&p);
}

void doctor_drives(struct doctor *d)
{
	const struct config *c = d->config;
	char name[TARGET_NAME_MAX];
	bool looked = false;
	const char *device;

	for (size_t i = 0; i < c->n_groups; i++)
		for (size_t k = 0; k < c->groups[i].n_actions; k++) {
			const struct action *a = &c->groups[i].actions[k];

			if (a->misconfigured || a->type < ACTION_BURN)
				continue;
			doctor_name(name, &c->groups[i], a);
			if (!looked && !is_installed())
				doctor_found(d, AREA, "install the package flagman-disc",
					"%s needs " PROGRAM ", which is not installed", name);
			looked = true;
			device = device_of(a);
			if (device && *device == '/')
				check_drive(d, name, a, device);
		}
}
