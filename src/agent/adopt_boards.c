/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The boards at start: what is present, staged, taken or absent, and what follows. */
#include "agent/adopt.h"
#include "agent/adopt_facts.h"
#include "agent/board.h"
#include "agent/custody.h"
#include "agent/find.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/press_rules.h"
#include "agent/runs.h"
#include "common/log.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- the boards --- */

/* Does it say that it is the flag of that action?  A copy that somebody made does too. */
static bool says_it_is(
	struct agent *a, struct board *b, struct flag *f, int dirfd, const char *name)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[2048], title[2 * FLAG_NAME_MAX + 8];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	snprintf(
		title, sizeof(title), "\r\n%s: %s\r\n", board_object(a, b), flag_action_name(a, f));
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
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct file_info info;

	if (!d)
		close_fd(fd);
	for (struct dirent *e; d && (e = readdir(d));) {
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
			}
		}
		if (!known && is_stray(a, b, dirfd, e->d_name, &info) &&
			unlinkat(dirfd, e->d_name, 0) == 0)
			log_info("%s: %s was of an earlier life: removed", board_object(a, b),
				e->d_name);
	}
	if (d)
		closedir(d);
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

static void find_present(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);
	struct row *rows = &a->adoption->rows[v->first_action];
	char name[FLAG_NAME_MAX];
	struct file_info info;
	bool missing = false;

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		missing |= !rows[i].known;
		if (!rows[i].known)
			continue;
		if (!rows[i].same_boot) /* device numbers change from boot to boot */
			rows[i].id.dev = b->dir.dev;
		flag_name(a, f, rows[i].state, STEP_NONE, name);
		if (file_info_at(dirfd, name, &info) == 0 && file_id_equal(&info.id, &rows[i].id))
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
		else if (staging >= 0 && file_info_at(staging, hex, &info) == 0) {
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
	DIR *d = fd < 0 || file_info_at(fd, "", &folder) < 0 ? NULL : fdopendir(fd);

	if (!d) {
		close_fd(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(d));) {
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
	closedir(d);
}

static void apply_keep(struct agent *a, struct flag *f, struct row *row, int dirfd)
{
	char name[FLAG_NAME_MAX], want[FLAG_NAME_MAX];
	enum state s = row->state;

	f->token = row->token;
	f->id = row->id;
	f->place = PLACE_PUBLISHED;
	f->owned = true;
	f->shown_state = row->state;
	f->shown_step = STEP_NONE;
	flag_name(a, f, s, STEP_NONE, name);
	if (row->shown && strcmp(row->shown, name) != 0) {
		/* renamed, blocked, or at some per cent when all ended */
		if (renameat2(dirfd, row->shown, dirfd, name, RENAME_NOREPLACE) < 0) {
			(void)unlinkat(dirfd, row->shown, 0);
			f->place = PLACE_NONE;
		}
	}
	if (f->place == PLACE_PUBLISHED && a->n_fds < a->fd_budget) {
		f->fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		a->n_fds += f->fd >= 0;
	}
	if (row->resolved) {
		flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
		return;
	}
	if (s == STATE_STARTING || s == STATE_WAITING || s == STATE_RUNNING || s == STATE_CONFIRM ||
		s == STATE_RECEIVING)
		s = STATE_READY;
	f->state = (uint8_t)s;
	f->since = row->since;
	f->run = row->run;
	if (row->note)
		press_note(a, f, "%s", row->note);
	f->dirty &= (uint8_t) ~(DIRTY_ROW | DIRTY_CONTENT);
	press_arm(a, f);
	if (strcmp(flag_name(a, f, flag_display(a, f, NULL), STEP_NONE, want), name) != 0 ||
		f->place == PLACE_NONE)
		flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
}

/* As look_replaced() does it.  Under the name that the fresh flag takes, flag_flush() puts right
 * what stands there: it can tell a copy. */
static void put_right(struct agent *a, struct flag *f, const struct row *row, int dirfd)
{
	const struct view_board *v = board_view(a, flag_board(a, f));
	const char *object = board_object(a, flag_board(a, f));
	char next[FLAG_NAME_MAX];
	struct file_info info;

	log_info("%s: %s was replaced by another file: put right", object, row->replaced);
	flag_name(a, f, flag_display(a, f, NULL), STEP_NONE, next);
	if (strcmp(next, row->replaced) == 0 || file_info_at(dirfd, row->replaced, &info) < 0)
		return;
	for (uint32_t i = 0; i < v->n_actions; i++)
		if (file_id_equal(&info.id, &a->adoption->rows[v->first_action + i].id))
			return; /* another flag, which goes back to its own place */
	int r = flag_put_aside(dirfd, row->replaced, -1);
	if (r < 0)
		log_warning(
			"%s: %s stands in a flag's place: %s", object, row->replaced, strerror(-r));
}

bool adopt_is_trigger(const struct agent *a, const struct flag *f, enum found found)
{
	unsigned bit = TRIGGER_BIT(found == FOUND_TAKEN ? TRIGGER_MOVE : TRIGGER_DELETE);

	return (flag_press(a, f)->triggers & bit) != 0;
}

/* Its action wants two presses, and nobody had been asked for the second. */
static bool is_first(const struct agent *a, const struct flag *f, const struct row *row)
{
	const struct view_press *p = flag_press(a, f);

	return p->confirm &&
	       !(row->state == STATE_CONFIRM && press_confirms(p, row->since, row->pressed));
}

/* What was taken to staging for a flag is let go: it is pressed, or put back.  A payload stays. */
static void drop_taken(struct agent *a, struct flag *f, const struct row *row)
{
	char hex[TOKEN_HEX + 1];

	if (row->found == FOUND_TAKEN && !row->payload)
		(void)unlinkat(board_base(a, flag_board(a, f))->staging_fd,
			token_hex(&row->token, hex), 0);
}

/* Nothing was pressed, though the flag is gone: a fresh one, and its text may say why. */
static void apply_fresh(struct agent *a, struct flag *f, const struct row *row,
	const struct facts *facts, int dirfd)
{
	if (facts->found == FOUND_REPLACED)
		put_right(a, f, row, dirfd);
	else if (facts->found == FOUND_ABSENT || facts->found == FOUND_TAKEN)
		log_info("%s/%s: it was missing: put back", board_object(a, flag_board(a, f)),
			flag_action_name(a, f));
	if (facts->mass)
		press_mass_note(a, f);
	else if (facts->no_trigger)
		press_note(a, f, "%s it is not how it is pressed here.",
			facts->found == FOUND_TAKEN ? "Moving" : "Deleting");
	drop_taken(a, f, row);
}

static void apply_row(struct agent *a, struct flag *f, struct row *row, const struct facts *facts,
	struct claim *c, int dirfd)
{
	enum verdict v = verdict_of(facts);
	struct run run = {0};

	f->adopted = true;
	if (row->resolved && row->replaced && (row->called_off || !row->reappeared))
		put_right(a, f, row, dirfd);
	if (row->resolved && (!f->live || !token_equal(&f->live->run.token, &row->token)))
		drop_taken(a, f, row);
	if (v == VERDICT_KEEP) {
		apply_keep(a, f, row, dirfd);
		return;
	}
	if (row->present) { /* spent, though it is there */
		char name[FLAG_NAME_MAX];
		(void)unlinkat(dirfd,
			row->shown ? row->shown : flag_name(a, f, row->state, STEP_NONE, name), 0);
	}
	flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
	if (row->resolved)
		return;
	if (row->known) { /* what it showed, until the verdict says more */
		f->state = row->state == STATE_DONE || row->state == STATE_FAILED ||
					   row->state == STATE_CANCELLED ||
					   row->state == STATE_MISSED
				   ? row->state
				   : STATE_READY;
		f->since = row->since;
		f->run = row->run;
		press_arm(a, f);
	}
	if (v == VERDICT_FRESH) {
		apply_fresh(a, f, row, facts, dirfd);
		return;
	}
	if (v == VERDICT_CONFIRM) {
		press_first(a, f);
		return;
	}
	if (store_get_run_by_token(a->store, &row->token, &run) < 0) {
		const struct board *b = flag_board(a, f);
		run = (struct run){
			.id = c && c->m.run ? c->m.run : a->next_run++,
			.token = row->token,
			.object = adopt_copy(board_object(a, b)),
			.group = adopt_copy(board_group(a, b)),
			.action = adopt_copy(flag_action_name(a, f)),
			.trigger = facts->found == FOUND_TAKEN ? TRIGGER_MOVE : TRIGGER_DELETE,
			.pressed = row->pressed,
		};
	}
	adopt_run(a, f, &run, v, c);
	if (f->live && !f->live->run.payload)
		drop_taken(a, f, row); /* the run has it all */
	run_done(&run);
	if (c)
		c->used = true;
}

static void adopt_status(struct board *b, int dirfd)
{
	struct file_info info;

	if (file_info_at(dirfd, NAME_STATUS, &info) == 0 && S_ISREG(info.mode) && info.nlink == 1)
		b->status_id = info.id;
}

/* Opens the board's directory for the first time: is it the recorded one?  -errno: not usable. */
static int adopt_directory(struct agent *a, struct board *b, bool *ret_changed)
{
	struct base *base = board_base(a, b);
	struct file_id recorded;
	struct file_info info;
	char path[PATH_MAX];
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
	board_path(a, b, path, sizeof(path));
	for (uint32_t i = 0; a->adoption && i < board_view(a, b)->n_actions; i++)
		a->adoption->rows[board_view(a, b)->first_action + i].pressed =
			info.mtime_ns / 1000;
	r = store_get_directory(a->store, path, &recorded);
	if (r == 0)
		recorded.dev = info.id.dev; /* device numbers change from boot to boot */
	*ret_changed = r == 0 && !file_id_equal(&recorded, &info.id);
	if ((r < 0 || *ret_changed) && store_begin(a->store) == 0)
		(void)store_put_directory(a->store, path, &info.id);
	return steal_fd(&fd);
}

void adopt_gather(struct agent *a, struct board *b)
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
	adopt_status(b, dirfd);
	if (!b->status_id.ino)
		board_status_dirty(a, b);
}

