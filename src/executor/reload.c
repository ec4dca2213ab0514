/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the configuration. */
#include "executor/reload.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "executor/directories.h"
#include "executor/executor.h"
#include "executor/former.h"
#include "executor/priority.h"
#include "executor/spawn.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SETTLE_USEC (200 * 1000)
#define CHANGES \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | \
		IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static void watch_all(struct executor *x);

static int on_settled(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct executor *x = userdata;

	(void)s;
	(void)usec;
	watch_all(x); /* before reading: what changes from now on is seen */
	log_info("the configuration has changed: reading it");
	(void)reload_now(x, false);
	return 0;
}

static void settle(struct executor *x)
{
	int r;

	if (x->reload.timer) {
		r = sd_event_source_set_time_relative(x->reload.timer, SETTLE_USEC);
		if (r >= 0)
			r = sd_event_source_set_enabled(x->reload.timer, SD_EVENT_ONESHOT);
	} else {
		r = sd_event_add_time_relative(
			x->event, &x->reload.timer, CLOCK_MONOTONIC, SETTLE_USEC, 0, on_settled, x);
		if (r >= 0)
			r = sd_event_source_set_priority(x->reload.timer, PRIORITY_REQUEST);
	}
	if (r < 0)
		log_error("no timer for the configuration: %s", strerror(-r));
}

static int on_conf_change(sd_event_source *s, const struct inotify_event *e, void *userdata)
{
	struct executor *x = userdata;

	(void)s;
	if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT))
		x->reload.conf_watch = sd_event_source_disable_unref(x->reload.conf_watch);
	settle(x);
	return 0;
}

/* Beside conf.d lies flagman.yaml; and conf.d itself may come and go. */
static int on_parent_change(sd_event_source *s, const struct inotify_event *e, void *userdata)
{
	struct executor *x = userdata;
	const char *conf = strrchr(x->reload.conf_dir, '/') + 1;
	const char *file = strrchr(x->reload.main_file, '/') + 1;

	(void)s;
	if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
		x->reload.parent_watch = sd_event_source_disable_unref(x->reload.parent_watch);
		settle(x);
	} else if (e->len && (!strcmp(e->name, conf) || !strcmp(e->name, file))) {
		if (!strcmp(e->name, conf)) /* it may be another directory now */
			x->reload.conf_watch = sd_event_source_disable_unref(x->reload.conf_watch);
		settle(x);
	} else if (e->mask & IN_Q_OVERFLOW) {
		settle(x);
	}
	return 0;
}

static void watch_one(struct executor *x, sd_event_source **source, const char *path,
	sd_event_inotify_handler_t handler)
{
	if (!*source && sd_event_add_inotify(x->event, source, path, CHANGES, handler, x) >= 0)
		(void)sd_event_source_set_priority(*source, PRIORITY_REQUEST);
}

/* What is not there now is watched when its parent says so, or after the next reload. */
static void watch_all(struct executor *x)
{
	struct reload *r = &x->reload;

	watch_one(x, &r->parent_watch, r->parent, on_parent_change);
	watch_one(x, &r->conf_watch, r->conf_dir, on_conf_change);
}

