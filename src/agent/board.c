/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/board.h"

#include "agent/board_parts.h"
#include "agent/custody.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/walls.h"
#include "agent/watch.h"
#include "common/dir.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EDITOR_PATIENCE (500 * 1000) /* us until a renamed flag is put back: an editor's save */

const char *board_path(const struct agent *a, const struct board *b, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", view_str(a->view, a->view->bases[board_view(a, b)->base].path),
		board_object(a, b));
	return buf;
}

bool board_same_object(const struct agent *a, const struct board *x, const struct board *y)
{
	/* strings of a view are deduplicated */
	return board_view(a, x)->object == board_view(a, y)->object;
}

struct board *board_of_object(struct agent *a, struct board *b)
{
	while (b > a->boards && board_same_object(a, b, b - 1))
		b--;
	return b;
}

int board_open_folder(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

const char *board_base_path(const struct agent *a, const struct base *base)
{
	return view_str(a->view, a->view->bases[base - a->bases].path);
}

bool board_base_check(struct agent *a, struct base *base)
{
	struct file_info info;

	return base->fd >= 0 && file_info_at(AT_FDCWD, board_base_path(a, base), &info) == 0 &&
	       file_id_equal(&info.id, &base->id);
}

int board_open(struct agent *a, struct board *b)
{
	struct base *base = board_base(a, b);
	struct file_info info;
	int r;

	if (!board_base_check(a, base))
		return -ESTALE;
	_cleanup_close_ int fd = board_open_folder(base->fd, board_object(a, b));
	if (fd < 0)
		return fd;
	r = file_info_at(fd, "", &info);
	if (r < 0)
		return r;
	if (!file_id_equal(&info.id, &b->dir))
		return -ESTALE;
	return steal_fd(&fd);
}

void board_base_close(struct base *base)
{
	close_fd(base->fd);
	close_fd(base->staging_fd);
	free(base->real);
	base->real = NULL;
	base->fd = base->staging_fd = -1;
}

int board_open_staging(int base)
{
	_cleanup_close_ int custody = /* which we may not read */
		openat(base, EXEC_CUSTODY, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return custody < 0 ? -errno : board_open_folder(custody, EXEC_STAGING);
}

/* In custody first: there it is only until its run is over. */
bool board_has_taken(const struct base *base, const struct token *t, struct file_info *ret)
{
	char hex[TOKEN_HEX + 1], name[sizeof(EXEC_CUSTODY "/") + TOKEN_HEX];

	if (base->staging_fd < 0)
		return false;
	snprintf(name, sizeof(name), EXEC_CUSTODY "/%s", token_hex(t, hex));
	return file_info_at(base->fd, name, ret) == 0 ||
	       file_info_at(base->staging_fd, hex, ret) == 0;
}

void board_base_open(struct agent *a, struct base *base, const char *path)
{
	char real[PATH_MAX];
	struct file_info info;
	bool deleted;

	board_base_close(base);
	base->lost = true;
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	base->within |= fd < 0;
	if (fd < 0 || file_info_at(fd, "", &info) < 0 ||
		fd_path(fd, info.nlink, real, sizeof(real), &deleted) < 0) {
		log_error("%s: %s", path, strerror(errno));
		return;
	}
	_cleanup_close_ int staging = board_open_staging(fd);
	if (staging == -EACCES && base->within)
		walls_outgrown(a, base);
	base->within |= staging != -EACCES;
	if (staging < 0) {
		log_error("%s/%s: %s", path, STAGING, strerror(-staging));
		return;
	}
	base->real = strdup(real);
	if (!base->real)
		log_fatal(71, "out of memory");
	base->id = info.id;
	base->fd = steal_fd(&fd);
	base->staging_fd = steal_fd(&staging);
	base->lost = base->unstaged = false;
}

void board_look_at(struct agent *a, struct board *b, unsigned look)
{
	uint32_t i = (uint32_t)(b - a->boards);

	if (!b->look) {
		b->next_look = VIEW_NONE;
		if (a->looks == VIEW_NONE)
			a->looks = i;
		else
			a->boards[a->looks_tail].next_look = i;
		a->looks_tail = i;
	}
	b->look |= (uint8_t)look;
}

void board_look_everywhere(struct agent *a)
{
	board_look_at_bases(a, false);
	for (size_t i = 0; i < a->n_boards; i++)
		board_look_at(a, &a->boards[i], LOOK_ALL);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct agent *a = userdata;
	uint64_t now = now_boottime(), next = USEC_INFINITY;

	(void)s;
	(void)usec;
	agent_timer_off(&a->retry_timer);
	for (size_t i = 0; i < a->n_boards; i++) {
		struct board *b = &a->boards[i];
		if (!b->look_due)
			continue;
		if (b->look_due <= now) {
			b->look_due = 0;
			board_look_at(a, b, LOOK_ALL);
		} else if (b->look_due < next) {
			next = b->look_due;
		}
	}
	a->retry_at = next;
	agent_timer(a, &a->retry_timer, next, on_retry, a);
	board_looks(a);
	return 0;
}

void board_look_later(struct agent *a, struct board *b, uint64_t delay)
{
	uint64_t due = now_boottime() + delay;

	if (!b->look_due || due < b->look_due)
		b->look_due = due;
	if (!a->retry_timer || due < a->retry_at) {
		a->retry_at = due;
		agent_timer(a, &a->retry_timer, due, on_retry, a);
	}
}

void board_look_soon(struct agent *a, struct board *b)
{
	board_look_later(a, b, EDITOR_PATIENCE + 20 * 1000);
}

/* A rename in place is put back, once an editor that saves by renaming has had its time. */
static void put_back_renamed(struct agent *a, struct board *b, struct flag *f, int dirfd,
	const char *name, const char *published)
{
	struct live *l = press_live(a, f);
	uint64_t now = now_boottime();
	struct file_info info;

	if (!l->away_at)
		l->away_at = now;
	if (now < l->away_at + EDITOR_PATIENCE) {
		board_look_soon(a, b);
		return;
	}
	l->away_at = 0;
	if (file_info_at(dirfd, name, &info) == 0 && file_id_equal(&info.id, &f->id) &&
		renameat2(dirfd, name, dirfd, published, RENAME_NOREPLACE) == 0) {
		log_info("%s: %s was renamed to %s: put back", board_object(a, b), published, name);
		flag_mark(a, f, DIRTY_NAME);
		return;
	}
	flag_gone(a, f);
}

/* Another inode bears the flag's name: an editor saved by renaming. */
static void look_replaced(
	struct agent *a, struct board *b, struct flag *f, int dirfd, const char *published)
{
	log_info("%s: %s was replaced by another file: put right", board_object(a, b), published);
	int r = flag_put_aside(dirfd, published, f->fd);
	if (r < 0)
		log_warning("%s: %s stands in a flag's place: %s", board_object(a, b), published,
			strerror(-r));
	if (f->live)
		f->live->away_at = 0;
	flag_gone(a, f);
}

static struct flag *flag_of_inode(struct agent *a, struct board *b, const struct file_id *id)
{
	const struct view_board *v = board_view(a, b);

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (f->place == PLACE_PUBLISHED && file_id_equal(&f->id, id))
			return f;
	}
	return NULL;
}

/* Flags changed places.  Back to staging with both; each is shown again where it belongs. */
static void look_swapped(struct agent *a, struct board *b, struct flag *f, struct flag *other,
	int dirfd, const char *published)
{
	char name[FLAG_NAME_MAX] = "";

	log_info("%s: %s is another flag: both are put back", board_object(a, b), published);
	flag_unhinge(a, other, dirfd, published);
	if (board_where(a, b, f, dirfd, published, name) == WHERE_RENAMED)
		flag_unhinge(a, f, dirfd, name);
	else
		flag_gone(a, f); /* the other was renamed over it: not a press */
}

static void look_flag(struct agent *a, struct board *b, struct flag *f, int dirfd)
{
	char published[FLAG_NAME_MAX], name[FLAG_NAME_MAX] = "";
	struct file_info info;
	struct flag *other;
	int r;

	flag_shown_name(a, f, published);
	r = file_info_at(dirfd, published, &info);
	if (r == 0 && file_id_equal(&info.id, &f->id)) {
		if (f->live)
			f->live->away_at = 0;
		return;
	}
	if (r == 0) {
		other = flag_of_inode(a, b, &info.id);
		if (other)
			look_swapped(a, b, f, other, dirfd, published);
		else
			look_replaced(a, b, f, dirfd, published);
		return;
	}
	if (r != -ENOENT) {
		log_warning("%s: %s: %s", board_object(a, b), published, strerror(-r));
		return;
	}
	switch (board_where(a, b, f, dirfd, published, name)) {
	case WHERE_PRESSED:
		if (b->recheck)
			flag_gone(a, f);
		else
			press_deleted(a, f, published);
		break;
	case WHERE_RUN:
		board_look_at(a, b, LOOK_RUN);
		break;
	case WHERE_RENAMED:
		put_back_renamed(a, b, f, dirfd, name, published);
		break;
	case WHERE_BACK:
		log_info("%s: %s was moved away or saved by an editor: it comes back",
			board_object(a, b), published);
		flag_gone(a, f);
		break;
	}
}

/* Within the hold a file came back under the name that was pressed: it was an editor. */
static void look_reappeared(struct agent *a, struct board *b, struct flag *f, int dirfd)
{
	struct live *l = f->live;
	struct file_info info;

	if (file_info_at(dirfd, l->pressed_name, &info) < 0 || file_id_equal(&info.id, &f->id))
		return;
	int r = flag_put_aside(dirfd, l->pressed_name, l->pressed_fd);
	if (r < 0)
		log_warning("%s: %s: %s", board_object(a, b), l->pressed_name, strerror(-r));
	press_call_off(a, l, "Its file was saved by an editor: that is not a press.");
}

void board_look_directory(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);
	struct file_info info;

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (f->place == PLACE_PUBLISHED)
			look_flag(a, b, f, dirfd);
		if (f->state == STATE_STARTING && f->live && f->live->pressed_name)
			look_reappeared(a, b, f, dirfd);
	}
	if (!b->status_owning &&
		(!b->status_id.ino || file_info_at(dirfd, NAME_STATUS, &info) < 0 ||
			!file_id_equal(&info.id, &b->status_id))) {
		if (b->status_id.ino)
			press_mass(a, b, "Status.txt");
		b->status_id.ino = 0;
		board_status_dirty(a, b);
	}
}

