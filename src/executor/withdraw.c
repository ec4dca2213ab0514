/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/withdraw.h"

#include "common/dir.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "common/token.h"
#include "executor/base.h"
#include "executor/executor.h"
#include "executor/mark.h"
#include "executor/priority.h"
#include "wire/exec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define PATIENCE   (60 * USEC_PER_SEC)
#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DEPTH      2 /* objects, and folders in them; Returned, in those, is the users' */

static int on_patience(sd_event_source *s, uint64_t usec, void *userdata)
{
	(void)s;
	(void)usec;
	(void)userdata;
	log_fatal(EX_TEMPFAIL, "the agent did not take everything back in time; try it again");
}

void withdraw_open(struct executor *x)
{
	sd_event_source *s = NULL;
	int r = sd_event_add_time_relative(
		x->event, &s, CLOCK_MONOTONIC, PATIENCE, 0, on_patience, NULL);

	if (r >= 0) /* an agent that asks without an end must not keep a package from going */
		r = sd_event_source_set_priority(s, PRIORITY_MUST);
	if (r >= 0)
		r = sd_event_source_set_floating(s, true);
	sd_event_source_unref(s);
	if (r < 0)
		log_fatal(EX_OSERR, "no timer: %s", strerror(-r));
}

/* Removes the marked directories below DIR that are empty; rmdir(2) itself looks whether they are.
 * Of what people exchange meanwhile, no more than an empty directory can be lost. */
static void remove_marked(const struct marks *m, int dir, const char *path, unsigned depth)
{
	_cleanup_dir_ DIR *d = dir_open(dir, ".");

	for (const struct dirent *e; (e = dir_next(d));) {
		_cleanup_close_ int fd = openat(dir, e->d_name, OPEN_FLAGS);
		if (fd < 0 || !mark_has(m, fd) || strcmp(e->d_name, EXEC_CUSTODY) == 0)
			continue;
		if (depth > 1)
			remove_marked(m, fd, path, depth - 1);
		if (unlinkat(dir, e->d_name, AT_REMOVEDIR) < 0 && depth == DEPTH)
			log_info("%s/%s stays: %s", path, e->d_name,
				errno == ENOTEMPTY ? "something of somebody's is in it"
						   : strerror(errno));
	}
}

/* Not what somebody has put in its place. */
static bool is_of(int dir, uid_t uid)
{
	struct stat st;

	return dir >= 0 && fstat(dir, &st) == 0 && st.st_uid == uid &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* In staging a payload has a token for a name.  All else there the agent has made for itself, also
 * what is file.user's already, and was on its way into the share. */
static void clear_staging(int staging)
{
	_cleanup_dir_ DIR *d = dir_open(staging, ".");
	struct file_info info;
	struct token t;

	for (const struct dirent *e; (e = dir_next(d));)
		if (!token_parse(e->d_name, &t) && file_info_at(staging, e->d_name, &info) == 0 &&
			S_ISREG(info.mode))
			(void)unlinkat(staging, e->d_name, 0);
}

static void remove_custody(const struct executor *x, int dir, const char *path)
{
	_cleanup_close_ int custody = openat(dir, EXEC_CUSTODY, OPEN_FLAGS);
	_cleanup_close_ int staging = custody < 0 ? -1 : openat(custody, EXEC_STAGING, OPEN_FLAGS);

	if (!is_of(custody, geteuid()) || !is_of(staging, x->id.uid))
		return;
	clear_staging(staging);
	if (unlinkat(custody, EXEC_STAGING, AT_REMOVEDIR) < 0 ||
		unlinkat(dir, EXEC_CUSTODY, AT_REMOVEDIR) < 0)
		log_warning("%s/" EXEC_CUSTODY " stays: %s", path,
			errno == ENOTEMPTY ? "there are payloads in it" : strerror(errno));
}

/* The base itself, and what is above it, where flagmand has made it.  By "..", not by path: who may
 * write above could have put a symlink there by now. */
static void remove_base(const struct marks *m, int dir, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = openat(dir, ".", OPEN_FLAGS);
	char *slash;

	while (copy && (slash = strrchr(copy, '/')) && fd >= 0 && mark_has(m, fd)) {
		int parent = openat(fd, "..", OPEN_FLAGS);

		if (parent >= 0 && unlinkat(parent, slash + 1, AT_REMOVEDIR) < 0) {
			if (errno != ENOTEMPTY)
				log_info("%s stays: %s", copy, strerror(errno));
			close_fd(parent);
			return;
		}
		*slash = '\0';
		close_fd(fd);
		fd = parent;
	}
}

/* False: it can't be seen, so what is there stays. */
static bool withdraw_from(const struct executor *x, const struct base_state *b)
{
	const struct marks m = {.state = x->places.state, .privileged = x->id.privileged};
	_cleanup_close_ int fd = base_open(b->path), dir = -1;
	struct file_info info;

	dir = fd < 0 ? -1 : openat(fd, ".", OPEN_FLAGS);
	if (dir < 0 || file_info_at(dir, "", &info) < 0 || info.id.dev != b->dev) {
		log_warning("%s can't be reached: what is there stays", b->path);
		return false;
	}
	remove_marked(&m, dir, b->path, DEPTH);
	remove_custody(x, dir, b->path);
	remove_base(&m, dir, b->path);
	return true;
}

void withdraw_adopted(struct executor *x, const struct generation *g)
{
	if (g && !x->ready) {
		x->ready = true;
		log_info("taking everything out of the shares");
		if (reload_now(x, false) < 0)
			log_fatal(EX_OSERR, "can't go on");
	} else if (g && g == x->generations) {
		x->withdrawn = true;
		executor_stop(x);
	}
}

void withdraw_agent_ended(struct executor *x)
{
	if (!x->ready)
		return;
	x->ready = false;
	log_warning("the agent has not taken everything back: another one tries it");
	if (reload_now(x, false) < 0)
		log_fatal(EX_OSERR, "can't go on");
}

void withdraw_directories(struct executor *x)
{
	for (const struct generation *g = x->generations; g; g = g->older)
		for (uint32_t i = 0; i < g->n_bases; i++)
			if (!withdraw_from(x, &g->bases[i]))
				x->withdrawn = false;
}
