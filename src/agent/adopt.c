/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/adopt.h"

#include "agent/adopt_facts.h"
#include "agent/board.h"
#include "agent/board_parts.h"
#include "agent/control.h"
#include "agent/custody.h"
#include "agent/find.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/runs.h"
#include "agent/trouble.h"
#include "common/dir.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
	size_t quarters = m->state == CLAIM_RUNNING ? 3 : 2;

	ad->claims = grow(ad->claims, ad->n_claims, sizeof(*ad->claims));
	struct claim *c = &ad->claims[ad->n_claims++];
	*c = (struct claim){.m = *m, .fds = {-1, -1}};
	/* they are numbered from below: the first scan needs some too */
	for (size_t i = 0; i < n_fds && i < 2; i++)
		if ((size_t)fds[i] < a->fd_limit / 4 * quarters)
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

bool adopt_claim_ended(struct agent *a, const struct exec_ended *m)
{
	struct adoption *ad = a->adoption;

	for (size_t i = 0; ad && i < ad->n_claims; i++) {
		struct claim *c = &ad->claims[i];
		if (!token_equal(&c->m.token, &m->token))
			continue;
		c->m.state = m->end.kind == END_INTERRUPTED ? CLAIM_INTERRUPTED : CLAIM_ENDED;
		c->m.end = m->end;
		return true;
	}
	return false;
}

static int compare_claims(const void *x, const void *y)
{
	return memcmp(&((const struct claim *)x)->m.token, &((const struct claim *)y)->m.token,
		sizeof(struct token));
}

struct claim *adopt_claim_of(struct adoption *ad, const struct token *t)
{
	struct claim key = {.m.token = *t};

	if (!ad->n_claims)
		return NULL;
	return bsearch(&key, ad->claims, ad->n_claims, sizeof(*ad->claims), compare_claims);
}

char *adopt_copy(const char *s)
{
	char *c = s ? strdup(s) : NULL;

	if (s && !c)
		log_fatal(71, "out of memory");
	return c;
}

static struct dead names_of(const struct stored_flag *s)
{
	return (struct dead){
		.object = adopt_copy(s->object),
		.group = adopt_copy(s->group),
		.action = adopt_copy(s->action),
		.id = s->id,
		.run = s->run,
	};
}

