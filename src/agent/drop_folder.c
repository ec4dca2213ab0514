/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/drop_folder.h"

#include "agent/board.h"
#include "agent/flag.h"
#include "common/dir.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EMPTY_LOOK     USEC_PER_SEC
#define EMPTY_PATIENCE (60 * USEC_PER_SEC)
#define CANDIDATES_MAX 1000 /* more files than that wait until others are gone */

void candidates_done(struct candidates *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->list[i].name);
	free(c->list);
	*c = (struct candidates){0};
}

bool candidates_unsettled(
	const struct candidates *c, uint64_t settle, uint64_t now, uint64_t *ret_due)
{
	uint64_t due = UINT64_MAX, empty = UINT64_MAX;

	/* an upload begins empty, and nothing is heard of it before it is closed: look now and
	 * then, but not for ever at a file that stays empty */
	for (size_t i = 0; i < c->n; i++)
		if (!c->list[i].size && now < c->list[i].changed + EMPTY_PATIENCE)
			empty = now + (settle < EMPTY_LOOK ? settle : EMPTY_LOOK);
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].size && c->list[i].changed + settle > now &&
			c->list[i].changed + settle < due)
			due = c->list[i].changed + settle;
	*ret_due = due < empty ? due : empty;
	return due != UINT64_MAX;
}

struct candidate *candidates_oldest(struct candidates *c, uint64_t settle, uint64_t now)
{
	struct candidate *oldest = NULL;

	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].size && c->list[i].changed + settle <= now &&
			(!oldest || c->list[i].mtime_ns < oldest->mtime_ns))
			oldest = &c->list[i];
	return oldest;
}

static struct candidate *candidate_of(struct candidates *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->list[i].name, name) == 0)
			return &c->list[i];
	return NULL;
}

static void candidate_update(
	struct candidates *c, const char *name, const struct file_info *info, uint64_t now)
{
	struct candidate *k = candidate_of(c, name);

	if (!k) {
		if (c->n == CANDIDATES_MAX)
			return;
		struct candidate *grown = realloc(c->list, (c->n + 1) * sizeof(*grown));
		char *copy = strdup(name);
		if (!grown || !copy)
			log_fatal(71, "out of memory");
		c->list = grown;
		k = &c->list[c->n++];
		*k = (struct candidate){.name = copy, .changed = now};
	}
	if (!file_id_equal(&k->id, &info->id) || k->size != info->size ||
		k->mtime_ns != info->mtime_ns)
		k->changed = now;
	k->id = info->id;
	k->size = info->size;
	k->mtime_ns = info->mtime_ns;
	k->seen = true;
}

static void forget_unseen(struct candidates *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i].seen) {
			c->list[i].seen = false;
			c->list[kept++] = c->list[i];
		} else {
			free(c->list[i].name);
		}
	}
	c->n = kept;
}

static bool accepted(const struct agent *a, const struct view_drop *v, const char *name)
{
	for (const char *p = view_str(a->view, v->accept); p && *p; p = view_next(p))
		if (name_matches(p, name))
			return true;
	return false;
}

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n > k && strcmp(name + n - k, end) == 0;
}

static bool is_note(const char *name)
{
	return ends_in(name, NOT_ACCEPTED);
}

/* Written by us, or by somebody to whom the configuration gives what we write. */
static bool is_of(uid_t file_uid, int folder, const char *name)
{
	struct file_info info;

	return file_info_at(folder, name, &info) == 0 && S_ISREG(info.mode) &&
	       (info.uid == file_uid || info.uid == getuid());
}

static bool is_ours(const struct agent *a, const struct board *b, int folder, const char *name)
{
	return is_of(board_view(a, b)->file_uid, folder, name);
}

void drop_folder_leave(int folder, uid_t file_uid)
{
	_cleanup_dir_ DIR *d = dir_open(folder, ".");

	for (const struct dirent *e; (e = dir_next(d));)
		if (is_note(e->d_name) && is_of(file_uid, folder, e->d_name))
			(void)unlinkat(folder, e->d_name, 0);
}

