/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The boards at start: what is present, staged, taken, replaced or absent. */
#include "agent/adopt.h"
#include "agent/adopt_facts.h"
#include "agent/board.h"
#include "agent/board_parts.h"
#include "agent/find.h"
#include "agent/flag.h"
#include "common/dir.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A power cut takes what was written last and leaves the name; where ftruncate(2) had shrunk the
 * file it leaves its size, too, and zeros.  No text of ours has one.  Who can't be read is not
 * asked. */
static bool text_is_lost(int dirfd, const char *name, const struct file_info *info)
{
	_cleanup_close_ int fd = -1;
	struct file_info now;
	char first = 'x', last = 'x';

	if (info->size == 0)
		return true;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || file_info_at(fd, "", &now) < 0 || !file_id_equal(&now.id, &info->id))
		return false;
	(void)!pread(fd, &first, 1, 0);
	(void)!pread(fd, &last, 1, (off_t)info->size - 1);
	return first == '\0' || last == '\0';
}

/* The configuration may have changed since it was made. */
static bool is_disowned(const struct agent *a, const struct board *b, const struct file_info *info)
{
	const struct view_board *v = board_view(a, b);

	return info->uid != v->file_uid || info->gid != v->file_gid ||
	       (info->mode & 0777) != (v->file_mode & 0777);
}

/* Does it say that it is the flag of that action?  A copy that somebody made does too.  A flag that
 * a power cut has left without its text says nothing. */
static bool says_it_is(
	struct agent *a, struct board *b, struct flag *f, int dirfd, const char *name)
{
	const struct row *row = &a->adoption->rows[f - a->flags];
	_cleanup_close_ int fd =
		openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[2048], title[2 * FLAG_NAME_MAX + 8];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	snprintf(
		title, sizeof(title), "\r\n%s: %s\r\n", board_object(a, b), flag_action_name(a, f));
	if (n == 0 || (n > 0 && text[0] == '\0'))
		return !row->known || !row->same_boot;
	return n > 0 && memmem(text, (size_t)n, title, strlen(title));
}

/* A flag of our own without a row: that was lost in a power cut, or the whole data base was.  A
 * fresh one takes its place. */
static bool is_stray(
	struct agent *a, struct board *b, int dirfd, const char *name, const struct file_info *info)
{
	const struct view_board *v = board_view(a, b);
	char action[FLAG_NAME_MAX];

	if (info->uid != getuid() || info->nlink != 1 || !name_parse(name, action, sizeof(action)))
		return false;
	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (name_equal(action, flag_action_name(a, f)))
			return says_it_is(a, b, f, dirfd, name);
	}
	return false;
}

/* Some flag is not where its row says: it may have been renamed. */
static void look_for_renamed(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);
	struct row *rows = &a->adoption->rows[v->first_action];
	_cleanup_dir_ DIR *d = dir_open(dirfd, ".");
	struct file_info info;

	for (const struct dirent *e; (e = dir_next(d));) {
		bool known = false;
		if (file_info_at(dirfd, e->d_name, &info) < 0 || !S_ISREG(info.mode))
			continue;
		for (uint32_t i = 0; i < v->n_actions; i++) {
			if (!rows[i].known || !file_id_equal(&info.id, &rows[i].id))
				continue;
			known = true;
			if (rows[i].found == FOUND_ABSENT) {
				rows[i].found = FOUND_PRESENT;
				rows[i].shown = adopt_copy(e->d_name);
				rows[i].disowned = is_disowned(a, b, &info);
			}
		}
		if (!known && is_stray(a, b, dirfd, e->d_name, &info) &&
			unlinkat(dirfd, e->d_name, 0) == 0)
			log_info("%s: %s was of an earlier life: removed", board_object(a, b),
				e->d_name);
	}
}

/* It was pressed, and within the hold its file is there again: the name that it had is not known,
 * but which ones it can have had. */
static char *find_reappeared(struct agent *a, struct flag *f, const struct row *row, int dirfd)
{
	static const uint8_t pressable[] = {STATE_READY, STATE_DONE, STATE_FAILED, STATE_CANCELLED,
		STATE_MISSED, STATE_CONFIRM};
	char name[FLAG_NAME_MAX];
	struct file_info info;

	for (size_t i = 0; row->state == STATE_STARTING && i < sizeof(pressable); i++) {
		flag_name(a, f, pressable[i], STEP_NONE, name);
		if (file_info_at(dirfd, name, &info) == 0 && !file_id_equal(&info.id, &row->id))
			return adopt_copy(name);
	}
	return NULL;
}

