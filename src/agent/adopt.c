/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/adopt.h"

#include "agent/board.h"
#include "agent/custody.h"
#include "agent/find.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/runs.h"
#include "agent/trouble.h"
#include "agent/verdict.h"
#include "common/log.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct claim {
	struct exec_claim m;
	int fds[3];
	bool used;
};

/* A flag's row, while the verdicts are given. */
struct row {
	struct token token;
	struct file_id id;
	int64_t since;
	uint64_t run;
	char *note, *shown; /* owned; shown: its name now, where it is not what it should be */
	bool known, same_boot, resolved;
	uint8_t state;
	uint8_t found;
};

/* A row whose action is no longer configured: its file is taken away. */
struct dead {
	char *object, *group, *action;
	struct file_id id;
};

struct adoption {
	struct claim *claims;
	size_t n_claims;
	struct row *rows; /* by flag */
	struct dead *dead;
	size_t n_dead;
	struct run *open; /* runs that had not ended */
	size_t n_open;
};

static void *grow(void *array, size_t n, size_t size)
{
	void *grown = array;

	/* doubles at each power of two */
	if ((n & (n - 1)) == 0)
		grown = realloc(array, (n ? n * 2 : 1) * size);
	if (!grown)
		log_fatal(71, "out of memory");
	return grown;
}

void adopt_claim(struct agent *a, const struct exec_claim *m, int *fds, size_t n_fds)
{
	struct adoption *ad = a->adoption;

	ad->claims = grow(ad->claims, ad->n_claims, sizeof(*ad->claims));
	struct claim *c = &ad->claims[ad->n_claims++];
	*c = (struct claim){.m = *m, .fds = {-1, -1, -1}};
	for (size_t i = 0; i < n_fds && i < 3; i++)
		c->fds[i] = steal_fd(&fds[i]);
	if (m->run >= a->next_run)
		a->next_run = m->run + 1;
}

struct adoption *adopt_new(void)
{
	struct adoption *ad = calloc(1, sizeof(*ad));

	if (!ad)
		log_fatal(71, "out of memory");
	return ad;
}

static int compare_claims(const void *x, const void *y)
{
	return memcmp(&((const struct claim *)x)->m.token, &((const struct claim *)y)->m.token,
		sizeof(struct token));
}

static struct claim *claim_of(struct adoption *ad, const struct token *t)
{
	struct claim key = {.m.token = *t};

	return bsearch(&key, ad->claims, ad->n_claims, sizeof(*ad->claims), compare_claims);
}

static char *copy(const char *s)
{
	char *c = s ? strdup(s) : NULL;

	if (s && !c)
		log_fatal(71, "out of memory");
	return c;
}

static void keep_row(const struct stored_flag *s, void *userdata)
{
	struct agent *a = userdata;
	struct adoption *ad = a->adoption;
	struct flag *f = find_flag(a, s->object, s->group, s->action);

	if (!f) {
		ad->dead = grow(ad->dead, ad->n_dead, sizeof(*ad->dead));
		ad->dead[ad->n_dead++] = (struct dead){.object = copy(s->object),
			.group = copy(s->group),
			.action = copy(s->action),
			.id = s->id};
		return;
	}
	ad->rows[f - a->flags] = (struct row){
		.token = s->token,
		.id = s->id,
		.since = s->since,
		.run = s->run,
		.note = copy(s->note),
		.known = true,
		.same_boot = strcmp(s->boot, boot_id()) == 0,
		.state = (uint8_t)s->state,
		.found = FOUND_ABSENT,
	};
}

static bool keep_open(const struct run *r, void *userdata)
{
	struct adoption *ad = userdata;

	ad->open = grow(ad->open, ad->n_open, sizeof(*ad->open));
	struct run *k = &ad->open[ad->n_open++];
	if (run_copy(k, r) < 0)
		log_fatal(71, "out of memory");
	return true;
}

static bool is_taken(struct agent *a, struct board *b, const struct token *t)
{
	char hex[TOKEN_HEX + 1];
	struct file_info info;
	int staging = board_base(a, b)->staging_fd;

	return staging >= 0 && file_info_at(staging, token_hex(t, hex), &info) == 0;
}

static bool young_enough(const struct agent *a, const struct flag *f, int64_t pressed)
{
	const struct view_press *p = flag_press(a, f);
	int64_t age = now_realtime() - pressed;

	return p->missed == MISSED_RUN && age >= 0 && (uint64_t)age < p->missed_at_most;
}

