/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A board that is missing, replaced, unmounted, released: mended, waited for, put back. */
#include "agent/board.h"
#include "agent/board_parts.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/trouble.h"
#include "agent/watch.h"
#include "common/log.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MEND_AT_MOST (60 * USEC_PER_SEC)

void board_remember(struct agent *a, const struct board *b, const struct file_id *dir)
{
	const char *object = board_object(a, b), *group = board_group(a, b);

	if (store_begin(a->store) == 0 && store_delete_flags(a->store, object, group) == 0)
		(void)store_put_directory(a->store, object, group, dir);
}

void board_mend(struct agent *a, struct board *b)
{
	struct exec_board m = {
		.header.type = EXEC_MEND,
		.generation = a->generation,
		.cookie = (uint64_t)(b - a->boards),
		.board = (uint32_t)(b - a->boards),
	};

	if (b->mending || b->released)
		return;
	if (channel_send(a->executor, &m, sizeof(m), NULL, 0) == 0)
		b->mending = true;
}

void board_lost(struct agent *a, struct board *b, int error)
{
	struct base *base = board_base(a, b);
	bool base_there = board_base_check(a, base);
	char path[PATH_MAX];

	if (!base_there && !base->lost) /* said once, not for each board */
		log_warning("%s: it is gone or another directory: nothing is pressed there until "
			    "it is back",
			board_base_path(a, base));
	else if (base_there && b->usable)
		log_warning("%s: its directory is gone or another (%s): nothing is pressed there",
			board_path(a, b, path, sizeof(path)), strerror(-error));
	if (b->usable)
		press_call_off_board(a, b, "Its directory was removed or replaced.");
	base->lost = base->lost || !base_there;
	b->usable = false;
	b->recheck = true;
	board_mend(a, b);
}

static bool staging_is_ours(const struct base *base)
{
	struct file_info named, known;

	return file_info_at(base->fd, STAGING, &named) == 0 &&
	       file_info_at(base->staging_fd, "", &known) == 0 &&
	       file_id_equal(&named.id, &known.id) && named.uid == getuid() &&
	       (named.mode & 0700) == 0700;
}

/* The executor makes or mends it with any board of the base. */
static void mend_staging(struct agent *a, struct base *base)
{
	if (!base->unstaged)
		log_warning("%s/" STAGING ": it is gone or another: flags wait for a new one",
			board_base_path(a, base));
	base->unstaged = true;
	for (size_t i = 0; i < a->n_boards; i++)
		if (board_base(a, &a->boards[i]) == base && !a->boards[i].released) {
			board_mend(a, &a->boards[i]);
			return;
		}
}

void board_look_at_bases(struct agent *a, bool unusable)
{
	if (!a->started)
		return;
	for (size_t i = 0; i < a->n_bases; i++) {
		struct base *base = &a->bases[i];
		base->there = board_base_check(a, base);
		if (base->there && !staging_is_ours(base))
			mend_staging(a, base);
	}
	for (size_t i = 0; i < a->n_boards; i++) {
		struct board *b = &a->boards[i];
		if (b->usable != board_base(a, b)->there || (unusable && !b->usable))
			board_look_at(a, b, LOOK_ALL);
	}
}

/*
 * Something was mounted or unmounted: a share that is unmounted lazily says nothing through
 * inotify, and one that is mounted again neither.  proc_pid_mountinfo(5): EPOLLPRI.
 */
static int on_mounts(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct agent *a = userdata;

	(void)s;
	(void)fd;
	(void)events;
	board_look_at_bases(a, true);
	board_looks(a);
	return 0;
}

int board_open_mounts(void)
{
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		log_warning("mounts are not watched: %s", strerror(errno));
	return fd;
}

int board_watch_mounts(struct agent *a, int fd)
{
	return fd < 0 ? 0 : sd_event_add_io(a->event, NULL, fd, EPOLLPRI, on_mounts, a);
}

void board_restore(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);

	b->recheck = true;
	board_look_directory(a, b, dirfd);
	b->recheck = false;
	for (uint32_t i = 0; i < v->n_actions; i++)
		flag_mark(a, &a->flags[v->first_action + i], DIRTY_NAME | DIRTY_CONTENT);
}

