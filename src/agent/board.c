/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/board.h"

#include "agent/custody.h"
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

#define MEND_AT_MOST    (60 * USEC_PER_SEC)
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

bool board_base_check(struct agent *a, struct base *base)
{
	const char *path = view_str(a->view, a->view->bases[base - a->bases].path);
	struct file_info info;

	return base->fd >= 0 && file_info_at(AT_FDCWD, path, &info) == 0 &&
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

void board_base_open(struct agent *a, struct base *base, const char *path)
{
	char real[PATH_MAX];
	struct file_info info;
	bool deleted;

	(void)a;
	board_base_close(base);
	base->lost = true;
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || file_info_at(fd, "", &info) < 0 ||
		fd_path(fd, info.nlink, real, sizeof(real), &deleted) < 0) {
		log_error("%s: %s", path, strerror(errno));
		return;
	}
	_cleanup_close_ int staging = board_open_folder(fd, STAGING);
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
	base->lost = false;
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

/* Where a flag's file went. */
enum where {
	WHERE_PRESSED, /* unlinked under its own name, or in a trash folder */
	WHERE_RUN,     /* in the Run folder */
	WHERE_RENAMED, /* in the same directory, under NAME */
	WHERE_BACK,    /* anywhere else: it was not a press */
};

static bool is_trash(const struct agent *a, const struct board *b, const char *path)
{
	char part[NAME_MAX + 1];

	while (*path) {
		size_t n = strcspn(path, "/");
		if (n && n < sizeof(part)) {
			memcpy(part, path, n);
			part[n] = '\0';
			for (const char *t = view_str(a->view, board_view(a, b)->trash); t && *t;
				t = view_next(t))
				if (name_matches(t, part))
					return true;
		}
		path += n + (path[n] == '/');
	}
	return false;
}

/* Without a descriptor: a missing flag is a press unless its inode is found near. */
static enum where where_by_inode(struct flag *f, int dirfd, char *name)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	enum where w = WHERE_PRESSED;
	struct file_info info;

	if (!d) {
		close_fd(copy);
		return WHERE_BACK;
	}
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_ino == f->id.ino && file_info_at(dirfd, e->d_name, &info) == 0 &&
			file_id_equal(&info.id, &f->id)) {
			snprintf(name, FLAG_NAME_MAX, "%s", e->d_name);
			w = strncmp(name, ".nfs", 4) == 0 ? WHERE_PRESSED : WHERE_RENAMED;
		}
	}
	closedir(d);
	return w;
}

static enum where where_is(struct agent *a, struct board *b, struct flag *f, int dirfd,
	const char *published, char *name)
{
	char path[PATH_MAX], dir[PATH_MAX];
	struct file_info info;
	bool deleted;

	if (f->fd < 0)
		return where_by_inode(f, dirfd, name);
	if (fd_path(f->fd, 0, path, sizeof(path), &deleted) < 0)
		return WHERE_BACK;
	char *slash = strrchr(path, '/');
	if (!slash)
		return WHERE_BACK;
	if (deleted) {
		/* a file that is really called "... (deleted)" */
		char literal[FLAG_NAME_MAX + 16];
		snprintf(literal, sizeof(literal), "%s (deleted)", slash + 1);
		if (file_info_at(dirfd, literal, &info) == 0 && file_id_equal(&info.id, &f->id)) {
			snprintf(name, FLAG_NAME_MAX, "%.*s", FLAG_NAME_MAX - 1, literal);
			return WHERE_RENAMED;
		}
	}
	snprintf(name, FLAG_NAME_MAX, "%s", slash + 1);
	*slash = '\0';
	snprintf(dir, sizeof(dir), "%s/%s", board_base(a, b)->real, board_object(a, b));
	size_t len = strlen(dir);
	if (strcmp(path, dir) == 0) {
		if (strncmp(name, ".nfs", 4) == 0)
			return WHERE_PRESSED;
		if (!deleted)
			return WHERE_RENAMED;
		return strcmp(name, published) == 0 ? WHERE_PRESSED : WHERE_BACK;
	}
	const char *run = view_str(a->view, board_view(a, b)->run_folder);
	if (run && !deleted && strncmp(path, dir, len) == 0 && path[len] == '/' &&
		strcmp(path + len + 1, run) == 0)
		return WHERE_RUN;
	return is_trash(a, b, path) ? WHERE_PRESSED : WHERE_BACK;
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

static void look_flag(struct agent *a, struct board *b, struct flag *f, int dirfd)
{
	char published[FLAG_NAME_MAX], name[FLAG_NAME_MAX] = "";
	struct file_info info;
	int r;

	flag_shown_name(a, f, published);
	r = file_info_at(dirfd, published, &info);
	if (r == 0 && file_id_equal(&info.id, &f->id)) {
		if (f->live)
			f->live->away_at = 0;
		return;
	}
	if (r == 0) {
		look_replaced(a, b, f, dirfd, published);
		return;
	}
	if (r != -ENOENT) {
		log_warning("%s: %s: %s", board_object(a, b), published, strerror(-r));
		return;
	}
	switch (where_is(a, b, f, dirfd, published, name)) {
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

static void look_directory(struct agent *a, struct board *b, int dirfd)
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
	const struct view_board *v = board_view(a, b);
	char action[FLAG_NAME_MAX];
	struct file_info info;

	if (file_info_at(run_fd, entry, &info) < 0 || !S_ISREG(info.mode))
		return;
	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (f->place == PLACE_PUBLISHED && file_id_equal(&info.id, &f->id)) {
			press_moved(a, f, run_fd, entry, &info, true);
			return;
		}
	}
	if (name_is_litter(entry) || !name_parse(entry, action, sizeof(action)))
		return;
	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (name_equal(action, flag_action_name(a, f))) {
			press_moved(a, f, run_fd, entry, &info, false);
			return;
		}
	}
}

