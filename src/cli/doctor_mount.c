/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file system that a directory.path is on.  Its kind is told from the list of mounts: a server
 * that is gone would hold up whoever asks the mount itself.
 */
#include "cli/doctor.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define AREA     "directory"
#define MOUNTS   "/proc/self/mountinfo"
#define NTACL    "security.NTACL"
#define TYPE_MAX 64

struct kind {
	const char *type; /* as mountinfo(5) has it; or, with a dot at its end, how it begins */
	const char *name;
};

static const struct kind networks[] = {
	{"nfs", "NFS"},
	{"nfs4", "NFS"},
	{"cifs", "SMB"},
	{"smb3", "SMB"},
	{"smbfs", "SMB"},
	{"fuse", "FUSE"},
	{"fuse.", "FUSE"},
	{"fuseblk", "FUSE"},
	{"virtiofs", "virtiofs"},
	{"9p", "9p"},
	{"ceph", "Ceph"},
	{"afs", "AFS"},
	{"coda", "Coda"},
	{"lustre", "Lustre"},
	{"glusterfs", "Gluster"},
	{"gfs2", "GFS2"},
	{"ocfs2", "OCFS2"},
	{NULL, NULL},
};

static const struct kind ownerless[] = {
	{"vfat", "FAT"},
	{"msdos", "FAT"},
	{"exfat", "exFAT"},
	{"ntfs", "NTFS"},
	{"ntfs3", "NTFS"},
	{"iso9660", "ISO 9660"},
	{NULL, NULL},
};

static const char *find_kind(const struct kind *kinds, const char *type)
{
	size_t n;

	for (; kinds->type; kinds++) {
		n = strlen(kinds->type);
		if (kinds->type[n - 1] == '.' ? strncmp(type, kinds->type, n) == 0
					      : strcmp(type, kinds->type) == 0)
			return kinds->name;
	}
	return NULL;
}

/* mountinfo writes blanks, tabs, line ends and backslashes as three octal digits. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* How much of PATH the mount point covers; 0: it does not. */
static size_t covers(const char *point, const char *path)
{
	size_t n = strlen(point);

	if (n == 1)
		return 1;
	return strncmp(point, path, n) == 0 && (path[n] == '\0' || path[n] == '/') ? n : 0;
}

/* Its mount point and type, which LINE is cut up for; false where there is none to read. */
static bool parse_mount(char *line, char **ret_point, char **ret_type)
{
	char *field = NULL, *dash = strstr(line, " - ");

	for (int i = 0; dash && i < 5; i++)
		field = strsep(&line, " ");
	if (!field)
		return false;
	unescape(field);
	dash += 3;
	*ret_point = field;
	*ret_type = strsep(&dash, " ");
	return true;
}

/* The later of two mounts on one directory is above the other. */
static void find_type(const char *path, char type[static TYPE_MAX])
{
	FILE *f = fopen(MOUNTS, "re");
	_cleanup_free_ char *line = NULL;
	char *point, *found;
	size_t size = 0, best = 0, n;

	*type = '\0';
	while (f && getline(&line, &size, f) > 0) {
		n = parse_mount(line, &point, &found) ? covers(point, path) : 0;
		if (n < best || n == 0)
			continue;
		best = n;
		snprintf(type, TYPE_MAX, "%s", found);
	}
	if (f)
		fclose(f);
}

const char *doctor_network(const char *path)
{
	char type[TYPE_MAX];

	find_type(path, type);
	return find_kind(networks, type);
}

static bool any_press_only(const struct config *c, const char *path)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i].access == ACCESS_PRESS_ONLY &&
			strcmp(c->groups[i].path, path) == 0)
			return true;
	return false;
}

/* What flagman needs and some file systems have not. */
static void check_abilities(struct doctor *d, const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_BTIME, &st) == 0 && !(st.stx_mask & STATX_BTIME))
		doctor_found(d, AREA, "use ext4 (with 256-byte inodes), xfs or btrfs",
			"the file system of %s has no birth times, so a new file can be taken for "
			"a flag that had its inode",
			path);
	if (any_press_only(d->config, path) && getxattr(path, NTACL, NULL, 0) < 0 &&
		errno == EOPNOTSUPP)
		doctor_found(d, AREA, "use ext4, xfs or btrfs",
			"the file system of %s has no attributes such as " NTACL
			", so nobody can press what has access: press-only",
			path);
}

static void check_state(struct doctor *d, const char *path, const struct statvfs *fs)
{
	if (fs->f_flag & ST_RDONLY)
		doctor_found(d, AREA, "remount it read-write",
			"%s is mounted read-only, so no flag can change", path);
	else if (fs->f_bavail == 0 || (fs->f_files && fs->f_favail == 0))
		doctor_found(d, AREA, fs->f_bavail ? "delete files; df -i" : "make room; df",
			"the file system of %s has no %s left, so nothing is run", path,
			fs->f_bavail ? "inodes" : "room");
}

bool doctor_mount(struct doctor *d, const char *path, const char *real)
{
	char type[TYPE_MAX];
	const char *name;
	struct statvfs fs;

	find_type(real, type);
	name = find_kind(networks, type);
	if (name) {
		doctor_found(d, AREA,
			"run flagman on the machine that has the disk, and smbd beside it",
			"%s is on %s: what other machines do there is not seen here", path, name);
		return false;
	}
	name = find_kind(ownerless, type);
	if (name)
		doctor_found(d, AREA, "use ext4, xfs or btrfs",
			"%s is on %s, which knows no owners and modes", path, name);
	if (statvfs(path, &fs) == 0)
		check_state(d, path, &fs);
	if (!name)
		check_abilities(d, path);
	return true;
}
