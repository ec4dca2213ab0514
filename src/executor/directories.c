/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directories in the share.  The numbers are the MUSTs of directories.h. */
#include "executor/directories.h"

#include "common/dir.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/token.h"
#include "executor/base.h"
#include "executor/mark.h"
#include "executor/ntacl.h"
#include "executor/refusals.h"
#include "wire/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUSTODY_MODE 0751 /* commands open payloads in it by unguessable names; the agent looks */
#define STAGING_MODE 0700
#define OPEN_FLAGS   (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct work {
	const struct identity *id;
	struct marks marks;
	struct base_records records;
	bool accept, mending;
	struct generation *g;
	uint32_t base; /* the one that is open, or UINT32_MAX */
	int base_fd, staging;
	int nest; /* in staging: where folders are made; or -1 */
	char nest_name[TOKEN_HEX + 1];
};

struct wanted {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* Mending can be asked for by the agent, as often as it likes. */
static void set_error(const struct work *w, char **error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void set_error(const struct work *w, char **error, const char *fmt, ...)
{
	va_list ap;

	free(*error);
	va_start(ap, fmt);
	if (vasprintf(error, fmt, ap) < 0)
		*error = NULL;
	va_end(ap);
	if (*error && w->mending)
		refusal_log("%s", *error);
	else if (*error)
		log_warning("%s", *error);
}

/* Owner and mode of what flagman made. */
static int mend(int fd, const struct stat *st, const struct wanted *w)
{
	if ((st->st_uid != w->uid || st->st_gid != w->gid) &&
		fchown(fd, st->st_uid == w->uid ? (uid_t)-1 : w->uid,
			st->st_gid == w->gid ? (gid_t)-1 : w->gid) < 0)
		return -errno;
	if (((st->st_mode & 07777) != w->mode || st->st_uid != w->uid || st->st_gid != w->gid) &&
		fchmod(fd, w->mode) < 0)
		return -errno;
	return 0;
}

/* 2: DIR is there; may it be used?  Then it is as wanted. */
static int adopt(struct work *w, int dir, uint64_t dev, const struct wanted *want, const char **why)
{
	struct stat st;
	int r;

	*why = "can't be mended";
	if (fstat(dir, &st) < 0)
		return -errno;
	if (st.st_dev != dev) {
		*why = "is on another file system than its directory.path";
		return -EXDEV;
	}
	if (!mark_has(&w->marks, dir)) {
		if (!dir_is_empty(dir)) {
			*why = "is not empty and was not made by flagman; empty it or move it away";
			return -ENOTEMPTY;
		}
		r = mark_set(&w->marks, dir);
		if (r < 0)
			return r;
	}
	return mend(dir, &st, want);
}

/* SELinux gives a new directory a type by that of the one above it, and people may make files in a
 * folder, but not in an object's directory: so both are made as deep in staging as they will be. */
static int open_nest(struct work *w)
{
	struct token t = token_new();

	if (w->nest >= 0)
		return w->nest;
	if (mkdirat(w->staging, token_hex(&t, w->nest_name), 0700) < 0)
		return -errno;
	w->nest = openat(w->staging, w->nest_name, OPEN_FLAGS);
	return w->nest < 0 ? -errno : w->nest;
}

/* From HEX in staging to NAME below PARENT.  Staging is the agent's: what it has put in the place
 * of the new directory, which ST is, goes back there. */
static int move_out(struct work *w, int stage, const char *hex, int parent, const char *name,
	const struct stat *st)
{
	struct token t = token_new();
	char back[TOKEN_HEX + 1];
	struct stat now;

	if (renameat2(stage, hex, parent, name, RENAME_NOREPLACE) < 0)
		return -errno;
	if (fstatat(parent, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == st->st_ino &&
		now.st_dev == st->st_dev)
		return 0;
	(void)renameat2(parent, name, w->staging, token_hex(&t, back), RENAME_NOREPLACE);
	return -EPERM;
}

/* 3: makes NAME below PARENT by way of staging.  A descriptor or -errno. */
static int make(struct work *w, int parent, const char *name, const struct wanted *want)
{
	_cleanup_close_ int fd = -1;
	int stage = parent == w->base_fd ? w->staging : open_nest(w);
	struct token t = token_new();
	char hex[TOKEN_HEX + 1];
	struct stat st;
	int r;

	if (stage < 0)
		return stage;
	if (mkdirat(stage, token_hex(&t, hex), 0700) < 0)
		return -errno;
	fd = openat(stage, hex, OPEN_FLAGS);
	r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && (st.st_uid != geteuid() || !dir_is_empty(fd))) /* it is not what we made */
		r = -EPERM;
	if (r == 0)
		r = mend(fd, &st, want);
	if (r == 0)
		r = mark_set(&w->marks, fd);
	if (r == 0)
		r = move_out(w, stage, hex, parent, name, &st);
	if (r < 0) {
		(void)unlinkat(stage, hex, AT_REMOVEDIR);
		return r;
	}
	return steal_fd(&fd);
}

/* NAME below PARENT, made, adopted or mended.  A descriptor, or -errno and a phrase in *WHY. */
static int provide(
	struct work *w, int parent, const char *name, const struct wanted *want, const char **why)
{
	_cleanup_close_ int fd = openat(parent, name, OPEN_FLAGS);
	uint64_t dev = w->g->bases[w->base].dev;
	int r;

	if (fd < 0 && errno == ENOENT) {
		*why = "can't be made";
		r = make(w, parent, name, want);
		if (r != -EEXIST)
			return r;
		fd = openat(parent, name, OPEN_FLAGS); /* somebody was faster */
	}
	if (fd < 0) {
		*why = errno == ELOOP || errno == ENOTDIR ? "is no directory" : "can't be opened";
		return -errno;
	}
	r = adopt(w, fd, dev, want, why);
	return r < 0 ? r : steal_fd(&fd);
}

/* ---- the base ---- */

static void close_base(struct work *w)
{
	if (w->nest >= 0)
		(void)unlinkat(w->staging, w->nest_name, AT_REMOVEDIR);
	close_fd(w->nest);
	close_fd(w->base_fd);
	close_fd(w->staging);
	w->nest = w->base_fd = w->staging = -1;
	w->base = UINT32_MAX;
}

/* Makes what is missing of PATH below a directory that is there -- which must be on the file system
 * that we know (4).  PATH has no symlinks: one that is there now was put there since (1). */
static int make_base(struct work *w, const char *path, const char **why)
{
	const struct base_memory *known = w->accept ? NULL : base_recall(&w->records, path);
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = open("/", OPEN_FLAGS);
	struct base_memory here;
	char *save = NULL;

	if (!copy || fd < 0)
		return -ENOMEM;
	for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		int next = openat(fd, part, OPEN_FLAGS);
		if (next < 0 && errno == ENOENT) {
			int r = base_look(fd, &here);
			if (r == 0 && known && base_is_other(known, &here)) {
				*why = "is not on the file system that it was on: is it mounted? "
				       "(flagman reload accepts it as it is)";
				return -ENODEV;
			}
			bool made = r == 0 && mkdirat(fd, part, 0755) == 0;
			if (r < 0 || (!made && errno != EEXIST))
				return r < 0 ? r : -errno;
			next = openat(fd, part, OPEN_FLAGS);
			if (next >= 0 && made) /* so that it goes with us, if it is empty then */
				(void)mark_set(&w->marks, next);
		}
		if (next < 0) {
			if (errno == ENOTDIR || errno == ELOOP)
				*why = "is no directory, or leads elsewhere than it did "
				       "(flagman reload accepts it as it is)";
			return -errno;
		}
		close_fd(fd);
		fd = next;
	}
	return steal_fd(&fd);
}

/* 4 */
static int check_base(struct work *w, struct base_state *b, int fd, const char **why)
{
	const struct base_memory *known = base_recall(&w->records, b->path);
	struct base_memory now;
	struct stat st;
	int r = base_look(fd, &now);

	if (r < 0)
		return r;
	if (known && !w->accept && base_is_other(known, &now)) {
		*why = "is not on the file system that it was on: is it mounted? "
		       "(flagman reload accepts it as it is)";
		return -ENODEV;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_mode & S_IWOTH) {
		*why = "can be written to by everybody";
		return -EPERM;
	}
	base_remember(&w->records, b->path, &now);
	b->dev = st.st_dev;
	b->shared = st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_ISVTX)) == S_IWGRP;
	return 0;
}

