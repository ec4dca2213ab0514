/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing owners, on descriptors.  The numbers are the MUSTs of custody.h. */
#include "executor/custody.h"

#include "common/fd.h"
#include "executor/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* 1 */
static int check_file(const struct stat *st, uint64_t dev, const char **why)
{
	if (!S_ISREG(st->st_mode)) {
		*why = "is not a regular file";
		return -EINVAL;
	}
	if (st->st_nlink != 1) {
		*why = st->st_nlink ? "has more than one link" : "was removed";
		return st->st_nlink ? -EMLINK : -ENOENT;
	}
	if (!dev || st->st_dev != dev) {
		*why = "is on another file system";
		return -EXDEV;
	}
	return 0;
}

static int check_links(int fd, const char **why)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink != 1) {
		*why = "got another link";
		return -EMLINK;
	}
	return 0;
}

int custody_own(int fd, const struct group *g, const struct base_state *b,
	const struct identity *id, const char **why)
{
	uid_t uid = g->file_uid_set ? g->file_uid : id->uid;
	struct stat st;
	int r;

	*why = "can't be looked at";
	if (fstat(fd, &st) < 0)
		return -errno;
	r = check_file(&st, b->dev, why);
	if (r < 0)
		return r;
	if (st.st_uid != id->uid) { /* 4 */
		*why = "is not the agent's";
		return -EPERM;
	}
	*why = "can't be given its owner";
	/* 3: chown(2) takes set-id bits away, and afterwards the agent can't set them again. */
	if (fchown(fd, uid == st.st_uid ? (uid_t)-1 : uid,
		    g->file_gid == st.st_gid ? (gid_t)-1 : g->file_gid) < 0 ||
		fchmod(fd, g->file_mode & 0777) < 0)
		return -errno;
	return check_links(fd, why);
}

int custody_open(
	const struct base_state *b, const struct token *token, uid_t owner, const char **why)
{
	_cleanup_close_ int base = base_open(b->path), staging = -1, fd = -1;
	char hex[TOKEN_HEX + 1];
	struct stat st;
	int r;

	*why = "can't be opened";
	if (base < 0)
		return base;
	staging = openat(base, ".flagman", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (staging < 0)
		return -errno;
	fd = openat(staging, token_hex(token, hex), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	r = check_file(&st, b->dev, why);
	if (r < 0)
		return r;
	if (owner != (uid_t)-1 && st.st_uid != owner) {
		*why = "is not in custody";
		return -EPERM;
	}
	return steal_fd(&fd);
}

int custody_give(int fd, uid_t uid, gid_t gid, const char **why)
{
	char path[64];
	struct stat st;

	*why = "can't be given";
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != uid || st.st_gid != gid) &&
		fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* fchmod(2) refuses O_PATH; through /proc it is the same inode. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, 0400) < 0)
		return -errno;
	return check_links(fd, why);
}
