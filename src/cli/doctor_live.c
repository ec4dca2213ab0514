/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service against the files: does it run what they say?  It keeps the last good version of
 * what has mistakes, so that buttons live on; the administrator should know which.
 */
#include "cli/doctor.h"

#include "cli/target.h"
#include "common/buf.h"
#include "common/dir.h"
#include "common/text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define AREA  "service"
#define NAMES 3
#define YOUNG_NS \
	(5LL * 1000 * 1000 * 1000) /* by then a snippet has effect, or something is wrong */
#define PAUSE_NS (200L * 1000 * 1000)

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct live_action *)a)->name, ((const struct live_action *)b)->name);
}

/* The configuration's, as a list like that of the service; sorted, allocated. */
static struct live_action *list_config(const struct config *c, size_t *ret_n)
{
	struct live_action *list = calloc(c->n_actions + 1, sizeof(*list));
	char name[TARGET_NAME_MAX];
	size_t n = 0;

	for (size_t i = 0; list && i < c->n_groups; i++)
		for (size_t k = 0; k < c->groups[i].n_actions && n < c->n_actions; k++) {
			const struct action *a = &c->groups[i].actions[k];

			list[n].misconfigured = a->misconfigured != NULL;
			list[n].name = strdup(doctor_name(name, &c->groups[i], a));
			if (!list[n].name)
				break;
			n++;
		}
	if (list)
		qsort(list, n, sizeof(*list), compare);
	*ret_n = n;
	return list;
}

struct names {
	struct buf text;
	size_t n;
};

static void add_name(struct names *names, const char *name)
{
	if (names->n++ < NAMES)
		buf_addf(&names->text, "%s%s", names->n > 1 ? ", " : "", name);
	else if (names->n == NAMES + 1)
		buf_adds(&names->text, ", ...");
}

/* Those of LIST that OTHER has not, or has only as misconfigured. */
static void list_missing(struct names *ret, const struct live_action *list, size_t n,
	const struct live_action *other, size_t n_other)
{
	const struct live_action *found;

	for (size_t i = 0; i < n; i++) {
		found = n_other ? bsearch(&list[i], other, n_other, sizeof(*other), compare) : NULL;
		if (!list[i].misconfigured && (!found || found->misconfigured))
			add_name(ret, list[i].name);
	}
}

static void list_files(struct names *ret, const struct config *c)
{
	const char *last = NULL;

	for (size_t i = 0; i < c->n_problems; i++) {
		const struct problem *p = &c->problems[i];

		if (p->severity != SEVERITY_ERROR || !p->place.file)
			continue;
		if (!last || strcmp(p->place.file, last) != 0)
			add_name(ret, p->place.file);
		last = p->place.file;
	}
}

struct differences {
	struct names more, less; /* what the service has, and what it has not */
};

static struct differences compare_both(struct doctor *d)
{
	struct differences x = {.more.text = BUF_INIT(4096), .less.text = BUF_INIT(4096)};
	struct live_action *files;
	size_t n;

	if (d->n_live)
		qsort(d->live, d->n_live, sizeof(*d->live), compare);
	files = list_config(d->config, &n);
	if (files) {
		list_missing(&x.more, d->live, d->n_live, files, n);
		list_missing(&x.less, files, n, d->live, d->n_live);
	}
	for (size_t i = 0; files && i < n; i++)
		free(files[i].name);
	free(files);
	return x;
}

static void tell(struct doctor *d, const struct names *more, const struct names *less)
{
	struct names where = {.text = BUF_INIT(64 * 1024)};

	list_files(&where, d->config);
	if (more->n && d->config->n_errors)
		doctor_found(d, AREA, "flagman check says what to mend",
			"what %s now says is held back, for it has mistakes; as they were before "
			"them: %s",
			buf_str(&where.text), buf_str(&more->text));
	else if (more->n)
		doctor_found(d, AREA, "flagman reload", "flagman has what no snippet has: %s",
			buf_str(&more->text));
	if (less->n)
		doctor_found(d, AREA, "flagman reload; its complaints: journalctl -u flagman",
			"flagman does not have %s, as the snippets do", buf_str(&less->text));
	buf_done(&where.text);
}

/* --run-dir without --conf-dir, or the other way round, may be two instances. */
static bool belong_together(const struct cli *cli)
{
	return cli->conf_dir_given == (strcmp(cli->run_dir, CLI_RUN_DIR) != 0);
}

void doctor_live(struct doctor *d)
{
	struct differences x;

	if (!d->asked || !belong_together(d->cli))
		return;
	x = compare_both(d);
	tell(d, &x.more, &x.less);
	buf_done(&x.more.text);
	buf_done(&x.less.text);
}

/* ---- what was written just now ---- */

static int64_t newer(int64_t than, int dir, const char *name)
{
	struct file_info info;

	return file_info_at(dir, name, &info) == 0 && info.mtime_ns > than ? info.mtime_ns : than;
}

/* Nanoseconds since 1970. */
static int64_t last_change(const struct doctor *d)
{
	_cleanup_dir_ DIR *conf = dir_open(AT_FDCWD, d->cli->conf_dir);
	int64_t when = newer(0, AT_FDCWD, d->load->main_file);

	if (!conf)
		return when;
	when = newer(when, dirfd(conf), "");
	for (const struct dirent *e; (e = dir_next(conf));)
		when = newer(when, dirfd(conf), e->d_name);
	return when;
}

/* What has mistakes is not taken up, however long one waits. */
static bool is_in_step(const struct doctor *d)
{
	struct doctor now = {.cli = d->cli, .load = d->load, .config = d->config};
	bool same = true;

	if (doctor_ask_live(&now) == 0) {
		struct differences x = compare_both(&now);
		same = !x.less.n && (!x.more.n || d->config->n_errors);
		buf_done(&x.more.text);
		buf_done(&x.less.text);
	}
	doctor_done(&now);
	return same;
}

void doctor_await(const struct doctor *d)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	bool same = !d->config || !belong_together(d->cli) ||
		    (geteuid() != 0 && d->load->options.privileged); /* who is not told of all */

	while (!same) {
		int64_t age = now_realtime() * 1000 - last_change(d);
		if (age < 0 || age > YOUNG_NS)
			return;
		same = is_in_step(d);
		nanosleep(&pause, NULL); /* flags and Samba's share come a little later */
	}
}