/* One of our own, which is made where it is. */
static int open_own(struct work *w, int parent, const char *name, const struct wanted *want)
{
	_cleanup_close_ int fd = -1;
	const char *why;
	int r;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, OPEN_FLAGS);
	if (fd < 0)
		return -errno;
	r = adopt(w, fd, w->g->bases[w->base].dev, want, &why);
	return r < 0 ? r : steal_fd(&fd);
}

static int open_staging(struct work *w, const char **why)
{
	const struct wanted custody = {geteuid(), w->id->gid, CUSTODY_MODE};
	const struct wanted staging = {w->id->uid, w->id->gid, STAGING_MODE};
	_cleanup_close_ int fd = open_own(w, w->base_fd, EXEC_CUSTODY, &custody);

	*why = "its " EXEC_CUSTODY " can't be used";
	if (fd < 0)
		return fd;
	w->staging = open_own(w, fd, EXEC_STAGING, &staging);
	*why = "its " EXEC_CUSTODY "/" EXEC_STAGING " can't be used";
	return w->staging < 0 ? w->staging : 0;
}

static int open_base(struct work *w, uint32_t index)
{
	struct base_state *b = &w->g->bases[index];
	const char *why = "can't be opened";
	int r;

	if (w->base == index)
		return 0;
	close_base(w);
	w->base = index;
	w->base_fd = r = make_base(w, b->path, &why);
	if (r >= 0)
		r = check_base(w, b, w->base_fd, &why);
	if (r >= 0)
		r = open_staging(w, &why);
	if (r < 0) {
		set_error(w, &b->error, "%s %s: %s", b->path, why, strerror(-r));
		if (!w->mending) /* the one that we knew may come back by itself */
			b->dev = 0;
		close_base(w);
		return r;
	}
	free(b->error);
	b->error = NULL;
	return 0;
}