/* Takes what lies in Run and is a flag, or a copy of one, of this board. */
static void look_run_entry(struct agent *a, struct board *b, int run_fd, const char *entry)
{
	static struct log_limit odd;
	const struct view_board *v = board_view(a, b);
	char action[FLAG_NAME_MAX];
	struct file_info info;

	if (file_info_at(run_fd, entry, &info) < 0)
		return;
	if (!S_ISREG(info.mode)) {
		log_limited(&odd, "%s: %s in its Run folder is not a file: it presses nothing",
			board_object(a, b), entry);
		return;
	}
	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (f->place == PLACE_PUBLISHED && file_id_equal(&info.id, &f->id)) {
			press_moved(a, f, run_fd, entry, &info, true);
			return;
		}
	}
	if (name_is_litter(entry) || !name_parse(entry, action, sizeof(action)))
		return;
	if (info.nlink != 1) { /* its owner has not put it there, perhaps */
		log_limited(&odd, "%s: %s in its Run folder is a hard link: it presses nothing",
			board_object(a, b), entry);
		return;
	}
	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (name_equal(action, flag_action_name(a, f))) {
			press_moved(a, f, run_fd, entry, &info, false);
			return;
		}
	}
}

/* False: there should be a Run folder, and there is none. */
static bool look_run(struct agent *a, struct board *b, int dirfd)
{
	const char *name = view_str(a->view, board_view(a, b)->run_folder);

	if (!name)
		return true;
	int fd = board_open_folder(dirfd, name);
	_cleanup_dir_ DIR *d = dir_of(fd);
	if (!d)
		return false;
	for (const struct dirent *e; (e = dir_next(d));)
		look_run_entry(a, b, fd, e->d_name);
	return true;
}