static void missed(struct agent *a, struct flag *f, struct run *run, enum cause cause)
{
	struct live *l = press_live(a, f);

	run_done(&l->run);
	l->run = *run;
	*run = (struct run){0};
	l->run.state = STATE_MISSED;
	l->run.cause = cause;
	l->run.end.ended = now_realtime();
	l->kept_payload = l->run.payload != NULL;
	f->run = l->run.id;
	flag_mark(a, f, DIRTY_RUN);
	flag_set_state(a, f, STATE_MISSED);
	press_arm(a, f);
	log_warning("%s/%s: pressed and not run: %s", l->run.object, l->run.action,
		cause == CAUSE_OTHER_BOOT ? "the machine went down" : "flagman was not running");
}

/* RUN is moved from. */
static void apply_run(
	struct agent *a, struct flag *f, struct run *run, enum verdict v, struct claim *c)
{
	struct run_end interrupted = {.kind = END_INTERRUPTED};
	struct live *l;

	if (v == VERDICT_PRESS || v == VERDICT_RUN) {
		const char *why = NULL;
		f->state = STATE_READY;
		if (!press_request(a, f, run, v == VERDICT_PRESS, &why))
			missed(a, f, run, CAUSE_WHILE_DOWN);
		return;
	}
	if (v == VERDICT_MISSED || v == VERDICT_MISSED_BOOT) {
		missed(a, f, run, v == VERDICT_MISSED ? CAUSE_WHILE_DOWN : CAUSE_OTHER_BOOT);
		return;
	}
	l = press_live(a, f);
	run_done(&l->run);
	l->run = *run;
	*run = (struct run){0};
	l->timeout = flag_press(a, f)->timeout;
	f->run = l->run.id;
	flag_mark(a, f, DIRTY_RUN);
	if (v == VERDICT_ADOPT) {
		l->run.state = STATE_RUNNING;
		flag_set_state(a, f, STATE_RUNNING);
		runs_adopt(a, l, c->fds);
		press_neighbours(a, l);
		return;
	}
	if (c && c->fds[0] >= 0) {
		l->status_fd = steal_fd(&c->fds[0]);
		l->output_fd = steal_fd(&c->fds[1]);
	}
	runs_adopt_end(a, l, c ? &c->m.end : &interrupted);
	runs_forget(l);
}

/* Runs that were starting, waiting or running when the agent died. */
static void resolve_open(struct agent *a, struct run *run)
{
	struct adoption *ad = a->adoption;
	struct flag *f = find_flag(a, run->object, run->group, run->action);
	struct claim *c = claim_of(ad, &run->token);
	struct facts facts = {
		.found = FOUND_ABSENT,
		.claimed = c != NULL,
		.claim = c ? (enum claim_state)c->m.state : CLAIM_INTERRUPTED,
		.agent_restarted = a->restarted,
		.same_boot = true,
	};

	if (c)
		c->used = true;
	if (!f) {
		if (c && c->m.state == CLAIM_RUNNING) {
			c->used = false; /* its end is noted when it comes */
			return;
		}
		run->state = c ? STATE_FAILED : STATE_MISSED;
		run->cause = c ? CAUSE_INTERRUPTED : CAUSE_GONE;
		if (store_begin(a->store) == 0)
			(void)store_put_run(a->store, run);
		return;
	}
	struct row *row = &ad->rows[f - a->flags];
	facts.same_boot = row->same_boot;
	facts.missed_run = young_enough(a, f, run->pressed);
	if (is_taken(a, flag_board(a, f), &run->token))
		facts.found = FOUND_TAKEN;
	row->resolved = true;
	f->adopted = true;
	if (run->trigger == TRIGGER_DROP && !c && a->restarted && custody_resume(a, f, run))
		return;
	if (run->trigger == TRIGGER_DROP && !c && facts.found != FOUND_TAKEN) {
		run->state = STATE_CANCELLED; /* it never left its folder */
		run->cause = CAUSE_CALLED_OFF;
		if (store_begin(a->store) == 0)
			(void)store_put_run(a->store, run);
		row->resolved = false;
		return;
	}
	enum verdict v = verdict_of(&facts);
	if (facts.found == FOUND_TAKEN && a->restarted && !c)
		v = VERDICT_PRESS;
	apply_run(a, f, run, v, c);
}

/* --- the boards --- */

static void find_present(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);
	struct row *rows = &a->adoption->rows[v->first_action];
	char name[FLAG_NAME_MAX];
	struct file_info info;
	bool missing = false;

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		if (!rows[i].known)
			continue;
		if (!rows[i].same_boot) /* device numbers change from boot to boot */
			rows[i].id.dev = b->dir.dev;
		flag_name(a, f, rows[i].state, STEP_NONE, name);
		if (file_info_at(dirfd, name, &info) == 0 && file_id_equal(&info.id, &rows[i].id))
			rows[i].found = FOUND_PRESENT;
		else
			missing = true;
	}
	int fd = missing ? openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		close_fd(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(d));) {
		if (file_info_at(dirfd, e->d_name, &info) < 0 || !S_ISREG(info.mode))
			continue;
		for (uint32_t i = 0; i < v->n_actions; i++)
			if (rows[i].known && rows[i].found == FOUND_ABSENT &&
				file_id_equal(&info.id, &rows[i].id)) {
				rows[i].found = FOUND_PRESENT;
				rows[i].shown = copy(e->d_name);
			}
	}
	closedir(d);
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
		else if (is_taken(a, b, &rows[i].token))
			rows[i].found = FOUND_TAKEN;
	}
}

