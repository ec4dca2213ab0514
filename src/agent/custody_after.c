/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Custody, afterwards: returned, deleted, kept for another try; and what an earlier life left. */
#include "agent/custody.h"
#include "agent/custody_drop.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "agent/runs.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int on_keep(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct dropping *d = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&d->keep_timer);
	custody_return_kept(d->agent, d);
	board_looks(d->agent);
	return 0;
}

static void keep(struct agent *a, struct dropping *d)
{
	const struct view_drop *v = drop_view(d);
	struct live *l = press_live(a, drop_flag(d));

	l->kept_payload = true;
	d->stage = STAGE_NONE;
	if (v->keep_failed == USEC_INFINITY)
		return;
	int64_t gone = now_realtime() - l->run.end.ended;
	uint64_t wait = gone < 0                          ? v->keep_failed
			: (uint64_t)gone > v->keep_failed ? 0
							  : v->keep_failed - (uint64_t)gone;
	agent_timer(a, &d->keep_timer, now_boottime() + wait, on_keep, d);
}

static void give_back(struct agent *a, struct dropping *d)
{
	struct board *b = flag_board(a, drop_flag(d));
	_cleanup_close_ int dirfd = board_open(a, b);
	_cleanup_close_ int folder = dirfd < 0 ? -1 : board_open_folder(dirfd, drop_folder(d));
	int r = folder < 0 ? folder
			   : drop_folder_return(board_view(a, b)->dir_gid, drop_staging(d),
				     &d->token, folder, d->name);

	if (r < 0)
		log_error("%s: %s stays in %s: it cannot be returned: %s", board_object(a, b),
			d->name, STAGING, strerror(-r));
	custody_reset(d);
	board_look_at(a, b, LOOK_DROPS);
}

void custody_return_kept(struct agent *a, struct dropping *d)
{
	struct live *l = drop_flag(d)->live;

	agent_timer_off(&d->keep_timer);
	if (!l || !l->kept_payload)
		return;
	l->kept_payload = false;
	give_back(a, d);
}

/* Did it end so that it may be tried again? */
static bool wants_another_try(const struct run *run)
{
	return run->state != STATE_DONE && run->cause != CAUSE_CALLED_OFF;
}

void custody_leave(const struct custody *c, uint32_t flag, const struct view_board *v, int staging,
	int dirfd, const char *folder)
{
	_cleanup_close_ int fd = dirfd < 0 ? dirfd : board_open_folder(dirfd, folder);

	for (size_t i = 0; c && i < c->n; i++) {
		const struct dropping *d = &c->drops[i];
		if (!d->agent || d->flag != flag || !d->name || d->stage == STAGE_RUNNING)
			continue;
		int r = fd < 0 ? fd
			       : drop_folder_return(v->dir_gid, staging, &d->token, fd, d->name);
		if (r < 0)
			log_error("%s stays in %s: it cannot be returned: %s", d->name, STAGING,
				strerror(-r));
	}
	if (fd >= 0)
		drop_folder_leave(fd, v->file_uid);
}

/* It was given back before we heard that its run is over (payloads.c): whoever presses the flag as
 * soon as it shows Failed need not wait for an answer. */
static bool is_ours(const struct dropping *d)
{
	char hex[TOKEN_HEX + 1];
	struct file_info info;

	return file_info_at(drop_staging(d), token_hex(&d->token, hex), &info) == 0 &&
	       S_ISREG(info.mode) && info.nlink == 1 && info.uid == geteuid() &&
	       (info.mode & 07777) == 0400;
}

void custody_over(struct agent *a, struct live *l)
{
	struct dropping *d = custody_drop_of(a, l->flag);
	char hex[TOKEN_HEX + 1];

	if (!d || !d->name)
		return;
	custody_close(d);
	d->token = l->run.token;
	if (l->run.state == STATE_DONE && drop_view(d)->after == AFTER_DELETE) {
		(void)unlinkat(drop_staging(d), token_hex(&d->token, hex), 0);
		custody_reset(d);
		return;
	}
	d->keep = wants_another_try(&l->run);
	if (d->keep && is_ours(d))
		keep(a, d);
	else
		custody_ask(a, d, STAGE_RETURNING);
}

void custody_taken(struct agent *a, const struct exec_result *m)
{
	struct dropping *d = NULL;

	for (size_t i = 0; i < a->n_boards && !d; i++)
		for (size_t k = 0; a->boards[i].custody && k < a->boards[i].custody->n; k++)
			if (a->boards[i].custody->drops[k].cookie == m->cookie)
				d = &a->boards[i].custody->drops[k];
	if (!d)
		return; /* its action is gone */
	if (m->error && d->stage == STAGE_TAKING) {
		custody_failed(a, d, m->why);
		return;
	}
	if (d->stage == STAGE_RETURNING) {
		if (m->error) { /* or it is not there any more: others may be dropped */
			log_error("%s stays in %s: %s", d->name, STAGING, m->why);
			custody_reset(d);
		} else if (d->keep) {
			keep(a, d);
			board_look_at(a, flag_board(a, drop_flag(d)), LOOK_DROPS);
		} else {
			give_back(a, d);
		}
		board_looks(a); /* the next one may wait */
		return;
	}
	custody_next(a, d);
	board_looks(a);
}

bool custody_kept_is_gone(struct agent *a, struct live *l)
{
	struct dropping *d = custody_drop_of(a, l->flag);
	char hex[TOKEN_HEX + 1];
	struct file_info info;

	if (!l->kept_payload || !d || !d->name ||
		file_info_at(drop_staging(d), token_hex(&l->run.token, hex), &info) != -ENOENT)
		return false;
	log_warning("%s/%s: %s is not in custody any more", l->run.object, l->run.action, d->name);
	agent_timer_off(&d->keep_timer);
	l->kept_payload = false;
	custody_reset(d);
	return true;
}

