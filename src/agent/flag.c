/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/flag.h"

#include "agent/board.h"
#include "agent/content.h"
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

#define COPY_MAX (1024 * 1024)

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
	flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
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
	if (store_begin(a->store) == 0)
		(void)store_delete_flag(
			a->store, board_object(a, b), board_group(a, b), flag_action_name(a, f));
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

static void own_push(struct agent *a, struct own_job job)
{
	if (a->own_n == a->own_size) {
		size_t size = a->own_size ? a->own_size * 2 : 64;
		struct own_job *q = calloc(size, sizeof(*q));
		if (!q)
			log_fatal(71, "out of memory");
		for (size_t i = 0; i < a->own_n; i++)
			q[i] = a->owning[(a->own_head + i) % a->own_size];
		free(a->owning);
		a->owning = q;
		a->own_size = size;
		a->own_head = 0;
	}
	a->owning[(a->own_head + a->own_n++) % a->own_size] = job;
}

int flag_own_file(struct agent *a, struct board *b, int fd, enum own_kind kind, uint32_t index,
	const char *from, const char *folder, const char *to)
{
	struct exec_own m = {
		.header.type = EXEC_OWN,
		.generation = a->generation,
		.cookie = ++a->next_cookie,
		.board = (uint32_t)(b - a->boards),
	};
	struct own_job job = {.cookie = m.cookie, .kind = kind, .index = index};

	if (kind == OWN_FLAG)
		job.token = a->flags[index].token;

	if (from)
		job.from = strdup(from);
	if (folder)
		job.folder = strdup(folder);
	if (to)
		job.to = strdup(to);
	if ((from && !job.from) || (folder && !job.folder) || (to && !job.to))
		log_fatal(71, "out of memory");
	int r = channel_send(a->executor, &m, sizeof(m), &fd, 1);
	if (r < 0) {
		free(job.from);
		free(job.folder);
		free(job.to);
		return r;
	}
	own_push(a, job);
	return 0;
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
	f->fd = steal_fd(&fd);
	f->fd_write = true;
	a->n_fds++;
	return 0;
}

/* Beyond the budget a flag is known by device, inode and birth time alone. */
static void flag_keep_budget(struct agent *a, struct flag *f)
{
	if (f->fd >= 0 && a->n_fds > a->fd_budget)
		flag_close(a, f);
}

static bool same_content(int old_fd, int new_fd, uint64_t size)
{
	char path[64];
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *x = malloc(size + 1), *y = malloc(size + 1);

	/* the old one may be O_PATH: open it anew */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", old_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct file_info info;
	if (fd < 0 || !x || !y || file_info_at(fd, "", &info) < 0 || info.size != size)
		return false;
	return pread_all(fd, x, size, 0) == 0 && pread_all(new_fd, y, size, 0) == 0 &&
	       memcmp(x, y, size) == 0;
}

static bool is_copy(int dirfd, const char *name, int old_fd)
{
	struct file_info info;
	_cleanup_close_ int fd = -1;

	if (file_info_at(dirfd, name, &info) < 0 || !S_ISREG(info.mode) || info.nlink != 1)
		return false;
	if (info.size == 0)
		return true;
	if (old_fd < 0 || info.size > COPY_MAX)
		return false;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && same_content(old_fd, fd, info.size);
}