static void keep_row(const struct stored_flag *s, void *userdata)
{
	struct agent *a = userdata;
	struct adoption *ad = a->adoption;
	struct flag *f = find_flag(a, s->object, s->group, s->action);

	if (!f) {
		ad->dead = grow(ad->dead, ad->n_dead, sizeof(*ad->dead));
		ad->dead[ad->n_dead++] = names_of(s);
		return;
	}
	if (strcmp(flag_action_name(a, f), s->action) != 0) {
		ad->renamed = grow(ad->renamed, ad->n_renamed, sizeof(*ad->renamed));
		ad->renamed[ad->n_renamed++] = names_of(s);
	}
	ad->rows[f - a->flags] = (struct row){
		.token = s->token,
		.id = s->id,
		.fd = -1,
		.since = s->since,
		.run = s->run,
		.note = adopt_copy(s->note),
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

/* Its file, whatever it is called by now.  True if it was there; what could not be removed is in
 * the log. */
static bool bury_in(int dirfd, const char *object, const char *action, const struct file_id *id)
{
	_cleanup_dir_ DIR *dir = dir_open(dirfd, ".");
	struct file_info info;
	bool found = false;

	for (const struct dirent *e; (e = dir_next(dir));) {
		if (e->d_ino != id->ino || file_info_at(dirfd, e->d_name, &info) < 0 ||
			!file_id_equal(&info.id, id))
			continue;
		found = true;
		if (unlinkat(dirfd, e->d_name, 0) < 0)
			log_warning("%s/%s is configured no longer there, and its flag can't be "
				    "removed: %s",
				object, action, strerror(errno));
	}
	return found;
}

/* Where an object was that is configured no longer: what flagman has put there beside its flags. */
static void clear_directory(int dirfd)
{
	struct file_info info;

	if (file_info_at(dirfd, NAME_STATUS, &info) == 0 && S_ISREG(info.mode) &&
		info.uid == getuid() && info.nlink == 1)
		(void)unlinkat(dirfd, NAME_STATUS, 0);
}

static bool is_in_use(const struct agent *a, const struct base *base, const char *object)
{
	for (size_t i = 0; i < a->n_boards; i++)
		if (board_base(a, &a->boards[i]) == base &&
			strcmp(board_object(a, &a->boards[i]), object) == 0)
			return true;
	return false;
}

/* In all bases but BUT.  False: some can't be looked at now. */
static bool bury_flag(struct agent *a, const char *object, const char *action, struct file_id id,
	const struct base *but)
{
	bool everywhere = a->view->h->bases_away == 0;

	for (size_t i = 0; i < a->n_bases; i++) {
		struct base *base = &a->bases[i];
		_cleanup_close_ int dirfd = -1;

		if (base == but)
			continue;
		if (base->fd < 0) {
			everywhere = false;
			continue;
		}
		id.dev = base->id.dev; /* device numbers change from boot to boot */
		dirfd = board_open_folder(base->fd, object);
		if (dirfd >= 0 && bury_in(dirfd, object, action, &id) &&
			!is_in_use(a, base, object))
			clear_directory(dirfd);
	}
	return everywhere;
}

/* Nothing says any more where it came from. */
static void tell_of_payload(struct agent *a, const struct dead *d)
{
	struct run run = {0};
	struct file_info info;
	char hex[TOKEN_HEX + 1];

	if (!d->run || store_get_run(a->store, d->run, &run) < 0 || !run.payload) {
		run_done(&run);
		return;
	}
	for (size_t i = 0; i < a->n_bases; i++)
		if (board_has_taken(&a->bases[i], &run.token, &info))
			log_warning("%s/%s is configured no longer: %s, which it had, stays in "
				    "%s/" STAGING "/%s",
				d->object, d->action, run.payload, board_base_path(a, &a->bases[i]),
				token_hex(&run.token, hex));
	run_done(&run);
}

/* Files of actions that are no longer configured: dead buttons would be worse than none. */
static void bury(struct agent *a, const struct dead *d)
{
	tell_of_payload(a, d);
	if (bury_flag(a, d->object, d->action, d->id, NULL) && store_begin(a->store) == 0)
		(void)store_delete_flag(a->store, d->object, d->group, d->action);
}

/* The flags of a board that was elsewhere.  Where that can't be reached now they stay: their rows
 * are those of the new ones. */
static void bury_moved(struct agent *a, const struct board *b)
{
	const struct view_board *v = board_view(a, b);

	for (uint32_t i = 0; i < v->n_actions; i++) {
		const struct row *row = &a->adoption->rows[v->first_action + i];
		if (row->known && !row->present)
			(void)bury_flag(a, board_object(a, b),
				flag_action_name(a, &a->flags[v->first_action + i]), row->id,
				board_base(a, b));
	}
}

/* A press that got no further than that its file was taken: which flag's it was is not known. */
static bool is_lost_copy(struct agent *a, const char *name)
{
	struct run run = {0};
	struct token t;
	bool lost;

	if (strncmp(name, COPY_PREFIX, strlen(COPY_PREFIX)) != 0 ||
		!token_parse(name + strlen(COPY_PREFIX), &t))
		return false;
	lost = store_get_run_by_token(a->store, &t, &run) == -ENOENT;
	run_done(&run);
	return lost;
}

static bool begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* What an earlier life left in staging.  Half-made files go before this life makes its own
 * (COPIES is false); payloads and taken flags that belong to a run are the run's, what nobody knows
 * is left where it is. */
static void sweep_staging(struct agent *a, struct base *base, bool copies)
{
	_cleanup_dir_ DIR *d = base->staging_fd < 0 ? NULL : dir_open(base->staging_fd, ".");

	for (const struct dirent *e; (e = dir_next(d));) {
		const char *name = e->d_name;
		if (copies && is_lost_copy(a, name))
			log_warning("%s: a copy of a flag was put into a Run folder, and is not "
				    "run: flagman died when it had taken it",
				board_base_path(a, base));
		if (copies ? begins_with(name, COPY_PREFIX)
			   : begins_with(name, "flag-") || begins_with(name, "status-") ||
					begins_with(name, "file-"))
			(void)unlinkat(base->staging_fd, name, 0);
	}
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
	for (size_t i = 0; i < 2; i++)
		close_fd(c->fds[i]);
}

/* What is remembered, before the first board is looked at. */
static void recall(struct agent *a)
{
	struct adoption *ad = a->adoption;
	int r;

	ad->n_rows = a->n_flags;
	ad->rows = calloc(a->n_flags ? a->n_flags : 1, sizeof(*ad->rows));
	ad->seen = calloc(a->n_boards ? a->n_boards : 1, sizeof(*ad->seen));
	if (!ad->rows || !ad->seen)
		log_fatal(71, "out of memory");
	for (size_t i = 0; i < ad->n_rows; i++)
		ad->rows[i].fd = -1;
	r = store_begin(a->store); /* or each question would lock the data base anew */
	if (r == 0)
		r = store_each_flag(a->store, keep_row, a);
	for (size_t i = 0; r == 0 && i < ad->n_renamed; i++) {
		const struct dead *d = &ad->renamed[i];
		const struct flag *f = find_flag(a, d->object, d->group, d->action);
		r = store_rename_action(
			a->store, d->object, d->group, d->action, flag_action_name(a, f));
	}
	if (r == 0)
		r = store_each_open_run(a->store, keep_open, ad);
	if (r < 0)
		log_fatal(74, "the data base cannot be read: %s", store_error(a->store));
}

void adopt_gather(struct agent *a, size_t end)
{
	struct adoption *ad = a->adoption;

	if (!ad->rows)
		recall(a);
	for (; ad->n_gathered < end; ad->n_gathered++)
		adopt_find(a, &a->boards[ad->n_gathered]);
}

static void forget_names(struct dead *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(names[i].object);
		free(names[i].group);
		free(names[i].action);
	}
	free(names);
}

void adopt_forget(struct agent *a)
{
	struct adoption *ad = a->adoption;

	for (size_t i = 0; i < ad->n_rows; i++) {
		struct row *row = &ad->rows[i];
		a->n_fds -= row->fd >= 0; /* of a flag that is not kept */
		close_fd(row->fd);
		free(row->note);
		free(row->shown);
		free(row->replaced);
	}
	forget_names(ad->dead, ad->n_dead);
	forget_names(ad->renamed, ad->n_renamed);
	for (size_t i = 0; i < ad->n_open; i++)
		run_done(&ad->open[i]);
	free(ad->rows);
	free(ad->seen);
	free(ad->open);
	ad->rows = NULL;
	ad->seen = NULL;
	ad->dead = ad->renamed = NULL;
	ad->open = NULL;
	ad->n_rows = ad->n_gathered = ad->n_dead = ad->n_renamed = ad->n_open = 0;
}

void adopt_leave(struct agent *a)
{
	struct token t;

	for (size_t i = 0; i < a->n_bases; i++) {
		int staging = a->bases[i].former ? a->bases[i].staging_fd : -1;
		_cleanup_dir_ DIR *d = staging < 0 ? NULL : dir_open(staging, ".");

		for (const struct dirent *e; (e = dir_next(d));)
			if (!token_parse(e->d_name, &t))
				(void)unlinkat(staging, e->d_name, 0);
	}
}

void adopt_scan(struct agent *a)
{
	struct adoption *ad = a->adoption;

	if (ad->n_claims)
		qsort(ad->claims, ad->n_claims, sizeof(*ad->claims), compare_claims);
	adopt_gather(a, a->n_boards);
	for (size_t i = 0; i < a->n_bases; i++)
		sweep_staging(a, &a->bases[i], false);
	for (size_t i = 0; i < ad->n_open; i++)
		adopt_open_run(a, &ad->open[i]);
	for (size_t i = 0; i < a->n_boards;)
		i += adopt_count(a, i);
	adopt_mass(a);
	for (size_t i = 0; i < a->n_boards; i++)
		adopt_verdicts(a, &a->boards[i]);
	for (size_t i = 0; i < ad->n_dead; i++)
		bury(a, &ad->dead[i]);
	for (size_t i = 0; i < a->n_boards; i++)
		if (ad->seen[i].changed)
			bury_moved(a, &a->boards[i]);
	for (size_t i = 0; i < a->n_bases; i++)
		sweep_staging(a, &a->bases[i], true);
	for (size_t i = 0; i < ad->n_claims; i++)
		leftover_claim(a, &ad->claims[i]);
	adopt_leave(a);
	adopt_forget(a);
	free(ad->claims);
	free(ad);
	a->adoption = NULL;
	a->started = true;
	(void)control_serve(a->control);
	trouble_reserve(a);
	board_look_at_bases(a, true);
	/* The flags have been looked at since they are watched; payloads have not. */
	for (size_t i = 0; i < a->n_boards; i++)
		if (a->boards[i].custody)
			board_look_at(a, &a->boards[i], LOOK_DROPS);
	board_looks(a);
}
