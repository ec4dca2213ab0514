/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Status.txt: what each button of an object does, how to press it, what runs, who pressed last.
 * Never a button.  Written in place where flagman's user may, else replaced whole; a little later
 * than the flags (STATUS_EVERY), for nobody waits for it.
 */
#include "agent/board.h"
#include "agent/flag.h"
#include "agent/render.h"
#include "agent/trouble.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATUS_EVERY (200 * 1000) /* us */

static int on_status(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct agent *a = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&a->status_timer);
	board_status_flush(a, false);
	return 0;
}

void board_status_dirty(struct agent *a, struct board *b)
{
	b->status_dirty = true;
	if (!a->status_timer)
		agent_timer(a, &a->status_timer, now_boottime() + STATUS_EVERY, on_status, a);
}

int board_status_show(struct board *b, int staging_fd, const char *from, int dirfd)
{
	struct file_info info, there;

	if (file_info_at(staging_fd, from, &info) < 0)
		return -errno;
	/* what is not a file of ours is put aside, never replaced */
	if (file_info_at(dirfd, NAME_STATUS, &there) == 0 &&
		!(b->status_id.ino && file_id_equal(&there.id, &b->status_id)) &&
		flag_put_aside(dirfd, NAME_STATUS, -1) < 0)
		return -EEXIST;
	if (renameat(staging_fd, from, dirfd, NAME_STATUS) < 0)
		return -errno;
	b->status_id = info.id;
	return 0;
}

static int status_in_place(const struct board *b, int dirfd, const struct buf *text)
{
	struct file_info info;
	_cleanup_close_ int fd = -1;

	if (!b->status_id.ino || b->status_reown)
		return -ENOENT;
	fd = openat(dirfd, NAME_STATUS, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || file_info_at(fd, "", &info) < 0 || !file_id_equal(&info.id, &b->status_id))
		return -ENOENT;
	if (pwrite(fd, text->data, text->len, 0) != (ssize_t)text->len)
		return -ENOSPC;
	return ftruncate(fd, (off_t)text->len) < 0 ? -errno : 0;
}

static int status_fresh(struct agent *a, struct board *b, const struct buf *text)
{
	struct token t = token_new();
	char name[TOKEN_HEX + 16], hex[TOKEN_HEX + 1];
	int staging = board_base(a, b)->staging_fd;
	int r;

	if (b->status_owning)
		return 0;
	snprintf(name, sizeof(name), "status-%s", token_hex(&t, hex));
	_cleanup_close_ int fd =
		openat(staging, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text->data, text->len);
	if (r == 0)
		r = flag_own_file(
			a, b, fd, OWN_STATUS, (uint32_t)(b - a->boards), name, NULL, NAME_STATUS);
	if (r < 0)
		(void)unlinkat(staging, name, 0);
	else
		b->status_owning = true;
	b->status_reown &= r < 0;
	return r;
}

static void status_write(struct agent *a, struct board *b)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(1U << 20);
	_cleanup_close_ int dirfd = board_open(a, b);
	int r = dirfd < 0 ? dirfd : render_status(a, b, &text);

	if (r == 0)
		r = status_in_place(b, dirfd, &text);
	if (r == -ENOENT)
		r = status_fresh(a, b, &text);
	if (r < 0)
		trouble_board(a, b, r);
}

void board_status_flush(struct agent *a, bool all)
{
	a->status_waits = false;
	for (size_t i = 0; i < a->n_boards; i++) {
		struct board *b = &a->boards[i];
		if (!(b->status_dirty || all) || !b->usable || b->released)
			continue;
		if (a->own_n >= a->own_window) { /* until the answers have come */
			a->status_waits = true;
			return;
		}
		b->status_dirty = false;
		status_write(a, b);
	}
}