int flag_put_aside(int dirfd, const char *name, int old_fd)
{
	char aside[FLAG_NAME_MAX];
	const char *suffix = "";
	size_t len = strlen(name);

	if (is_copy(dirfd, name, old_fd))
		return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (len > 4 && strcasecmp(name + len - 4, NAME_SUFFIX) == 0)
		suffix = name + (len -= 4);
	for (unsigned i = 1; i < 100; i++) {
		int n = i == 1 ? snprintf(aside, sizeof(aside), "%.*s (put aside)%s", (int)len,
					 name, suffix)
			       : snprintf(aside, sizeof(aside), "%.*s (put aside %u)%s", (int)len,
					 name, i, suffix);
		if (n < 0 || (size_t)n >= sizeof(aside))
			return -ENAMETOOLONG;
		if (renameat2(dirfd, name, dirfd, aside, RENAME_NOREPLACE) == 0) {
			log_info("%s was not flagman's: put aside as %s", name, aside);
			return 0;
		}
		if (errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* From staging, or under its old name, to the name that it must bear now. */
static int flag_move(struct agent *a, struct flag *f, int from_fd, const char *from, int dirfd,
	enum state s, uint8_t step)
{
	char to[FLAG_NAME_MAX];

	flag_name(a, f, s, step, to);
	for (int tries = 0; tries < 3; tries++) {
		if (renameat2(from_fd, from, dirfd, to, RENAME_NOREPLACE) == 0) {
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
	} else if (f->unrecorded) { /* its row was lost with a commit: shown when it is safe again
				     */
		f->unrecorded = false;
		f->troubled = true;
		f->dirty |= DIRTY_ROW;
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
		} else {
			flag_keep_budget(a, f);
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
		a->dirty != VIEW_NONE && most > 0 && a->own_n < FLAG_OWN_WINDOW; most--) {
		struct flag *f = &a->flags[a->dirty];
		struct board *b = flag_board(a, f);
		bool end = a->dirty == last;
		int r;

		a->dirty = f->next_dirty;
		f->dirty &= (uint8_t)~DIRTY_LISTED;
		flag_flush_run(a, f);
		if (b->usable && !b->released && f->adopted && open_for(a, b, &o)) {
			r = flag_flush_one(a, f, o.fd);
			if (r < 0)
				trouble_flag(a, f, r);
		} /* else its bits stay; the board's return marks all */
		if (end)
			break;
	}
	close_fd(o.fd);
}

static void own_answer_flag(struct agent *a, struct flag *f, const struct exec_result *answer)
{
	if (answer->error) {
		log_error("%s/%s: its owner could not be set: %s",
			board_object(a, flag_board(a, f)), flag_action_name(a, f),
			answer->why[0] ? answer->why : strerror(answer->error));
		trouble_flag(a, f, -answer->error);
		return;
	}
	f->owned = true;
	flag_mark(a, f, DIRTY_NAME);
}

static void own_answer_file(struct agent *a, struct board *b, const struct own_job *job, int error)
{
	struct base *base = board_base(a, b);
	_cleanup_close_ int dirfd = board_open(a, b), folder = -1;
	int to = dirfd;

	if (job->kind == OWN_STATUS)
		b->status_owning = false;
	if (dirfd >= 0 && job->folder) {
		folder = openat(dirfd, job->folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		to = folder;
	}
	if (error == 0 && to >= 0 &&
		(job->kind == OWN_STATUS ? board_status_show(b, base->staging_fd, job->from, to)
					 : renameat2(base->staging_fd, job->from, to, job->to,
						   RENAME_NOREPLACE)) == 0)
		return;
	(void)unlinkat(base->staging_fd, job->from, 0);
}

void flag_own_answer(struct agent *a, const struct exec_result *answer)
{
	struct own_job job;

	if (!a->own_n)
		log_panic("the executor answers what was not asked");
	job = a->owning[a->own_head];
	a->own_head = (a->own_head + 1) % a->own_size;
	a->own_n--;
	if (job.cookie != answer->cookie)
		log_panic("the executor answers out of order");
	if (job.index == VIEW_NONE)
		; /* its action or board was removed meanwhile */
	else if (job.kind != OWN_FLAG)
		own_answer_file(a, &a->boards[job.index], &job, answer->error);
	else if (token_equal(&job.token, &a->flags[job.index].token))
		own_answer_flag(a, &a->flags[job.index], answer);
	free(job.from);
	free(job.folder);
	free(job.to);
}