/* ---- a board ---- */

static void board_error(
	struct work *w, uint32_t board, const char *folder, const char *why, int error)
{
	const struct group *g = &w->g->config->groups[board];

	set_error(w, &w->g->boards[board].error, "%s/%s%s%s %s: %s", g->path, g->object,
		folder ? "/" : "", folder ? folder : "", why, strerror(-error));
}

static int prepare_folder(struct work *w, uint32_t board, int dir, const char *name)
{
	const struct group *g = &w->g->config->groups[board];
	const struct wanted want = {g->dir_uid, g->dir_gid, g->dir_mode};
	const char *why = "";
	int fd = provide(w, dir, name, &want, &why);

	if (fd < 0)
		board_error(w, board, name, why, fd);
	close_fd(fd);
	return fd < 0 ? fd : 0;
}

/* Several actions may drop into the same folder; making it twice does no harm. */
static int prepare_folders(struct work *w, uint32_t board, int dir)
{
	const struct group *g = &w->g->config->groups[board];
	int r = 0;

	if (g->run_folder)
		r = prepare_folder(w, board, dir, g->run_folder);
	for (size_t i = 0; i < g->n_actions && r == 0; i++)
		if (g->actions[i].drop) {
			w->g->bases[w->base].drops = true;
			r = prepare_folder(w, board, dir, g->actions[i].drop->folder);
		}
	return r;
}

static void prepare_board(struct work *w, uint32_t board)
{
	const struct group *g = &w->g->config->groups[board];
	struct board_state *s = &w->g->boards[board];
	bool press_only = g->access == ACCESS_PRESS_ONLY;
	const struct wanted group = {g->dir_uid, g->dir_gid, g->dir_mode};
	const struct wanted agents = {w->id->uid, g->dir_gid, 0755};
	_cleanup_close_ int dir = -1;
	const char *why = "";
	int r;

	free(s->error);
	s->error = NULL;
	if (open_base(w, s->base) < 0)
		return; /* the base's error says it */
	dir = provide(w, w->base_fd, g->object, press_only ? &agents : &group, &why);
	if (dir < 0) {
		board_error(w, board, NULL, why, dir);
		return;
	}
	r = press_only ? ntacl_set(dir, w->id->uid, g->dir_gid) : prepare_folders(w, board, dir);
	if (press_only && r < 0)
		board_error(w, board, NULL, "can't be made press-only", r);
}

/* ---- all ---- */

static void begin(struct work *w, int state, const struct identity *id, struct generation *g)
{
	*w = (struct work){
		.id = id,
		.marks = {.state = state, .privileged = id->privileged},
		.g = g,
		.base = UINT32_MAX,
		.base_fd = -1,
		.staging = -1,
		.nest = -1,
	};
	base_records_load(state, &w->records);
}

static void end(struct work *w, int state)
{
	int r = base_records_save(state, &w->records);

	if (r < 0)
		log_warning("can't remember the file systems: %s", strerror(-r));
	base_records_done(&w->records);
	close_base(w);
}

/* Custody is what nobody else can rename. */
static void warn_of_shared(const struct generation *g)
{
	for (uint32_t i = 0; i < g->n_bases; i++)
		if (g->bases[i].drops && g->bases[i].shared)
			log_warning(
				"%s: others than root may rename what is in it, and so exchange "
				"what a command is given; chown root it and chmod g-w or +t it",
				g->bases[i].path);
}

void directories_prepare(int state, const struct identity *id, struct generation *g, bool accept)
{
	struct work w;

	begin(&w, state, id, g);
	w.accept = accept;
	for (uint32_t i = 0; i < g->config->n_groups; i++)
		prepare_board(&w, i);
	end(&w, state);
	if (id->privileged)
		warn_of_shared(g);
}

void directories_mend(int state, const struct identity *id, struct generation *g, uint32_t board)
{
	struct work w;

	begin(&w, state, id, g);
	w.mending = true;
	prepare_board(&w, board);
	end(&w, state);
}
