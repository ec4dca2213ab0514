/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What commands don't wait for: plans, the sync of the claims' directory, new ready runners, the
 * removal of claims that are spent, the last good configuration, Samba's share, directories of
 * objects that are gone.  One small piece in
 * each turn of the loop in which nothing else is to do, and none just after a start: a runner that
 * shares this processor would wait for it (mkdir alone took up to 300 us of ext4), and with it the
 * press.
 */
#include "executor/executor.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/text.h"
#include "executor/clearing.h"
#include "executor/samba_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SPENT_MAX   (128U * 1024) /* claims that wait for their removal: 2 MiB */
#define SYNC_USEC   (50 * 1000)
#define QUIET_USEC  500                /* after a start: the command has been executed by then */
#define LATEST_USEC (20 * 1000)        /* however fast starts follow each other */
#define INSIST_USEC USEC_PER_SEC       /* however fast requests do: a time limit may be a chore */
#define REST_USEC   (2 * USEC_PER_SEC) /* without a chore: nobody presses just now */

static bool write_a_plan(struct executor *x)
{
	for (struct run *r = x->runs.first; r; r = r->next)
		if (!r->plan_written) {
			run_settle(r);
			return true;
		}
	x->plans = false;
	return false;
}

bool id_in_use(const char *id, void *executor)
{
	const struct executor *x = executor;

	return runs_has(&x->runs, id) || pool_has(&x->pool, id);
}

static bool recycle_a_claim(struct executor *x)
{
	if (x->n_spent == 0)
		return false;
	pool_recycle(&x->pool, &x->spent[--x->n_spent]);
	if (x->n_spent == 0) {
		if (x->pool.left_cgroups) /* those that have become empty since */
			x->pool.left_cgroups = cgroups_sweep(&x->cgroups, id_in_use, x);
		free(x->spent);
		x->spent = NULL;
		x->max_spent = 0;
	}
	return true;
}

static void sync_here(struct executor *x)
{
	x->unsynced = false;
	if (fsync(x->places.claims.runs) < 0)
		log_error("can't sync the claims: %s", strerror(errno));
}

static int on_synced(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct executor *x = userdata;
	char byte;

	(void)s;
	(void)events;
	if (read(fd, &byte, 1) != 1) /* the nursery died */
		sync_here(x);
	x->syncing = sd_event_source_disable_unref(x->syncing);
	chores_wake(x);
	return 0;
}

static void start_sync(struct executor *x)
{
	int fd = pool_sync(&x->pool), r = fd;

	if (fd >= 0)
		r = sd_event_add_io(x->event, &x->syncing, fd, EPOLLIN, on_synced, x);
	if (r < 0) {
		close_fd(fd);
		sync_here(x);
		return;
	}
	(void)sd_event_source_set_io_fd_own(x->syncing, true);
	x->unsynced = false;
}

static int on_sync_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct executor *x = userdata;

	(void)s;
	(void)usec;
	x->syncing = sd_event_source_disable_unref(x->syncing);
	start_sync(x);
	return 0;
}

/* In a moment, together with what is claimed until then: a claim that is made while the journal
 * is being written waits for the disk.  One sync at a time; what comes meanwhile is in the next. */
static void sync_claims(struct executor *x)
{
	if (sd_event_add_time_relative(
		    x->event, &x->syncing, CLOCK_MONOTONIC, SYNC_USEC, 0, on_sync_timer, x) < 0)
		sync_here(x);
}

static void save_last_good(struct executor *x)
{
	int r = config_save_last_good(x->generations->config, x->places.state, LAST_GOOD);

	x->save_last_good = false;
	if (r < 0)
		log_warning("can't keep the last good configuration: %s", strerror(-r));
}

/* A share that people don't see yet is no reason to serve nobody. */
static void write_samba_conf(struct executor *x)
{
	int r = samba_conf_write(x->generations->config, x->places.state);

	x->write_samba_conf = false;
	if (r < 0 && !x->samba_conf_failed)
		log_warning("can't write %s/%s, which smb.conf may include: %s",
			x->places.state_path, SAMBA_CONF, strerror(-r));
	x->samba_conf_failed = r < 0;
}