static void look_run(struct agent *a, struct board *b, int dirfd)
{
	const char *name = view_str(a->view, board_view(a, b)->run_folder);

	if (!name)
		return;
	int fd = board_open_folder(dirfd, name);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		close_fd(fd);
		b->folders_gone = true;
		return;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			look_run_entry(a, b, fd, e->d_name);
	closedir(d);
}

static void mend(struct agent *a, struct board *b)
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
	char path[PATH_MAX];

	if (b->usable) {
		log_warning("%s: its directory is gone or another (%s): nothing is pressed there",
			board_path(a, b, path, sizeof(path)), strerror(-error));
		press_call_off_board(a, b, "Its directory was removed or replaced.");
	}
	b->usable = false;
	b->recheck = true;
	if (!board_base_check(a, board_base(a, b)))
		board_base(a, b)->lost = true;
	mend(a, b);
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
	for (size_t i = 0; a->started && i < a->n_boards; i++) {
		struct board *b = &a->boards[i];
		if (b->usable != board_base_check(a, board_base(a, b)))
			board_look_at(a, b, LOOK_ALL);
	}
	board_looks(a);
	return 0;
}

void board_watch_mounts(struct agent *a)
{
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : sd_event_add_io(a->event, NULL, fd, EPOLLPRI, on_mounts, a);

	/* kept open for as long as the agent lives */
	if (r < 0)
		log_warning("mounts are not watched: %s", strerror(-r));
}

void board_restore(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);

	b->recheck = true;
	look_directory(a, b, dirfd);
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
	if (base->lost)
		board_base_open(
			a, base, view_str(a->view, a->view->bases[board_view(a, b)->base].path));
	if (base->lost || file_info_at(base->fd, board_object(a, b), &info) < 0) {
		mend_later(a, b);
		return;
	}
	b->mend_wait = 0;
	b->unwatched = true; /* a new directory has no watch yet */
	b->folders_gone = false;
	if (!b->usable || !file_id_equal(&b->dir, &info.id)) {
		log_info("%s: is back", path);
		b->dir = info.id;
		b->usable = true;
		b->recheck = true;
		b->status_id.ino = 0;
		if (store_begin(a->store) == 0)
			(void)store_put_directory(a->store, path, &b->dir);
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
}

/* Something else stands in a folder's place: a symlink would lead the executor's eye elsewhere. */
static void put_aside_folder(int dirfd, const char *name)
{
	struct file_info info;

	if (name && file_info_at(dirfd, name, &info) == 0 && !S_ISDIR(info.mode))
		(void)flag_put_aside(dirfd, name, -1);
}

static void mend_folders(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);

	put_aside_folder(dirfd, view_str(a->view, v->run_folder));
	for (uint32_t i = 0; i < v->n_actions; i++) {
		uint32_t drop = a->view->actions[v->first_action + i].drop;
		if (drop != VIEW_NONE)
			put_aside_folder(dirfd, view_str(a->view, a->view->drops[drop].folder));
	}
	press_mass(a, b, "a folder");
	mend(a, b);
}

static void board_look(struct agent *a, struct board *b, unsigned look)
{
	if (b->released)
		return;
	if (!b->dir.ino) { /* never seen yet */
		mend(a, b);
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
	if (look & LOOK_DIRECTORY)
		look_directory(a, b, fd);
	if ((look | b->look) & LOOK_RUN)
		look_run(a, b, fd);
	if ((look & LOOK_DROPS) && b->custody && custody_look(a, b, fd) < 0)
		b->folders_gone = true;
	if (b->folders_gone)
		mend_folders(a, b, fd);
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