/* Descriptors of a mount that was undone don't tell any more where a flag went. */
static void reopen_flags(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);
	char name[FLAG_NAME_MAX];
	struct file_info info;

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		_cleanup_close_ int fd = -1;

		if (f->place != PLACE_PUBLISHED || f->fd < 0)
			continue;
		fd = openat(dirfd, flag_shown_name(a, f, name), O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || file_info_at(fd, "", &info) < 0 || !file_id_equal(&info.id, &f->id))
			continue;
		close_fd(f->fd);
		f->fd = steal_fd(&fd);
		f->fd_write = false;
	}
}

static void board_look(struct agent *a, struct board *b, unsigned look)
{
	if (b->released)
		return;
	/* Never seen yet; or on a file system that was gone: our descriptors are of the mount that
	 * was, and what they say of a file's name is not to be believed. */
	if (!b->dir.ino || board_base(a, b)->lost) {
		board_mend(a, b);
		return;
	}
	_cleanup_close_ int fd = board_open(a, b);
	if (fd < 0) {
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
			board_look_soon(a, b);
		else
			board_lost(a, b, fd);
		return;
	}
	if (!b->usable) { /* it is back by itself: remounted, renamed back */
		b->usable = true;
		b->recheck = true;
		b->unwatched = true;
		watch_change(a);
	}
	if (board_base(a, b)->unstaged)
		board_mend(a, b);
	if (b->recheck)
		reopen_flags(a, b, fd);
	if (look & LOOK_DIRECTORY)
		board_look_directory(a, b, fd);
	bool whole = !((look | b->look) & LOOK_RUN) || look_run(a, b, fd);
	if ((look & LOOK_DROPS) && b->custody && custody_look(a, b, fd) < 0)
		whole = false;
	if (!whole &&
		!b->folders_gone) { /* just now, and not again at each look until it is mended */
		press_mass(a, b, "a folder");
		b->folders_gone = true;
	}
	if (b->folders_gone)
		board_mend_folders(a, b, fd);
	if (b->recheck) {
		b->recheck = false;
		board_restore(a, b, fd);
	}
}

void board_looks(struct agent *a)
{
	while (a->looks != VIEW_NONE) {
		struct board *b = &a->boards[a->looks];
		unsigned look = b->look;

		a->looks = b->next_look;
		board_look(a, b, look);
		b->look = 0;
	}
}