/* Its file is gone: so is the note, if it is one of ours. */
static void clear_note(const struct agent *a, const struct board *b, int folder, const char *note)
{
	char name[NAME_MAX + 1];
	struct file_info info;
	size_t n = strlen(note) - strlen(NOT_ACCEPTED);

	memcpy(name, note, n);
	name[n] = '\0';
	if (file_info_at(folder, name, &info) == -ENOENT && is_ours(a, b, folder, note))
		(void)unlinkat(folder, note, 0);
}

/* TEXT becomes NAME in the drop folder, by way of staging and the executor. */
static int say_beside(struct agent *a, struct board *b, const struct view_drop *v, const char *name,
	const struct buf *text)
{
	char staged[TOKEN_HEX + 8], hex[TOKEN_HEX + 1];
	struct token t = token_new();
	int staging = board_base(a, b)->staging_fd, r;

	snprintf(staged, sizeof(staged), "file-%s", token_hex(&t, hex));
	_cleanup_close_ int fd =
		openat(staging, staged, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text->data, text->len);
	if (r == 0)
		r = flag_own_file(a, b, fd, OWN_FILE, (uint32_t)(b - a->boards), staged,
			view_str(a->view, v->folder), name);
	if (r < 0)
		(void)unlinkat(staging, staged, 0);
	return r;
}

void drop_folder_say_result(struct agent *a, struct board *b, const struct view_drop *v,
	const char *name, const struct buf *text)
{
	_cleanup_close_ int dirfd = board_open(a, b);
	_cleanup_close_ int folder =
		dirfd < 0 ? dirfd : board_open_folder(dirfd, view_str(a->view, v->folder));
	char to[NAME_MAX + 1];
	size_t n = strlen(name), most = NAME_MAX - strlen(RESULT);

	for (n = n < most ? n : most; n > 0 && n < strlen(name) && (name[n] & 0xc0) == 0x80;)
		n--; /* whole characters */
	snprintf(to, sizeof(to), "%.*s" RESULT, (int)n, name);
	if (folder >= 0 && is_ours(a, b, folder, to))
		(void)unlinkat(folder, to, 0);
	int r = folder < 0 ? folder : say_beside(a, b, v, to, text);
	if (r < 0)
		log_warning("%s: %s can't be written: %s", board_object(a, b), to, strerror(-r));
}

static void say_not_accepted(struct agent *a, struct board *b, const struct view_drop *v,
	int folder, const char *name, const char *why)
{
	char note[NAME_MAX + 1];
	struct file_info info;
	static struct log_limit long_names;
	_cleanup_(buf_done) struct buf text = BUF_INIT(8192);

	if (snprintf(note, sizeof(note), "%s%s", name, NOT_ACCEPTED) >= (int)sizeof(note)) {
		/* no name for a note is left */
		log_limited(
			&long_names, "%s: %s is not accepted: %s", board_object(a, b), name, why);
		return;
	}
	if (file_info_at(folder, note, &info) == 0)
		return;
	if (a->own_n >= a->own_window) {
		board_look_soon(a, b);
		return;
	}
	buf_adds(&text, "Not accepted: ");
	text_printable(&text, name, strlen(name));
	buf_addf(&text,
		"\r\n\r\n%s\r\nIt was left where it is. Delete it, and this note goes too.\r\n",
		why);
	if (say_beside(a, b, v, note, &text) == 0)
		log_info("%s: %s is not accepted: %s", board_object(a, b), name, why);
}

static void accept_words(const struct agent *a, const struct view_drop *v, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (const char *p = view_str(a->view, v->accept); p && *p && n < size; p = view_next(p))
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", p);
}