void custody_again(struct agent *a, struct live *l, struct run *run)
{
	struct dropping *d = custody_drop_of(a, l->flag);
	char from[TOKEN_HEX + 1], to[TOKEN_HEX + 1];

	if (!d || !d->name)
		return;
	if (a->started && !token_equal(&run->token, &l->flag->token)) {
		/* no flag's row tells of that token: it must be known before the payload has it */
		struct run known = *run;
		known.payload = l->run.payload;
		known.payload_sha256 = l->run.payload_sha256;
		known.payload_size = l->run.payload_size;
		(void)runs_record(a, &known);
	}
	if (renameat(drop_staging(d), token_hex(&l->run.token, from), drop_staging(d),
		    token_hex(&run->token, to)) < 0)
		return;
	agent_timer_off(&d->keep_timer);
	l->kept_payload = false;
	d->token = run->token;
	d->stage = STAGE_RUNNING;
	run->payload = steal_ptr(&l->run.payload);
	run->payload_sha256 = steal_ptr(&l->run.payload_sha256);
	run->payload_size = l->run.payload_size;
}

static struct dropping *resume(struct agent *a, struct flag *f, const struct run *run)
{
	struct dropping *d = custody_drop_of(a, f);
	struct file_info info;

	if (!d || d->name || !run->payload ||
		!board_has_taken(board_base(a, flag_board(a, f)), &run->token, &info))
		return NULL;
	d->token = run->token;
	d->name = strdup(run->payload);
	if (!d->name)
		log_fatal(71, "out of memory");
	return d;
}

bool custody_resume(struct agent *a, struct flag *f, struct run *run)
{
	struct dropping *d = resume(a, f, run);

	if (!d)
		return false;
	d->run = *run;
	*run = (struct run){0};
	custody_ask(a, d, STAGE_TAKING);
	return true;
}

static struct live *last_run(struct agent *a, struct flag *f)
{
	struct live *l = press_live(a, f);

	if (!l->run.id && f->run)
		(void)store_get_run(a->store, f->run, &l->run);
	return l;
}

void custody_find_kept(struct agent *a, struct flag *f, const struct token *moved)
{
	struct live *l = last_run(a, f);
	int staging = board_base(a, flag_board(a, f))->staging_fd;
	char from[TOKEN_HEX + 1], to[TOKEN_HEX + 1];

	if (!l->run.payload || !wants_another_try(&l->run))
		return;
	if (moved) /* if this fails, it was not that run's */
		(void)renameat2(staging, token_hex(moved, from), staging,
			token_hex(&l->run.token, to), RENAME_NOREPLACE);
	l->kept_payload = resume(a, f, &l->run) != NULL;
}

void custody_hand_over(struct agent *a, struct flag *f, struct run *run)
{
	struct live *l = last_run(a, f);

	if (!wants_another_try(&l->run))
		return;
	run->payload = steal_ptr(&l->run.payload);
	run->payload_sha256 = steal_ptr(&l->run.payload_sha256);
	run->payload_size = l->run.payload_size;
}

bool custody_fetch(struct agent *a, struct flag *f, uint64_t last, const struct run *run)
{
	int staging = board_base(a, flag_board(a, f))->staging_fd;
	char from[TOKEN_HEX + 1], to[TOKEN_HEX + 1];
	struct run kept = {0};
	bool found;

	found = run->payload_sha256 && store_get_run(a->store, last, &kept) == 0 &&
		wants_another_try(&kept) &&
		renameat2(staging, token_hex(&kept.token, from), staging,
			token_hex(&run->token, to), RENAME_NOREPLACE) == 0;
	run_done(&kept);
	return found;
}

void custody_adopt(struct agent *a, struct flag *f)
{
	struct dropping *d = custody_drop_of(a, f);

	if (!d)
		return;
	struct live *l = last_run(a, f);
	bool known = d->name != NULL;
	if (known ? !l->kept_payload : !resume(a, f, &l->run))
		return; /* a run has it, or there is none */
	if (l->run.state == STATE_STARTING || l->run.state == STATE_WAITING ||
		l->run.state == STATE_RUNNING)
		d->stage = STAGE_RUNNING;
	else
		custody_over(a, l);
}

uint64_t custody_copy(
	struct agent *a, struct flag *f, int fd, struct run *run, const char **ret_why)
{
	struct dropping *d = custody_drop_of(a, f);
	_cleanup_close_ int in = fd;
	char hex[TOKEN_HEX + 1];

	if (!d)
		*ret_why = "this action takes no payload";
	else if (!custody_is_free(a, d))
		*ret_why = "it is busy";
	else if ((f->live && f->live->kept_payload))
		*ret_why = "a payload that failed is still in custody: press the flag, or drop the "
			   "new one";
	if (*ret_why)
		return 0;
	custody_reset(d);
	run->token = d->token = token_new();
	run->id = a->next_run++;
	run->state = STATE_STARTING;
	run->pressed = now_realtime();
	custody_names(a, d, run);
	d->name = strdup(run->payload);
	d->run = *run;
	*run = (struct run){0};
	if (!d->name || runs_record(a, &d->run) < 0) {
		*ret_why = "the history cannot be written";
		return 0;
	}
	d->fd = openat(drop_staging(d), token_hex(&d->token, hex),
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	if (d->fd < 0) {
		*ret_why = "no room in custody";
		return 0;
	}
	d->in_fd = steal_fd(&in);
	custody_hash(a, d);
	return d->run.id;
}