/* True if there may be more. */
static bool one_chore(struct executor *x)
{
	int r;

	if (x->plans && write_a_plan(x))
		return true;
	if (!x->pool_failed) {
		r = pool_refill(&x->pool);
		if (r > 0)
			return true;
		if (r < 0) {
			log_error("can't prepare a run: %s", strerror(-r));
			x->pool_failed = true;
		}
	}
	if (x->unsynced && !x->syncing) {
		sync_claims(x);
		return true;
	}
	if (recycle_a_claim(x))
		return true;
	if (!x->ready) /* the start goes first */
		return false;
	if (x->save_last_good) {
		save_last_good(x);
		return true;
	}
	if (x->write_samba_conf) {
		write_samba_conf(x);
		return true;
	}
	if (x->clear_objects) {
		x->clear_objects = false;
		clear_objects(x->places.state, &x->id, x->generations);
	}
	return false;
}

static int on_quiet(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct executor *x = userdata;

	(void)usec;
	(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return sd_event_source_set_enabled(x->chores, SD_EVENT_ON);
}

/* True if it is too early, and the timer was set. */
static bool waits_for_quiet(struct executor *x)
{
	uint64_t now = now_monotonic();
	uint64_t until = x->started_at + QUIET_USEC;

	if (now >= until || now >= x->chores_due + LATEST_USEC)
		return false;
	return sd_event_source_set_time(x->quiet, until) >= 0 &&
	       sd_event_source_set_enabled(x->quiet, SD_EVENT_ONESHOT) >= 0;
}

/* An idle service is a small one. */
static int on_rest(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct executor *x = userdata;

	(void)usec;
	rates_tidy(&x->rates, now_boottime());
	memory_trim();
	return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

static int on_idle(sd_event_source *s, void *userdata)
{
	struct executor *x = userdata;

	if (waits_for_quiet(x))
		return sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (one_chore(x))
		return 0;
	x->chores_due = 0;
	(void)sd_event_source_set_time_relative(x->rest, REST_USEC);
	(void)sd_event_source_set_enabled(x->rest, SD_EVENT_ONESHOT);
	return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

void chores_insist(struct executor *x)
{
	if (x->chores_due && now_monotonic() >= x->chores_due + INSIST_USEC && !one_chore(x))
		x->chores_due = 0;
}

int chores_open(struct executor *x)
{
	int r = sd_event_add_defer(x->event, &x->chores, on_idle, x);

	if (r >= 0)
		r = sd_event_add_time(x->event, &x->quiet, CLOCK_MONOTONIC, 0, 1, on_quiet, x);
	if (r >= 0)
		r = sd_event_source_set_enabled(x->quiet, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time(x->event, &x->rest, CLOCK_MONOTONIC, 0, 0, on_rest, x);
	if (r >= 0)
		r = sd_event_source_set_enabled(x->rest, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(x->chores, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(x->chores, SD_EVENT_ON);
	return r < 0 ? r : 0;
}

void chores_close(struct executor *x)
{
	sd_event_source_disable_unref(x->chores);
	sd_event_source_disable_unref(x->quiet);
	sd_event_source_disable_unref(x->rest);
	x->syncing = sd_event_source_disable_unref(x->syncing);
	if (x->unsynced)
		sync_here(x);
	free(x->spent);
}

void chores_wake(struct executor *x)
{
	if (!x->chores)
		return;
	if (!x->chores_due)
		x->chores_due = now_monotonic();
	(void)sd_event_source_set_enabled(x->chores, SD_EVENT_ON);
}

/* What finds no place stays until the agent says so again, after a restart. */
void chores_remove_claim(struct executor *x, const struct token *token)
{
	if (x->n_spent == SPENT_MAX)
		return;
	if (x->n_spent == x->max_spent) {
		size_t max = x->max_spent ? 2 * x->max_spent : 64;
		struct token *t = realloc(x->spent, max * sizeof(*t));
		if (!t)
			return;
		x->spent = t;
		x->max_spent = max;
	}
	x->spent[x->n_spent++] = *token;
	chores_wake(x);
}
