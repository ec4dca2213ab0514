/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service against the files: does it run what they say?  It keeps the last good version of
 * what has mistakes, so that buttons live on; the administrator should know which.
 */
#include "cli/doctor.h"

#include "cli/target.h"
#include "common/buf.h"

#include <stdlib.h>
#include <string.h>

#define AREA  "service"
#define NAMES 3

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

static void compare_both(struct doctor *d, const struct live_action *files, size_t n)
{
	struct names more = {.text = BUF_INIT(4096)}, less = {.text = BUF_INIT(4096)},
		     where = {.text = BUF_INIT(64 * 1024)};

	list_missing(&more, d->live, d->n_live, files, n);
	list_missing(&less, files, n, d->live, d->n_live);
	list_files(&where, d->config);
	if (more.n && d->config->n_errors)
		doctor_found(d, AREA, "flagman check says what to mend",
			"what %s now says is held back, for it has mistakes; as they were before "
			"them: %s",
			buf_str(&where.text), buf_str(&more.text));
	else if (more.n)
		doctor_found(d, AREA, "flagman reload", "flagman has what no snippet has: %s",
			buf_str(&more.text));
	if (less.n)
		doctor_found(d, AREA, "flagman reload; its complaints: journalctl -u flagman",
			"flagman does not have %s, as the snippets do", buf_str(&less.text));
	buf_done(&more.text);
	buf_done(&less.text);
	buf_done(&where.text);
}

/* --run-dir without --conf-dir, or the other way round, may be two instances. */
static bool belong_together(const struct cli *cli)
{
	return cli->conf_dir_given == (strcmp(cli->run_dir, CLI_RUN_DIR) != 0);
}

void doctor_live(struct doctor *d)
{
	struct live_action *files;
	size_t n;

	if (!d->asked || !belong_together(d->cli))
		return;
	if (d->n_live)
		qsort(d->live, d->n_live, sizeof(*d->live), compare);
	files = list_config(d->config, &n);
	if (!files)
		return;
	compare_both(d, files, n);
	for (size_t i = 0; i < n; i++)
		free(files[i].name);
	free(files);
}