static char *clean_path(const char *path)
{
	_cleanup_free_ char *copy = NULL;
	char cwd[PATH_MAX];
	size_t n;

	if (*path == '/')
		copy = strdup(path);
	else if (!getcwd(cwd, sizeof(cwd)) || asprintf(&copy, "%s/%s", cwd, path) < 0)
		copy = NULL;
	for (n = copy ? strlen(copy) : 0; n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	return steal_ptr(&copy);
}

int reload_open(struct executor *x, const char *conf_dir)
{
	struct reload *r = &x->reload;
	char *slash;

	r->conf_dir = clean_path(conf_dir);
	r->parent = r->conf_dir ? strdup(r->conf_dir) : NULL;
	if (!r->parent)
		return -ENOMEM;
	slash = strrchr(r->parent, '/');
	slash[slash == r->parent] = '\0';
	if (asprintf(&r->main_file, "%s/flagman.yaml", strcmp(r->parent, "/") ? r->parent : "") < 0)
		return -ENOMEM;
	watch_all(x);
	return 0;
}

void reload_close(struct executor *x)
{
	struct reload *r = &x->reload;

	sd_event_source_disable_unref(r->conf_watch);
	sd_event_source_disable_unref(r->parent_watch);
	sd_event_source_disable_unref(r->timer);
	free(r->conf_dir);
	free(r->parent);
	free(r->main_file);
	*r = (struct reload){0};
}

static void log_problems(const struct config *c)
{
	for (size_t i = 0; i < c->n_problems; i++) {
		const struct problem *p = &c->problems[i];
		const char *file = p->place.file ? p->place.file : "configuration";
		if (p->severity == SEVERITY_ERROR)
			log_error("%s:%u:%u: error: %s", file, p->place.line, p->place.column,
				p->message);
		else
			log_warning("%s:%u:%u: warning: %s", file, p->place.line, p->place.column,
				p->message);
	}
	log_info("configuration: %zu groups, %zu actions, %zu errors", c->n_groups, c->n_actions,
		c->n_errors);
}

static int load(struct executor *x, struct config **ret)
{
	_cleanup_free_ char *last_good = NULL,
			    *disc = strdup(spawn_path("flagman-disc", FLAGMAN_BINDIR));
	struct config_options o = {
		.conf_dir = x->reload.conf_dir,
		.main_file = x->reload.main_file,
		.privileged = x->id.privileged,
		.trusted_uid = x->id.privileged ? 0 : x->id.uid,
		.agent_uid = x->id.uid,
		.disc_program = disc,
		.live = x->generations ? x->generations->config : NULL,
	};
	char *none = NULL;

	if (x->withdrawing && x->ready) { /* nothing is configured any more */
		o.conf_dir = o.main_file = NULL;
		o.files = &none;
		o.live = NULL;
		return config_load(&o, ret);
	}
	if (!disc || asprintf(&last_good, "%s/" LAST_GOOD, x->places.state_path) < 0)
		return -ENOMEM;
	o.last_good = last_good;
	return config_load(&o, ret);
}

/* Each takes a descriptor here and two in the agent, which has flags to keep some for, too. */
static void limit_runs(const struct executor *x, struct settings *s)
{
	rlim_t most = x->nofile.rlim_max / 8;

	if (most == 0 || s->max_runs <= most)
		return;
	log_info("max-runs is %llu, not %u: there are %llu descriptors (LimitNOFILE=)",
		(unsigned long long)most, s->max_runs, (unsigned long long)x->nofile.rlim_max);
	s->max_runs = (uint32_t)most;
}

static int enter(struct executor *x, struct config *c, bool by_hand)
{
	struct generation *g = generation_new(x->reload.last + 1, c);

	if (!g)
		return -ENOMEM;
	x->reload.last++;
	directories_prepare(x->places.state, &x->id, g, by_hand);
	for (uint32_t i = 0; i < g->n_bases; i++)
		payloads_tidy(x, &g->bases[i]);
	if (!x->withdrawing || !x->ready) /* or they all are, and withdraw.c sees to them */
		former_find(x->places.state, &x->id, g);
	for (uint32_t i = 0; i < g->n_former; i++)
		payloads_tidy(x, &g->former[i]);
	g->older = x->generations;
	if (g->older)
		g->older->replaced = now_monotonic();
	x->generations = g;
	generation_tidy(g, now_monotonic());
	return 0;
}

/* An older generation may still be asked for, so its commands count too. */
static void want_runners(struct executor *x)
{
	uint64_t bounding = 0;

	for (const struct generation *g = x->generations; g; g = g->older)
		bounding |= generation_bounding(g);
	pool_want(&x->pool, x->generations->config->settings.ready_runners, bounding);
}

void reload_ready(const struct executor *x)
{
	const struct config *c = x->generations->config;

	(void)sd_notifyf(0, "READY=1\nSTATUS=%zu actions of %zu groups, %zu errors in %s",
		c->n_actions, c->n_groups, c->n_errors, x->reload.conf_dir);
}

int reload_now(struct executor *x, bool by_hand)
{
	struct config *c;
	int r;

	if (x->ready)
		(void)sd_notifyf(
			0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now_monotonic());
	r = load(x, &c);
	if (r == 0) {
		log_problems(c);
		limit_runs(x, &c->settings);
		r = enter(x, c, by_hand);
		if (r < 0)
			config_free(c);
	}
	if (r < 0) {
		log_error(
			"can't read the configuration in %s: %s", x->reload.conf_dir, strerror(-r));
	} else {
		want_runners(x);
		x->save_last_good = !x->withdrawing;
		x->write_samba_conf = !x->withdrawing;
		chores_wake(x);
		agent_configure(x);
		follower_configure(x);
	}
	if (x->ready)
		reload_ready(x);
	return r;
}