/* A flag, or a copy of one, that was put into Run while nobody looked: taken like a press. */
static void find_in_run(struct agent *a, struct board *b, int dirfd)
{
	const struct view_board *v = board_view(a, b);
	struct row *rows = &a->adoption->rows[v->first_action];
	const char *run = view_str(a->view, v->run_folder);
	int fd = run ? board_open_folder(dirfd, run) : -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char hex[TOKEN_HEX + 1], action[FLAG_NAME_MAX];
	struct file_info info;

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
				    token_hex(&row->token, hex), RENAME_NOREPLACE) == 0)
				row->found = FOUND_TAKEN;
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

static void apply_row(struct agent *a, struct flag *f, struct row *row, const struct facts *facts,
	struct claim *c, int dirfd)
{
	enum verdict v = verdict_of(facts);
	struct run run = {0};

	f->adopted = true;
	if (v == VERDICT_KEEP) {
		apply_keep(a, f, row, dirfd);
		return;
	}
	if (facts->found == FOUND_PRESENT) { /* spent, though it is there */
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
		if (row->known && facts->found == FOUND_ABSENT)
			log_info("%s/%s: it was missing: put back",
				board_object(a, flag_board(a, f)), flag_action_name(a, f));
		return;
	}
	if (store_get_run_by_token(a->store, &row->token, &run) < 0) {
		const struct board *b = flag_board(a, f);
		run = (struct run){
			.id = c && c->m.run ? c->m.run : a->next_run++,
			.token = row->token,
			.object = copy(board_object(a, b)),
			.group = copy(board_group(a, b)),
			.action = copy(flag_action_name(a, f)),
			.trigger = facts->found == FOUND_TAKEN ? TRIGGER_MOVE : TRIGGER_DELETE,
			.pressed = now_realtime(),
		};
	}
	apply_run(a, f, &run, v, c);
	if (facts->found == FOUND_TAKEN && f->live && !f->live->run.payload) {
		char hex[TOKEN_HEX + 1]; /* the run has it all; a payload stays */
		(void)unlinkat(board_base(a, flag_board(a, f))->staging_fd,
			token_hex(&row->token, hex), 0);
	}
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
	r = store_get_directory(a->store, path, &recorded);
	if (r == 0)
		recorded.dev = info.id.dev; /* device numbers change from boot to boot */
	*ret_changed = r == 0 && !file_id_equal(&recorded, &info.id);
	if ((r < 0 || *ret_changed) && store_begin(a->store) == 0)
		(void)store_put_directory(a->store, path, &info.id);
	return steal_fd(&fd);
}

static void adopt_gather(struct agent *a, struct board *b, int *ret_dirfd, bool *ret_changed)
{
	*ret_changed = false;
	*ret_dirfd = adopt_directory(a, b, ret_changed);
	b->usable = *ret_dirfd >= 0;
	if (!b->usable) {
		char path[PATH_MAX];
		const char *error = view_str(a->view, board_view(a, b)->error);
		log_error("%s: cannot be used: %s", board_path(a, b, path, sizeof(path)),
			error ? error : strerror(-*ret_dirfd));
		return;
	}
	find_present(a, b, *ret_dirfd);
	find_in_run(a, b, *ret_dirfd);
	find_staged(a, b);
	adopt_status(b, *ret_dirfd);
	if (!b->status_id.ino)
		board_status_dirty(a, b);
}

static void adopt_verdicts(
	struct agent *a, struct board *b, int dirfd, bool changed, unsigned absent)
{
	const struct view_board *v = board_view(a, b);