/* The name under which something stands that is not the flag: it was shown so, or as blocked, or
 * with its per cent.  NULL: there is none. */
static char *find_replaced(struct agent *a, struct flag *f, const struct row *row, int dirfd)
{
	char name[FLAG_NAME_MAX];
	struct file_info info;
	unsigned steps = row->state == STATE_RUNNING ? 11 : 0;

	for (unsigned i = 0; i < 2 + steps; i++) {
		enum state s = i == 1 ? STATE_BLOCKED : row->state;
		flag_name(a, f, s, i < 2 ? STEP_NONE : (uint8_t)(i - 2), name);
		if (file_info_at(dirfd, name, &info) == 0 && !file_id_equal(&info.id, &row->id))
			return adopt_copy(name);
	}
	return NULL;
}

/* Is it there, as the row says?  Opened while its directory is: apply_keep() goes on with it. */
static bool is_present(
	struct agent *a, const struct board *b, struct row *row, int dirfd, const char *name)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct file_info info;

	if (fd < 0 || file_info_at(fd, "", &info) < 0 || !file_id_equal(&info.id, &row->id))
		return false;
	row->disowned = is_disowned(a, b, &info);
	row->blank = !row->same_boot && text_is_lost(dirfd, name, &info);
	if (a->n_fds < a->fd_budget) {
		row->fd = steal_fd(&fd);
		a->n_fds++;
	}
	return true;
}

static void find_present(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);
	struct row *rows = &a->adoption->rows[v->first_action];
	char name[FLAG_NAME_MAX];
	bool missing = false;

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		missing |= !rows[i].known;
		if (!rows[i].known)
			continue;
		if (!rows[i].same_boot) /* device numbers change from boot to boot */
			rows[i].id.dev = b->dir.dev;
		flag_name(a, f, rows[i].state, STEP_NONE, name);
		if (is_present(a, b, &rows[i], dirfd, name))
			rows[i].found = FOUND_PRESENT;
		else /* seen before strays are removed: one of them may be what an editor made */
			rows[i].replaced = find_replaced(a, f, &rows[i], dirfd);
		if (!rows[i].replaced) {
			rows[i].replaced = find_reappeared(a, f, &rows[i], dirfd);
			rows[i].reappeared = rows[i].replaced != NULL;
		}
		missing |= rows[i].found != FOUND_PRESENT;
	}
	if (missing)
		look_for_renamed(a, b, dirfd);
}

static void find_staged(struct agent *a, struct board *b)
{
	const struct view_board *v = board_view(a, b);
	struct row *rows = &a->adoption->rows[v->first_action];
	int staging = board_base(a, b)->staging_fd;
	char name[TOKEN_HEX + 8], hex[TOKEN_HEX + 1];
	struct file_info info;

	for (uint32_t i = 0; i < v->n_actions; i++) {
		if (!rows[i].known || rows[i].found != FOUND_ABSENT)
			continue;
		snprintf(name, sizeof(name), "flag-%s", token_hex(&rows[i].token, hex));
		if (file_info_at(staging, name, &info) == 0)
			rows[i].found = FOUND_STAGED;
		else if (board_has_taken(board_base(a, b), &rows[i].token, &info)) {
			const struct view_action *action = &a->view->actions[v->first_action + i];
			rows[i].found = FOUND_TAKEN;
			/* one that failed is tried again under the token of the flag pressed */
			rows[i].payload =
				action->drop != VIEW_NONE && !file_id_equal(&info.id, &rows[i].id);
		} else if (rows[i].replaced)
			rows[i].found = FOUND_REPLACED;
	}
}