/* Why NAME may not be a payload (to WHY), or false. */
static bool refused(const struct agent *a, const struct view_drop *v, const char *name,
	const struct file_info *info, uint64_t total, char *why, size_t size)
{
	char words[64], patterns[256];

	if (!S_ISREG(info->mode)) {
		snprintf(why, size, "It is not an ordinary file.");
	} else if (info->nlink != 1) {
		snprintf(why, size,
			"It has another name elsewhere (a hard link): copy it here instead.");
	} else if (!accepted(a, v, name)) {
		accept_words(a, v, patterns, sizeof(patterns));
		snprintf(why, size, "This folder takes %s.", patterns);
	} else if (info->size > v->max_size) {
		snprintf(why, size, "It is too large: at most %s are taken here.",
			text_size(words, sizeof(words), v->max_size));
	} else if (total > v->max_total) {
		snprintf(why, size, "With it the folder holds too much: at most %s at a time.",
			text_size(words, sizeof(words), v->max_total));
	} else {
		return false;
	}
	return true;
}

static bool is_flagmans_or_nobodys(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, RETURNED) == 0 ||
	       is_note(name) || name_is_litter(name) || name_is_partial(name);
}

/* People have results too. */
static bool is_result(const struct agent *a, const struct board *b, int folder, const char *name)
{
	return ends_in(name, RESULT) && is_ours(a, b, folder, name);
}

struct scan {
	struct board *board;
	const struct view_drop *v;
	struct candidates *candidates;
	int folder;
	uint64_t now, total;
};

static void scan_file(struct agent *a, struct scan *s, const char *name)
{
	struct file_info info;
	char why[512];

	if (file_info_at(s->folder, name, &info) < 0)
		return;
	if (refused(a, s->v, name, &info, s->total + info.size, why, sizeof(why))) {
		say_not_accepted(a, s->board, s->v, s->folder, name, why);
		return;
	}
	s->total += info.size; /* what is refused is in nobody's way */
	candidate_update(s->candidates, name, &info, s->now);
}

/* Those that were there at the last look come first: max-total is not for readdir(3) to deal out,
 * and an upload that is being received is not refused for one that came later. */
void drop_folder_scan(struct agent *a, struct board *b, const struct view_drop *v, int folder,
	struct candidates *c, uint64_t now)
{
	_cleanup_dir_ DIR *d = dir_open(folder, ".");
	struct scan s = {.board = b, .v = v, .candidates = c, .folder = folder, .now = now};
	size_t known = c->n;

	if (!d)
		return;
	for (size_t i = 0; i < known; i++)
		scan_file(a, &s, c->list[i].name);
	for (const struct dirent *e; (e = dir_next(d));) {
		const char *name = e->d_name;
		const struct candidate *k;
		if (is_note(name))
			clear_note(a, b, folder, name);
		if (is_flagmans_or_nobodys(name) || is_result(a, b, folder, name))
			continue;
		k = candidate_of(c, name);
		if (!k || (size_t)(k - c->list) >= known)
			scan_file(a, &s, name);
	}
	forget_unseen(c);
}

int drop_folder_return(gid_t gid, int staging, const struct token *t, int folder, const char *name)
{
	char hex[TOKEN_HEX + 1], to[NAME_MAX + 1];
	const char *dot = strrchr(name, '.');
	int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);

	bool made = mkdirat(folder, RETURNED, 0700) == 0;
	if (!made && errno != EEXIST)
		return -errno;
	_cleanup_close_ int dir = board_open_folder(folder, RETURNED);
	if (dir < 0)
		return dir;
	if (made && (fchown(dir, (uid_t)-1, gid) < 0 || fchmod(dir, 0770) < 0))
		return -errno;
	_cleanup_close_ int fd = openat(staging, token_hex(t, hex),
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* readable for those who dropped it, before it is shown */
	if (fchown(fd, (uid_t)-1, gid) < 0 || fchmod(fd, 0660) < 0)
		return -errno;
	snprintf(to, sizeof(to), "%s", name);
	for (unsigned i = 2; i < 1000; i++) {
		if (renameat2(staging, hex, dir, to, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		if (snprintf(to, sizeof(to), "%.*s (%u)%s", stem, name, i, name + stem) >=
			(int)sizeof(to))
			return -ENAMETOOLONG;
	}
	return -EEXIST;
}