	for (uint32_t i = 0; i < v->n_actions; i++) {
		struct flag *f = &a->flags[v->first_action + i];
		struct row *row = &a->adoption->rows[v->first_action + i];
		struct claim *c = row->known ? claim_of(a->adoption, &row->token) : NULL;
		struct facts facts = {
			.found = row->known ? (enum found)row->found : FOUND_UNKNOWN,
			.claimed = c != NULL,
			.claim = c ? (enum claim_state)c->m.state : CLAIM_INTERRUPTED,
			.agent_restarted = a->restarted,
			.same_boot = row->same_boot,
			.directory_changed = changed,
			.absent_of_object = row->resolved ? 2 : absent,
			.missed_run = flag_press(a, f)->missed == MISSED_RUN,
		};
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

/* The boards of one object together: the number of its missing flags counts. */
static size_t adopt_object(struct agent *a, size_t first)
{
	size_t n = 1;
	unsigned absent = 0;
	int fds[64];
	bool changed[64];

	while (n < 64 && first + n < a->n_boards &&
		board_same_object(a, &a->boards[first], &a->boards[first + n]))
		n++;
	for (size_t k = 0; k < n; k++) {
		struct board *b = &a->boards[first + k];
		const struct view_board *v = board_view(a, b);
		adopt_gather(a, b, &fds[k], &changed[k]);
		for (uint32_t i = 0; b->usable && i < v->n_actions; i++) {
			struct row *row = &a->adoption->rows[v->first_action + i];
			absent += row->known && !row->resolved && row->found == FOUND_ABSENT &&
				  !claim_of(a->adoption, &row->token);
		}
	}
	if (absent > 1)
		log_info("%s: %u flags were missing: put back, nothing is run",
			board_object(a, &a->boards[first]), absent);
	for (size_t k = 0; k < n; k++) {
		adopt_verdicts(a, &a->boards[first + k], fds[k], changed[k], absent);
		close_fd(fds[k]);
	}
	return n;
}

/* Files of actions that are no longer configured. */
static void bury(struct agent *a, struct dead *d)
{
	struct board *b = find_board(a, d->object, d->group);
	_cleanup_close_ int dirfd = b && b->usable ? board_open(a, b) : -1;
	int fd = dirfd < 0 ? -1 : openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct file_info info;

	if (!dir)
		close_fd(fd);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (e->d_ino == d->id.ino && file_info_at(dirfd, e->d_name, &info) == 0 &&
			file_id_equal(&info.id, &d->id))
			(void)unlinkat(dirfd, e->d_name, 0);
	if (dir)
		closedir(dir);
	if (store_begin(a->store) == 0)
		(void)store_delete_flag(a->store, d->object, d->group, d->action);
	free(d->object);
	free(d->group);
	free(d->action);
}

/* What an earlier life left in staging: half-made flags go, payloads and taken flags that belong to
 * a run are the run's, what nobody knows is left where it is. */
static void sweep_staging(struct base *base)
{
	int fd = base->staging_fd < 0
			 ? -1
			 : openat(base->staging_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		close_fd(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (strncmp(e->d_name, "flag-", 5) == 0 || strncmp(e->d_name, "status-", 7) == 0 ||
			strncmp(e->d_name, "file-", 5) == 0)
			(void)unlinkat(base->staging_fd, e->d_name, 0);
	closedir(d);
}

/* Claims that no flag and no open run explains. */
static void leftover_claim(struct agent *a, struct claim *c)
{
	char hex[TOKEN_HEX + 1];

	if (!c->used && c->m.state != CLAIM_RUNNING) {
		if (!store_is_spent(a->store, &c->m.token))
			log_warning("claim %s is of a run that is not known here",
				token_hex(&c->m.token, hex));
		runs_spent(a, &c->m.token);
	}
	for (size_t i = 0; i < 3; i++)
		close_fd(c->fds[i]);
}

void adopt_scan(struct agent *a)
{
	struct adoption *ad = a->adoption;
	int r;

	qsort(ad->claims, ad->n_claims, sizeof(*ad->claims), compare_claims);
	ad->rows = calloc(a->n_flags ? a->n_flags : 1, sizeof(*ad->rows));
	if (!ad->rows)
		log_fatal(71, "out of memory");
	r = store_each_flag(a->store, keep_row, a);
	if (r == 0)
		r = store_each_open_run(a->store, keep_open, ad);
	if (r < 0)
		log_fatal(74, "the data base cannot be read: %s", store_error(a->store));
	for (size_t i = 0; i < ad->n_open; i++) {
		resolve_open(a, &ad->open[i]);
		run_done(&ad->open[i]);
	}
	for (size_t i = 0; i < a->n_boards;)
		i += adopt_object(a, i);
	for (size_t i = 0; i < ad->n_dead; i++)
		bury(a, &ad->dead[i]);
	for (size_t i = 0; i < a->n_bases; i++)
		sweep_staging(&a->bases[i]);
	for (size_t i = 0; i < ad->n_claims; i++)
		leftover_claim(a, &ad->claims[i]);
	for (size_t i = 0; i < a->n_flags; i++) {
		free(ad->rows[i].note);
		free(ad->rows[i].shown);
	}
	free(ad->rows);
	free(ad->dead);
	free(ad->open);
	free(ad->claims);
	free(ad);
	a->adoption = NULL;
	a->started = true;
	trouble_reserve(a);
	board_look_everywhere(a);
	board_looks(a);
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
	flag_mark(a, f, DIRTY_NAME | DIRTY_CONTENT | DIRTY_ROW);
}
