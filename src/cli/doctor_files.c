/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owners and modes of conf.d and of the directories, against what the configuration says. */
#include "cli/doctor.h"

#include "cli/account.h"
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NTACL "security.NTACL"

/* Owned by root or the service's user, and writable by nobody else: whoever can put a snippet
 * there is root. */
static void check_trust(struct doctor *d, const char *path)
{
	uid_t trusted = d->load->options.trusted_uid;
	char name[ACCOUNT_NAME_MAX];
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == EACCES)
			doctor_unseen(d, "configuration", "%s: no permission to look", path);
		return;
	}
	if (st.st_uid != 0 && st.st_uid != trusted) {
		doctor_found(d, "configuration", NULL, "%s belongs to %s", path,
			account_user_name(st.st_uid, name));
		doctor_advise(d, "chown %s '%s'", account_user_name(trusted, name), path);
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		doctor_found(d, "configuration", NULL, "others may write to %s (mode %04o)", path,
			st.st_mode & 07777);
		doctor_advise(d, "chmod go-w '%s'", path);
	}
}

void doctor_conf_dir(struct doctor *d)
{
	const struct config *c = d->config;
	const struct problem *p;

	check_trust(d, d->cli->conf_dir);
	for (size_t i = 0; c && i < c->n_problems; i++) {
		p = &c->problems[i];
		if (p->severity != SEVERITY_ERROR)
			continue;
		if (p->place.line)
			doctor_found(d, "configuration", NULL, "%s:%u:%u: %s", p->place.file,
				p->place.line, p->place.column, p->message);
		else
			doctor_found(d, "configuration", NULL, "%s: %s",
				p->place.file ? p->place.file : d->cli->conf_dir, p->message);
	}
}

static const char *network_name(const struct statfs *fs)
{
	switch ((unsigned long)fs->f_type) {
	case NFS_SUPER_MAGIC:
		return "NFS";
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
		return "SMB";
	case FUSE_SUPER_MAGIC:
		return "FUSE";
	case V9FS_MAGIC:
		return "9p";
	case CEPH_SUPER_MAGIC:
		return "Ceph";
	case AFS_SUPER_MAGIC:
	case AFS_FS_MAGIC:
		return "AFS";
	case CODA_SUPER_MAGIC:
		return "Coda";
	default:
		return NULL;
	}
}

static void check_base(struct doctor *d, const char *path)
{
	const char *network;
	struct statfs fs;

	if (statfs(path, &fs) < 0) {
		if (errno == EACCES)
			doctor_unseen(d, "directory", "%s: no permission to look", path);
		else if (errno == ENOENT)
			doctor_found(d, "directory", "mount it, or start flagman, which makes it",
				"%s does not exist", path);
		else
			doctor_found(d, "directory", NULL, "%s: %s", path, strerror(errno));
		return;
	}
	network = network_name(&fs);
	if (network) {
		doctor_found(d, "directory",
			"run flagman on the machine that has the disk, and smbd beside it",
			"%s is on %s: what other machines do there is not seen here", path,
			network);
	}
	if (fs.f_flags & ST_RDONLY)
		doctor_found(d, "directory", "remount it read-write",
			"%s is mounted read-only, so no flag can change", path);
}

/* The object's directory is flagman's own: restarting mends it, so that is the advice. */
static void check_object(struct doctor *d, const struct group *g, const char *path)
{
	char want[ACCOUNT_NAME_MAX], have[ACCOUNT_NAME_MAX];
	const char *mend = "flagmand mends what it made at its start, and on flagman reload";
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == EACCES)
			doctor_unseen(d, "directory", "%s: no permission to look", path);
		else
			doctor_found(d, "directory", mend, "%s: %s", path, strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		doctor_found(d, "directory", "move it away", "%s is no directory", path);
		return;
	}
	if (st.st_uid != g->dir_uid)
		doctor_found(d, "directory", mend, "%s belongs to %s, not %s", path,
			account_user_name(st.st_uid, have), account_user_name(g->dir_uid, want));
	if (st.st_gid != g->dir_gid)
		doctor_found(d, "directory", mend, "%s has group %s, not %s", path,
			account_group_name(st.st_gid, have), account_group_name(g->dir_gid, want));
	if ((st.st_mode & 07777) != g->dir_mode)
		doctor_found(d, "directory", mend, "%s has mode %04o, not %04o", path,
			st.st_mode & 07777, g->dir_mode);
	if (g->access == ACCESS_PRESS_ONLY && getxattr(path, NTACL, NULL, 0) < 0 &&
		errno == ENODATA)
		doctor_found(d, "directory", mend,
			"%s has no NT ACL (" NTACL "), so nobody can press there", path);
}

static bool seen_before(const struct config *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(c->groups[k].path, c->groups[i].path) == 0)
			return true;
	return false;
}

void doctor_directories(struct doctor *d)
{
	const struct config *c = d->config;

	for (size_t i = 0; i < c->n_groups; i++) {
		const struct group *g = &c->groups[i];
		_cleanup_free_ char *path = NULL;

		if (!seen_before(c, i))
			check_base(d, g->path);
		if (access(g->path, F_OK) < 0 || asprintf(&path, "%s/%s", g->path, g->object) < 0)
			continue;
		check_object(d, g, path);
	}
}
