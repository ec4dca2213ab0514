/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing owners, on descriptors.  The numbers are the MUSTs of custody.h. */
#include "executor/custody.h"

#include "common/dir.h"
#include "common/fd.h"
#include "executor/base.h"
#include "wire/exec.h"

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

/* Where payloads are. */
struct workshop {
	int custody, staging; /* directories */
};

static void workshop_close(struct workshop *p)
{
	close_fd(p->custody);
	close_fd(p->staging);
}

static int open_directory(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* *P is to be closed, whatever is returned. */
static int workshop_open(const char *path, struct workshop *p)
{
	_cleanup_close_ int base = base_open(path);
	struct stat st;

	*p = (struct workshop){-1, -1};
	if (base < 0)
		return base;
	p->custody = open_directory(base, EXEC_CUSTODY);
	if (p->custody < 0)
		return p->custody;
	if (fstat(p->custody, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))) /* 6 */
		return -EPERM;
	p->staging = open_directory(p->custody, EXEC_STAGING);
	return p->staging < 0 ? p->staging : 0;
}

/* 1, 2 */
static int open_payload(const struct workshop *p, const struct base_state *b,
	const struct token *token, uid_t owner, const char **why)
{
	_cleanup_close_ int fd = -1;
	char hex[TOKEN_HEX + 1];
	struct stat st;
	int r;

	fd = openat(p->staging, token_hex(token, hex), O_PATH | O_NOFOLLOW | O_CLOEXEC);
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

int custody_open(
	const struct base_state *b, const struct token *token, uid_t owner, const char **why)
{
	_cleanup_(workshop_close) struct workshop p;
	int r = workshop_open(b->path, &p);

	*why = "can't be opened";
	return r < 0 ? r : open_payload(&p, b, token, owner, why);
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

static bool is_same(int fd, int directory, const char *name)
{
	struct stat st, named;

	return fstat(fd, &st) == 0 && fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == named.st_dev && st.st_ino == named.st_ino;
}

/* 5.  Until now the agent could exchange it; from now on it can't. */
static int move_in(const struct workshop *p, int fd, const char *hex, const char **why)
{
	*why = "can't be put into custody";
	if (renameat2(p->staging, hex, p->custody, hex, RENAME_NOREPLACE) < 0)
		return -errno;
	if (is_same(fd, p->custody, hex))
		return 0;
	*why = "was exchanged";
	(void)renameat2(p->custody, hex, p->staging, hex, RENAME_NOREPLACE);
	return -EPERM;
}

/* 7.  Its owner may ask for a lease without a capability.  A file system that has none can't tell.
 */
static int check_writers(int fd, const char **why)
{
	_cleanup_close_ int file = -1;
	char path[64];

	*why = "can't be opened";
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	*why = "is open for writing";
	if (fcntl(file, F_SETLEASE, F_RDLCK) == 0)
		return 0;
	if (errno == EAGAIN)
		return -EBUSY;
	*why = "can't be asked for who writes to it";
	return errno == EACCES || errno == EPERM ? -errno : 0;
}

int custody_enter(const struct base_state *b, const struct token *token,
	const struct identity *agent, uid_t uid, gid_t gid, const char **why)
{
	_cleanup_(workshop_close) struct workshop p;
	int r = workshop_open(b->path, &p);
	_cleanup_close_ int fd = -1;
	char hex[TOKEN_HEX + 1];
	const char *ignored;

	*why = "can't be opened";
	if (r < 0)
		return r;
	fd = open_payload(&p, b, token, agent->uid, why);
	if (fd < 0)
		return fd;
	r = move_in(&p, fd, token_hex(token, hex), why);
	if (r < 0)
		return r;
	r = custody_give(fd, geteuid(), getegid(), why);
	if (r == 0)
		r = check_writers(fd, why);
	if (r == 0)
		r = custody_give(fd, uid, gid, why);
	if (r == 0)
		return 0;
	(void)custody_give(fd, agent->uid, agent->gid, &ignored);
	(void)renameat2(p.custody, hex, p.staging, hex, RENAME_NOREPLACE);
	return r;
}

/* What is no payload any more -- its command made a link -- goes back as it is. */
static int move_back(const struct workshop *p, const char *hex, const struct identity *agent)
{
	_cleanup_close_ int fd = openat(p->custody, hex, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	const char *ignored;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (check_file(&st, st.st_dev, &ignored) == 0)
		(void)custody_give(fd, agent->uid, agent->gid, &ignored);
	return renameat2(p->custody, hex, p->staging, hex, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

int custody_return(const char *base, const struct token *token, const struct identity *agent)
{
	_cleanup_(workshop_close) struct workshop p;
	int r = workshop_open(base, &p);
	char hex[TOKEN_HEX + 1];

	return r < 0 ? r : move_back(&p, token_hex(token, hex), agent);
}

int custody_return_all(
	const char *base, const struct identity *agent, custody_in_use *in_use, void *userdata)
{
	_cleanup_(workshop_close) struct workshop p;
	int r = workshop_open(base, &p), one;
	_cleanup_dir_ DIR *d = NULL;
	struct token t;

	if (r < 0)
		return r;
	d = dir_open(p.custody, ".");
	if (!d)
		return -errno;
	for (const struct dirent *e; (e = dir_next(d));) {
		if (!token_parse(e->d_name, &t) || in_use(&t, userdata))
			continue;
		one = move_back(&p, e->d_name, agent);
		if (one < 0 && one != -ENOENT)
			r = one;
	}
	return r;
}
