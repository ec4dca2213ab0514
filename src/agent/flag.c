/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/flag.h"

#include "agent/board.h"
#include "agent/content.h"
#include "agent/control.h"
#include "agent/press.h"
#include "agent/render.h"
#include "agent/trouble.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void flag_mark(struct agent *a, struct flag *f, unsigned dirty)
{
	f->dirty |= (uint8_t)dirty;
	if (f->dirty & DIRTY_LISTED)
		return;
	f->dirty |= DIRTY_LISTED;
	f->next_dirty = VIEW_NONE;
	if (a->dirty == VIEW_NONE)
		a->dirty = (uint32_t)(f - a->flags);
	else
		a->flags[a->dirty_tail].next_dirty = (uint32_t)(f - a->flags);
	a->dirty_tail = (uint32_t)(f - a->flags);
}

void flag_set_state(struct agent *a, struct flag *f, enum state s)
{
	if (f->state != s)
		f->since = now_realtime();
	f->state = (uint8_t)s;
	flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW | DIRTY_NEWS);
	board_status_dirty(a, flag_board(a, f));
}

enum state flag_display(const struct agent *a, const struct flag *f, struct live **ret_blocker)
{
	struct live *blocker = NULL;
	enum state s = f->state;

	if (flag_action(a, f)->misconfigured)
		s = STATE_MISCONFIGURED;
	else if (s != STATE_STARTING && s != STATE_WAITING && s != STATE_RUNNING &&
		 s != STATE_RECEIVING) {
		blocker = press_blocker(a, f);
		if (blocker)
			s = STATE_BLOCKED;
	}
	if (ret_blocker)
		*ret_blocker = blocker;
	return s;
}

static const char *flag_label(const struct agent *a, const struct flag *f, enum state s)
{
	const struct view_board *b = board_view(a, flag_board(a, f));
	const char *label = NULL;

	if (b->labels != VIEW_NONE)
		label = view_str(a->view, a->view->labels[b->labels].label[s]);
	return label ? label : state_label(s);
}

const char *flag_name(
	const struct agent *a, const struct flag *f, enum state s, uint8_t step, char *buf)
{
	const struct view_board *b = board_view(a, flag_board(a, f));
	char label[NAME_LABEL_MAX + 16];

	snprintf(label, sizeof(label), "%s", flag_label(a, f, s));
	if (s == STATE_RUNNING && step != STEP_NONE)
		snprintf(label + strlen(label), sizeof(label) - strlen(label), " %u%%", step * 10U);
	if (!name_format(buf, FLAG_NAME_MAX, flag_action_name(a, f), label,
		    b->flags & VIEW_BOARD_PREFIX ? MONIKER_PREFIX : MONIKER_SUFFIX))
		log_panic("the name of action %s does not fit", flag_action_name(a, f));
	return buf;
}

const char *flag_shown_name(const struct agent *a, const struct flag *f, char *buf)
{
	return flag_name(a, f, f->shown_state, f->shown_step, buf);
}

static uint8_t flag_step(const struct flag *f)
{
	return f->state == STATE_RUNNING && f->live ? f->live->step : STEP_NONE;
}

static void flag_close(struct agent *a, struct flag *f)
{
	if (f->fd < 0)
		return;
	close_fd(f->fd);
	f->fd = -1;
	a->n_fds--;
}

void flag_forget(struct agent *a, const struct flag *f)
{
	const struct board *b = flag_board(a, f);

	if (store_begin(a->store) == 0)
		(void)store_delete_flag(
			a->store, board_object(a, b), board_group(a, b), flag_action_name(a, f));
}

void flag_gone(struct agent *a, struct flag *f)
{
	flag_close(a, f);
	f->place = PLACE_NONE;
	f->owned = false;
	flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
}

static void staged_name(const struct token *t, char *buf, size_t size)
{
	char hex[TOKEN_HEX + 1];

	snprintf(buf, size, "flag-%s", token_hex(t, hex));
}

