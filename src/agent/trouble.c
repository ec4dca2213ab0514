/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/trouble.h"

#include "agent/board.h"
#include "agent/flag.h"
#include "agent/runs.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RESERVE        "reserve"
#define STATE_RESERVES 8 /* a commit writes more than a flag */
#define TRY_AGAIN      (3 * USEC_PER_SEC)

static bool no_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

static void reserve_make(int dirfd, uint64_t size)
{
	struct file_info info;

	if (dirfd < 0 || (file_info_at(dirfd, RESERVE, &info) == 0 && info.size >= size))
		return;
	_cleanup_close_ int fd =
		openat(dirfd, RESERVE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && fallocate(fd, 0, 0, (off_t)size) < 0 && ftruncate(fd, 0) < 0)
		log_debug("the reserve cannot be emptied: %s", strerror(errno));
}

static void reserve_free(int dirfd)
{
	_cleanup_close_ int fd =
		dirfd < 0 ? -1 : openat(dirfd, RESERVE, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, 0) < 0)
		log_warning("the reserve cannot be given up: %s", strerror(errno));
}

static void state_reserve(struct agent *a, bool make)
{
	_cleanup_close_ int fd = open(a->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (make)
		reserve_make(fd, STATE_RESERVES * a->view->h->reserve);
	else
		reserve_free(fd);
}

void trouble_reserve(struct agent *a)
{
	for (size_t i = 0; i < a->n_bases; i++)
		if (!a->bases[i].former)
			reserve_make(a->bases[i].staging_fd, a->view->h->reserve);
	state_reserve(a, true);
}

static void complain(struct agent *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void complain(struct agent *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->trouble, sizeof(a->trouble), fmt, ap);
	va_end(ap);
	log_limited(&a->trouble_limit, "%s", a->trouble);
}

static void try_later(struct agent *a);

/* The reserve is for what waits: it is made again when nothing does, not before. */
void trouble_again(struct agent *a)
{
	bool waits = a->n_spent > 0 || a->outputs_lost;

	a->trouble[0] = '\0';
	for (size_t i = 0; i < a->n_flags; i++)
		if (a->flags[i].troubled) {
			a->flags[i].troubled = false;
			flag_mark(a, &a->flags[i], a->flags[i].dirty);
			waits = true;
		}
	(void)runs_outputs_again(a); /* if that fails, so does the commit */
	board_status_flush(a, false);
	if (waits)
		try_later(a);
	if (!a->trouble_timer)
		trouble_reserve(a);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct agent *a = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&a->trouble_timer);
	board_look_at_bases(a, false); /* no event may have told of them */
	board_looks(a);
	trouble_again(a);
	return 0;
}

static void try_later(struct agent *a)
{
	if (!a->trouble_timer)
		agent_timer(a, &a->trouble_timer, now_boottime() + TRY_AGAIN, on_retry, a);
}

void trouble_flag(struct agent *a, struct flag *f, int error)
{
	if (error == -EUCLEAN)
		trouble_store(a, error);
	struct board *b = flag_board(a, f);

	if (no_room(error)) {
		complain(a, "%s/%s: no room on the disk: its flag waits for some",
			board_object(a, b), flag_action_name(a, f));
		reserve_free(board_base(a, b)->staging_fd);
		state_reserve(a, false);
	} else {
		complain(a, "%s/%s: its flag cannot be shown now: %s", board_object(a, b),
			flag_action_name(a, f), strerror(-error));
	}
	f->dirty |= DIRTY_NAME;
	f->troubled = true;
	try_later(a);
}

void trouble_board(struct agent *a, struct board *b, int error)
{
	if (no_room(error))
		reserve_free(board_base(a, b)->staging_fd);
	complain(a, "%s: its Status.txt cannot be written: %s", board_object(a, b),
		strerror(-error));
	b->status_dirty = true;
	try_later(a);
}

void trouble_store(struct agent *a, int error)
{
	if (error == -EUCLEAN) /* the next agent puts it aside and begins anew */
		log_fatal(74, "the data base is damaged: %s", store_error(a->store));
	if (no_room(error))
		state_reserve(a, false);
	complain(a, "the history cannot be written: %s",
		error == -EIO ? store_error(a->store) : strerror(-error));
	try_later(a);
}