/* A flag, or a copy of one, that was put into Run while nobody looked: taken like a press. */
static void find_in_run(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);
	struct row *rows = &a->adoption->rows[v->first_action];
	const char *run = view_str(a->view, v->run_folder);
	int fd = run ? board_open_folder(dirfd, run) : -1;
	char hex[TOKEN_HEX + 1], action[FLAG_NAME_MAX];
	struct file_info info, folder;

	/* nearly all are empty */
	if (fd < 0 || dir_is_empty(fd) || file_info_at(fd, "", &folder) < 0) {
		close_fd(fd);
		return;
	}
	_cleanup_dir_ DIR *d = dir_of(fd);
	for (const struct dirent *e; (e = dir_next(d));) {
		if (file_info_at(fd, e->d_name, &info) < 0 || !S_ISREG(info.mode))
			continue;
		for (uint32_t i = 0; i < v->n_actions; i++) {
			struct row *row = &rows[i];
			bool own = row->known && file_id_equal(&info.id, &row->id);
			bool copied = row->known && !name_is_litter(e->d_name) &&
				      name_parse(e->d_name, action, sizeof(action)) &&
				      name_equal(action,
					      flag_action_name(a, &a->flags[v->first_action + i]));
			if (!own && !copied)
				continue;
			if (renameat2(fd, e->d_name, board_base(a, b)->staging_fd,
				    token_hex(&row->token, hex), RENAME_NOREPLACE) == 0) {
				row->found = FOUND_TAKEN;
				row->pressed = folder.mtime_ns / 1000;
			}
			break;
		}
	}
}

static void adopt_status(struct agent *a, struct board *b, int dirfd)
{
	const struct row *row =
		a->adoption ? &a->adoption->rows[board_view(a, b)->first_action] : NULL;
	struct file_info info = {0};

	if (file_info_at(dirfd, NAME_STATUS, &info) == 0 && S_ISREG(info.mode) && info.nlink == 1)
		b->status_id = info.id;
	b->status_reown = b->status_id.ino && is_disowned(a, b, &info);
	if (!b->status_id.ino || b->status_reown ||
		(row && !row->same_boot && text_is_lost(dirfd, NAME_STATUS, &info)))
		board_status_dirty(a, b);
}

/* Opens the board's directory for the first time: is it the recorded one?  -errno: not usable. */
static int adopt_directory(struct agent *a, struct board *b, bool *ret_changed)
{
	struct base *base = board_base(a, b);
	struct file_id recorded;
	struct file_info info;
	int r;

	if (board_view(a, b)->error || base->fd < 0)
		return -ENODEV;
	_cleanup_close_ int fd = board_open_folder(base->fd, board_object(a, b));
	if (fd < 0)
		return fd;
	r = file_info_at(fd, "", &info);
	if (r < 0)
		return r;
	b->dir = info.id;
	for (uint32_t i = 0; a->adoption && i < board_view(a, b)->n_actions; i++)
		a->adoption->rows[board_view(a, b)->first_action + i].pressed =
			info.mtime_ns / 1000;
	r = store_get_directory(a->store, board_object(a, b), board_group(a, b), &recorded);
	if (r == 0)
		recorded.dev = info.id.dev; /* device numbers change from boot to boot */
	*ret_changed = r < 0 || !file_id_equal(&recorded, &info.id);
	if (*ret_changed)
		board_remember(a, b, &info.id);
	return steal_fd(&fd);
}

void adopt_find(struct agent *a, struct board *b)
{
	_cleanup_close_ int dirfd =
		adopt_directory(a, b, &a->adoption->seen[b - a->boards].changed);

	b->usable = dirfd >= 0;
	if (!b->usable) {
		char path[PATH_MAX];
		const char *error = view_str(a->view, board_view(a, b)->error);
		log_error("%s: cannot be used: %s", board_path(a, b, path, sizeof(path)),
			error ? error : strerror(-dirfd));
		return;
	}
	find_present(a, b, dirfd);
	for (uint32_t i = 0; i < board_view(a, b)->n_actions; i++) {
		struct row *row = &a->adoption->rows[board_view(a, b)->first_action + i];
		row->present = row->found == FOUND_PRESENT;
	}
	find_in_run(a, b, dirfd);
	find_staged(a, b);
	adopt_status(a, b, dirfd);
}

void adopt_new_board(struct agent *a, struct board *b)
{
	bool changed;
	const struct view_board *v = board_view(a, b);
	_cleanup_close_ int dirfd = adopt_directory(a, b, &changed);

	b->usable = dirfd >= 0;
	b->recheck = true;
	if (b->usable)
		adopt_status(a, b, dirfd);
	board_status_dirty(a, b);
	for (uint32_t i = 0; i < v->n_actions; i++)
		adopt_new_flag(a, &a->flags[v->first_action + i]);
}

void adopt_new_flag(struct agent *a, struct flag *f)
{
	f->adopted = true;
	f->since = now_realtime();
	flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW | DIRTY_NEWS);
}