static struct facts facts_of(
	const struct agent *a, const struct flag *f, const struct row *row, const struct claim *c)
{
	const struct seen *seen = &a->adoption->seen[flag_board(a, f) - a->boards];

	return (struct facts){
		.found = row->known ? (enum found)row->found : FOUND_UNKNOWN,
		.claimed = c != NULL,
		.claim = c ? (enum claim_state)c->m.state : CLAIM_INTERRUPTED,
		.agent_restarted = a->restarted,
		.same_boot = row->same_boot,
		.directory_changed = seen->changed && !row->payload,
		.absent_of_object = row->resolved  ? 2
				    : row->payload ? 0
						   : seen->gone,
		.mass = row->mass,
		.missed_run = adopt_is_young(a, f, row->pressed),
		.unconfirmed = is_first(a, f, row),
		.no_trigger = !row->payload && !adopt_is_trigger(a, f, row->found) &&
			      (row->found == FOUND_ABSENT || row->found == FOUND_TAKEN),
	};
}

void adopt_verdicts(struct agent *a, struct board *b)
{
	const struct view_board *v = board_view(a, b);
	_cleanup_close_ int dirfd = b->usable ? board_open(a, b) : -1;

	if (b->usable && dirfd < 0) { /* it went just now */
		b->usable = false;
		board_look_at(a, b, LOOK_ALL);
	}

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		struct row *row = &a->adoption->rows[v->first_action + i];
		struct claim *c = row->known ? adopt_claim_of(a->adoption, &row->token) : NULL;
		struct facts facts = facts_of(a, f, row, c);
		if (!b->usable) { /* nothing can be told of its flags; they come with the directory
				   */
			f->adopted = true;
			if (row->known) {
				f->state = row->state == STATE_FAILED ? STATE_FAILED : STATE_READY;
				f->run = row->run;
			}
			continue;
		}
		apply_row(a, f, row, &facts, c, dirfd);
	}
	for (uint32_t i = 0; b->usable && b->custody && i < v->n_actions; i++)
		custody_adopt_kept(a, &a->flags[v->first_action + i]);
}