void flag_remove(struct agent *a, struct flag *f, int dirfd, const char *name)
{
	char staged[TOKEN_HEX + 8];
	struct file_info info;
	struct board *b = flag_board(a, f);

	if (f->place == PLACE_PUBLISHED && dirfd >= 0 && file_info_at(dirfd, name, &info) == 0 &&
		file_id_equal(&info.id, &f->id))
		(void)unlinkat(dirfd, name, 0);
	if (f->place == PLACE_STAGED && board_base(a, b)->staging_fd >= 0) {
		staged_name(&f->token, staged, sizeof(staged));
		(void)unlinkat(board_base(a, b)->staging_fd, staged, 0);
	}
	flag_close(a, f);
	f->place = PLACE_NONE;
	flag_forget(a, f);
}

static int flag_store_row(struct agent *a, struct flag *f)
{
	const struct board *b = flag_board(a, f);
	struct stored_flag row = {
		.object = board_object(a, b),
		.group = board_group(a, b),
		.action = flag_action_name(a, f),
		.token = f->token,
		.id = f->id,
		.boot = boot_id(),
		.state = f->state,
		.run = f->run,
		.since = f->since,
		.note = f->live ? f->live->note : NULL,
	};
	int r = store_begin(a->store);

	if (r == 0)
		r = store_put_flag(a->store, &row);
	if (r == 0)
		f->dirty &= (uint8_t)~DIRTY_ROW;
	return r;
}

/* Text first, then the cut: a reader never finds the file empty (one pwrite, then ftruncate). */
static int flag_write(struct agent *a, struct flag *f, int fd)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(CONTENT_MAX);
	int r = render_flag(a, f, &text);

	if (r < 0)
		return r;
	ssize_t n = pwrite(fd, text.data, text.len, 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < text.len)
		return -ENOSPC;
	if (ftruncate(fd, (off_t)text.len) < 0)
		return -errno;
	f->dirty &= (uint8_t)~DIRTY_CONTENT;
	return 0;
}

void flag_unmake(struct agent *a, struct flag *f)
{
	char staged[TOKEN_HEX + 8];

	if (f->place != PLACE_STAGED)
		return;
	staged_name(&f->token, staged, sizeof(staged));
	(void)unlinkat(board_base(a, flag_board(a, f))->staging_fd, staged, 0);
	flag_close(a, f);
	f->place = PLACE_NONE;
	f->owned = false;
	f->dirty |= DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW;
}