/* What cannot be mended now is tried again, less and less often. */
static void mend_later(struct agent *a, struct board *b)
{
	b->mend_wait = b->mend_wait ? b->mend_wait * 2 : USEC_PER_SEC;
	if (b->mend_wait > MEND_AT_MOST)
		b->mend_wait = MEND_AT_MOST;
	board_look_later(a, b, b->mend_wait);
}

/* Whatever could not be shown or taken without it is tried again now. */
static void reopen_base(struct agent *a, struct base *base)
{
	const char *path = board_base_path(a, base);
	int staging;

	if (base->lost || base->fd < 0) {
		board_base_open(a, base, path);
		if (base->lost)
			return;
		log_info("%s: is back", path);
	} else {
		staging = board_open_staging(base->fd);
		if (staging < 0) /* gone again */
			return;
		close_fd(base->staging_fd);
		base->staging_fd = staging;
		base->unstaged = false;
		log_info("%s/" STAGING ": is back", path);
	}
	for (size_t i = 0; i < a->n_boards; i++)
		if (board_base(a, &a->boards[i]) == base)
			board_look_at(a, &a->boards[i], LOOK_ALL);
	trouble_again(a);
}

/* As a look will find it: what cannot be opened is not mended. */
static int board_info(struct agent *a, struct board *b, struct file_info *ret)
{
	_cleanup_close_ int fd = board_open_folder(board_base(a, b)->fd, board_object(a, b));

	return fd < 0 ? fd : file_info_at(fd, "", ret);
}

void board_mended(struct agent *a, const struct exec_result *answer)
{
	struct board *b;
	struct base *base;
	struct file_info info;
	char path[PATH_MAX];

	if (answer->cookie >= a->n_boards)
		return;
	b = &a->boards[answer->cookie];
	if (!b->mending)
		return; /* asked for before a reload */
	b->mending = false;
	base = board_base(a, b);
	board_path(a, b, path, sizeof(path));
	if (answer->error) {
		log_limited(&a->mend_limit, "%s: cannot be mended: %s", path, answer->why);
		mend_later(a, b);
		return;
	}
	if (base->lost || base->unstaged || base->fd < 0)
		reopen_base(a, base);
	if (base->lost || base->unstaged || board_info(a, b, &info) < 0) {
		mend_later(a, b);
		return;
	}
	b->mend_wait = 0;
	b->unwatched = true; /* a new directory has no watch yet */
	b->folders_gone = false;
	if (!b->usable || !file_id_equal(&b->dir, &info.id)) {
		log_info("%s: is back", path);
		if (!file_id_equal(&b->dir, &info.id))
			b->status_id.ino = 0;
		b->dir = info.id;
		b->usable = true;
		b->recheck = true;
		for (uint32_t i = 0; i < board_view(a, b)->n_actions; i++)
			flag_mark(a, &a->flags[board_view(a, b)->first_action + i], DIRTY_ROW);
		board_remember(a, b, &b->dir);
	}
	watch_change(a);
	board_look_at(a, b, LOOK_ALL);
	board_looks(a);
}

void board_release(struct agent *a, struct board *b)
{
	const struct view_board *v = board_view(a, b);

	b->released = true;
	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (f->fd >= 0) {
			close_fd(f->fd);
			f->fd = -1;
			a->n_fds--;
		}
	}
	for (size_t i = 0; i < a->n_boards; i++)
		if (board_base(a, &a->boards[i]) == board_base(a, b) && !a->boards[i].released)
			return;
	board_base_close(board_base(a, b)); /* the last one: it can be unmounted */
	board_base(a, b)->lost = true;
}

/* Something else stands in a folder's place: a symlink would lead the executor's eye elsewhere. */
static void put_aside_folder(int dirfd, const char *name)
{
	struct file_info info;

	if (name && file_info_at(dirfd, name, &info) == 0 && !S_ISDIR(info.mode))
		(void)flag_put_aside(dirfd, name, -1);
}

void board_mend_folders(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);

	put_aside_folder(dirfd, view_str(a->view, v->run_folder));
	for (uint32_t i = 0; i < v->n_actions; i++) {
		uint32_t drop = a->view->actions[v->first_action + i].drop;
		if (drop != VIEW_NONE)
			put_aside_folder(dirfd, view_str(a->view, a->view->drops[drop].folder));
	}
	board_mend(a, b);
}