bool adopt_is_gone(struct adoption *ad, const struct row *row)
{
	return row->known && !row->resolved && !row->payload &&
	       (row->found == FOUND_ABSENT || row->found == FOUND_TAKEN) &&
	       !adopt_claim_of(ad, &row->token);
}

/* The boards of one object together: the number of its missing flags counts, and a press that is in
 * its hold again is one of them. */
size_t adopt_count(struct agent *a, size_t first)
{
	size_t n = 0;
	unsigned gone = 0;
	bool held = false;
	struct live *l;

	for (; first + n < a->n_boards &&
		board_same_object(a, &a->boards[first], &a->boards[first + n]);
		n++) {
		const struct board *b = &a->boards[first + n];
		const struct view_board *v = board_view(a, b);
		for (uint32_t i = 0; b->usable && i < v->n_actions; i++) {
			const struct row *row = &a->adoption->rows[v->first_action + i];
			gone += row->called_off || adopt_is_gone(a->adoption, row);
		}
	}
	TAILQ_FOREACH (l, &a->holding, holdings)
		held = held || board_same_object(a, flag_board(a, l->flag), &a->boards[first]);
	if (gone > 0 && held) {
		press_mass(a, &a->boards[first], "another button");
		gone++;
	}
	if (gone > 1)
		log_info("%s: %u flags were missing: put back, nothing is run",
			board_object(a, &a->boards[first]), gone);
	for (size_t k = 0; k < n; k++)
		a->adoption->seen[first + k].gone = gone;
	return n;
}

void adopt_new_board(struct agent *a, struct board *b)
{
	bool changed;
	const struct view_board *v = board_view(a, b);
	_cleanup_close_ int dirfd = adopt_directory(a, b, &changed);

	b->usable = dirfd >= 0;
	b->recheck = true;
	if (b->usable)
		adopt_status(b, dirfd);
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
