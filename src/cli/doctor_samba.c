/* SPDX-License-Identifier: GPL-2.0-or-later */
/* smbd on this machine: does it run, and does it know --user NAME? */
#include "cli/doctor_share.h"

#include "cli/account.h"
#include "cli/program.h"
#include "common/buf.h"
#include "common/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA     "samba"
#define PROGRAM  "/usr/sbin/smbd"
#define UNITS    "/usr/lib/systemd/system/"
#define NO_USER  "Username not found"
#define NO_BASE  "ailed to open" /* its data base; then it says the other, too */
#define TEXT_MAX 65536

static bool is_smbd(int proc, const char *pid)
{
	char path[300], name[32];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%.255s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, name, sizeof(name)) : -1;
	return n >= 5 && (memcmp(name, "smbd", 4) == 0 || memcmp(name, "samba", 5) == 0);
}

/* Debian's unit is smbd.service, that of others smb.service. */
static void not_running(struct doctor *d)
{
	bool smb = access(UNITS "smbd.service", F_OK) < 0 && access(UNITS "smb.service", F_OK) == 0;

	/* It may be in another container. */
	if (!doctor_has_program(PROGRAM)) {
		doctor_unseen(d, AREA, "smbd is not installed here");
		return;
	}
	doctor_found(d, AREA, NULL, "smbd is not running here, so nobody sees the share");
	doctor_advise(d, "systemctl enable --now %s", smb ? "smb" : "smbd");
}

void samba_running(struct doctor *d)
{
	DIR *proc = d->cli->smb_conf ? NULL : opendir("/proc"); /* another smb.conf, another smbd */
	const struct dirent *e;
	bool found = false;
	struct stat st;

	/* hidepid= (proc(5)) keeps others' processes from an ordinary user. */
	if (proc && fstatat(dirfd(proc), "1/comm", &st, 0) == 0) {
		while (!found && (e = readdir(proc)))
			found = *e->d_name >= '1' && *e->d_name <= '9' &&
				is_smbd(dirfd(proc), e->d_name);
		if (!found)
			not_running(d);
	}
	if (proc)
		closedir(proc);
}

/* Accounts of a domain are not in smbd's own data base. */
static bool has_accounts(const struct smbconf *conf)
{
	const struct smbconf_section any = {0};

	return strcasecmp(smbconf_get(conf, &any, "security"), "ads") != 0 &&
	       strcasecmp(smbconf_get(conf, &any, "security"), "domain") != 0;
}

void samba_account(struct doctor *d, const struct smbconf *conf)
{
	char program[] = "pdbedit", s[] = "-s", u[] = "-u";
	_cleanup_(buf_done) struct buf said = BUF_INIT(TEXT_MAX);
	_cleanup_free_ char *user = d->cli->user ? strdup(d->cli->user) : NULL;
	_cleanup_free_ char *file = d->cli->smb_conf ? strdup(d->cli->smb_conf) : NULL;
	char *argv[] = {program, u, user, file ? s : NULL, file, NULL};
	int r, status;
	uid_t uid;
	gid_t gid;

	if (!user || !has_accounts(conf) || !account_user(user, &uid, &gid))
		return;
	if (geteuid() != 0) {
		doctor_unseen(d, AREA, "whether smbd has an account for %s: that takes root", user);
		return;
	}
	r = program_run(argv, true, &said, &status);
	if (r == 0 && status == 0)
		return;
	if (r == 0 && strstr(buf_str(&said), NO_USER) && !strstr(buf_str(&said), NO_BASE)) {
		doctor_found(d, AREA, NULL, "smbd has no account for %s", user);
		doctor_advise(d, "smbpasswd -a %s", user);
	} else {
		doctor_unseen(d, AREA, "whether smbd has an account for %s: pdbedit %s", user,
			r == -ENOENT ? "is not installed" : "does not say");
	}
}