/* A fresh flag in staging: whole, with its row, not shown before its owner is set. */
static int flag_make(struct agent *a, struct flag *f)
{
	struct board *b = flag_board(a, f);
	struct base *base = board_base(a, b);
	char name[TOKEN_HEX + 8];
	struct file_info info;
	struct token token = token_new();
	int r;

	if (base->staging_fd < 0)
		return -ENODEV;
	staged_name(&token, name, sizeof(name));
	_cleanup_close_ int fd = openat(
		base->staging_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	f->token = token;
	r = flag_write(a, f, fd);
	if (r == 0)
		r = file_info_at(fd, "", &info);
	if (r == 0) {
		f->id = info.id;
		r = flag_store_row(a, f);
	}
	if (r == 0)
		r = flag_own_file(a, b, fd, OWN_FLAG, (uint32_t)(f - a->flags), NULL, NULL, NULL);
	if (r < 0) {
		(void)unlinkat(base->staging_fd, name, 0);
		f->dirty |= DIRTY_ROW | DIRTY_CONTENT;
		return r;
	}
	f->place = PLACE_STAGED;
	f->owned = false;
	f->fd_write = a->n_fds < a->fd_budget;
	if (f->fd_write) { /* beyond the budget it is known by inode and birth time alone */
		f->fd = steal_fd(&fd);
		a->n_fds++;
	}
	return 0;
}

/* From staging, or under its old name, to the name that it must bear now. */
static int flag_move(struct agent *a, struct flag *f, int from_fd, const char *from, int dirfd,
	enum state s, uint8_t step)
{
	char to[FLAG_NAME_MAX];

	flag_name(a, f, s, step, to);
	for (int tries = 0; tries < 3; tries++) {
		if (renameat2(from_fd, from, dirfd, to, RENAME_NOREPLACE) == 0) {
			if (f->shown_state != s)
				f->dirty |= DIRTY_NEWS;
			f->place = PLACE_PUBLISHED;
			f->shown_state = (uint8_t)s;
			f->shown_step = step;
			f->dirty &= (uint8_t)~DIRTY_NAME;
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
		int r = flag_put_aside(dirfd, to, f->fd);
		if (r < 0)
			return r;
	}
	return -EEXIST;
}

void flag_unhinge(struct agent *a, struct flag *f, int dirfd, const char *name)
{
	char staged[TOKEN_HEX + 8];

	staged_name(&f->token, staged, sizeof(staged));
	if (renameat2(dirfd, name, board_base(a, flag_board(a, f))->staging_fd, staged,
		    RENAME_NOREPLACE) < 0)
		return; /* gone: the next look says how */
	f->place = PLACE_STAGED;
	flag_mark(a, f, DIRTY_NAME);
}

static int flag_hide(struct agent *a, struct flag *f, int dirfd)
{
	char shown[FLAG_NAME_MAX], staged[TOKEN_HEX + 8];
	struct base *base = board_base(a, flag_board(a, f));

	staged_name(&f->token, staged, sizeof(staged));
	if (renameat2(dirfd, flag_shown_name(a, f, shown), base->staging_fd, staged,
		    RENAME_NOREPLACE) < 0)
		return -errno;
	f->place = PLACE_STAGED;
	f->dirty &= (uint8_t)~DIRTY_NAME;
	return 0;
}

/* The descriptor to write through: the flag's own, or a new one if it may be had. */
static int flag_rewrite(struct agent *a, struct flag *f, int dirfd, const char *name)
{
	struct file_info info;
	_cleanup_close_ int fd = -1;
	int r;

	if (f->fd >= 0 && f->fd_write)
		return flag_write(a, f, f->fd);
	fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = file_info_at(fd, "", &info);
	if (r < 0)
		return r;
	if (!file_id_equal(&info.id, &f->id))
		return -ESTALE;
	r = flag_write(a, f, fd);
	if (r == 0 && f->fd >= 0) { /* better than the O_PATH one from the start */
		close_fd(f->fd);
		f->fd = steal_fd(&fd);
		f->fd_write = true;
	}
	return r;
}

/*
 * The file's user is another and its descriptor was lost: out of the way with it, a fresh one
 * follows.  Taken to staging first and looked at there: what somebody put in its place just now
 * must not be deleted.
 */
static void flag_replace(struct agent *a, struct flag *f, int dirfd, const char *name)
{
	char staged[TOKEN_HEX + 8];
	struct base *base = board_base(a, flag_board(a, f));
	struct file_info info;

	staged_name(&f->token, staged, sizeof(staged));
	if (renameat2(dirfd, name, base->staging_fd, staged, RENAME_NOREPLACE) < 0)
		return; /* gone: the next look says how */
	if (file_info_at(base->staging_fd, staged, &info) == 0 && file_id_equal(&info.id, &f->id)) {
		flag_forget(a, f);
		if (store_commit(a->store) < 0)
			log_debug("a row may outlive its flag: %s", store_error(a->store));
		(void)unlinkat(base->staging_fd, staged, 0);
		flag_gone(a, f);
	} else {
		(void)renameat2(base->staging_fd, staged, dirfd, name, RENAME_NOREPLACE);
	}
}

static int flag_flush_published(struct agent *a, struct flag *f, int dirfd, enum state s, bool hide)
{
	char shown[FLAG_NAME_MAX];
	uint8_t step = flag_step(f);
	struct file_info info;
	int r = 0;

	flag_shown_name(a, f, shown);
	if (hide || f->shown_state != s || f->shown_step != step) {
		/* never rename what only bears its name */
		r = file_info_at(dirfd, shown, &info);
		if (r == 0 && !file_id_equal(&info.id, &f->id))
			r = -ENOENT;
		if (r == 0)
			r = hide ? flag_hide(a, f, dirfd)
				 : flag_move(a, f, dirfd, shown, dirfd, s, step);
		if (r == -ENOENT) { /* just pressed: the look that is coming says how */
			board_look_soon(a, flag_board(a, f));
			return 0;
		}
		flag_shown_name(a, f, shown);
	}
	f->dirty &= (uint8_t)~DIRTY_NAME;
	if (r == 0 && f->reown && f->place == PLACE_PUBLISHED) {
		f->reown = false;
		flag_replace(a, f, dirfd, shown);
	} else if (r == 0 && (f->dirty & DIRTY_CONTENT) && f->place == PLACE_PUBLISHED) {
		r = flag_rewrite(a, f, dirfd, shown);
		if (r == -EACCES || r == -EPERM)
			flag_replace(a, f, dirfd, shown);
		if (r != -ENOSPC && r != -EDQUOT) {
			f->dirty &= (uint8_t)~DIRTY_CONTENT;
			r = 0;
		}
	}
	return r;
}

static int flag_flush_one(struct agent *a, struct flag *f, int dirfd)
{
	enum state s = flag_display(a, f, NULL);
	bool hide = s == STATE_BLOCKED && flag_press(a, f)->while_running == WHILE_RUNNING_HIDE;
	char staged[TOKEN_HEX + 8];
	int r = 0;

	if (f->place == PLACE_NONE) {
		r = flag_make(a, f);
	} else if (f->place == PLACE_PUBLISHED) {
		r = flag_flush_published(a, f, dirfd, s, hide);
		if (f->place == PLACE_NONE && r == 0)
			r = flag_make(a, f);
	} else if (f->unrecorded) { /* its row was lost with a commit: shown after the next one */
		f->unrecorded = false;
		r = flag_store_row(a, f);
		flag_mark(a, f, DIRTY_NAME);
	} else if (f->owned && !hide) {
		staged_name(&f->token, staged, sizeof(staged));
		if ((f->dirty & DIRTY_CONTENT) && f->fd_write)
			r = flag_write(a, f, f->fd);
		int moved = flag_move(a, f, board_base(a, flag_board(a, f))->staging_fd, staged,
			dirfd, s, flag_step(f));
		if (moved == -ENOENT) {
			flag_gone(a, f);
			r = flag_make(a, f);
		} else if (moved < 0) {
			r = moved;
		} else if (f->dirty & DIRTY_CONTENT) { /* its descriptor was not kept */
			flag_mark(a, f, DIRTY_CONTENT);
		}
	}
	if (r == 0 && (f->dirty & DIRTY_ROW) && f->place != PLACE_NONE)
		r = flag_store_row(a, f);
	return r;
}

/* The history learns of a press, and of its end. */
static void flag_flush_run(struct agent *a, struct flag *f)
{
	if (!(f->dirty & DIRTY_RUN) || !f->live)
		return;
	int r = store_begin(a->store);
	if (r == 0)
		r = store_put_run(a->store, &f->live->run);
	if (r < 0)
		trouble_store(a, r);
	else
		f->dirty &= (uint8_t)~DIRTY_RUN;
}

/* Once its file says so too, if it has one. */
static void flag_flush_news(struct agent *a, struct flag *f)
{
	if (!(f->dirty & DIRTY_NEWS) || (f->place == PLACE_STAGED && !f->owned))
		return;
	f->dirty &= (uint8_t)~DIRTY_NEWS;
	control_changed(a, f);
}

/* The board's descriptor for a few flags in a row. */
struct opened {
	uint32_t board;
	int fd;
};

static bool open_for(struct agent *a, struct board *b, struct opened *o)
{
	uint32_t board = (uint32_t)(b - a->boards);

	if (o->board == board)
		return true;
	close_fd(o->fd);
	o->fd = board_open(a, b);
	o->board = o->fd < 0 ? VIEW_NONE : board;
	if (o->fd < 0)
		board_look_soon(a, b);
	return o->fd >= 0;
}

void flag_flush(struct agent *a, unsigned most)
{
	struct opened o = {.board = VIEW_NONE, .fd = -1};

	/* what is marked meanwhile is for the next time */
	for (uint32_t last = a->dirty_tail;
		a->dirty != VIEW_NONE && most > 0 && a->own_n < a->own_window; most--) {
		struct flag *f = &a->flags[a->dirty];
		struct board *b = flag_board(a, f);
		bool end = a->dirty == last;
		int r;

		a->dirty = f->next_dirty;
		f->dirty &= (uint8_t)~DIRTY_LISTED;
		if (f->troubled) { /* in a while: what failed just now fails again */
			if (end)
				break;
			continue;
		}
		flag_flush_run(a, f);
		if (b->usable && !b->released && f->adopted && open_for(a, b, &o)) {
			r = flag_flush_one(a, f, o.fd);
			if (r < 0)
				trouble_flag(a, f, r);
		} /* else its bits stay; the board's return marks all */
		flag_flush_news(a, f);
		if (end)
			break;
	}
	close_fd(o.fd);
}
