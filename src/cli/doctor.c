/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/doctor.h"

#include "cli/json.h"
#include "cli/target.h"
#include "cli/term.h"
#include "common/buf.h"
#include "common/fd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static struct finding *add(struct finding **list, size_t *n, const char *area)
{
	struct finding *p = reallocarray(*list, *n + 1, sizeof(*p));

	if (!p)
		return NULL;
	*list = p;
	p[*n] = (struct finding){.area = area};
	return &p[(*n)++];
}

static char *format(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static char *format(const char *fmt, va_list ap)
{
	char *s;

	return vasprintf(&s, fmt, ap) < 0 ? NULL : s;
}

void doctor_found(struct doctor *d, const char *area, const char *advice, const char *fmt, ...)
{
	struct finding *f = add(&d->findings, &d->n_findings, area);
	va_list ap;

	if (!f)
		return;
	va_start(ap, fmt);
	f->message = format(fmt, ap);
	va_end(ap);
	f->advice = advice ? strdup(advice) : NULL;
}

void doctor_advise(struct doctor *d, const char *fmt, ...)
{
	struct finding *f = d->n_findings ? &d->findings[d->n_findings - 1] : NULL;
	va_list ap;

	if (!f)
		return;
	free(f->advice);
	va_start(ap, fmt);
	f->advice = format(fmt, ap);
	va_end(ap);
}

void doctor_unseen(struct doctor *d, const char *area, const char *fmt, ...)
{
	struct finding *f = add(&d->unseen, &d->n_unseen, area);
	va_list ap;

	if (!f)
		return;
	va_start(ap, fmt);
	f->message = format(fmt, ap);
	va_end(ap);
}

void doctor_parent(const struct doctor *d, char *buf, size_t size)
{
	const char *slash = strrchr(d->load->main_file, '/');
	int n = slash ? (int)(slash - d->load->main_file) : 0;

	snprintf(buf, size, "%.*s", n ? n : 1, n ? d->load->main_file : "/");
}

char *doctor_name(char *buf, const struct group *g, const struct action *a)
{
	return target_name(buf, g->object, g->name, a->name);
}

static void free_list(struct finding *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].message);
		free(list[i].advice);
	}
	free(list);
}

static struct json_object *json_list(const struct finding *list, size_t n, bool advice)
{
	struct json_object *array = json_object_new_array(), *o;

	for (size_t i = 0; i < n; i++) {
		o = json_object_new_object();
		json_object_object_add(o, "area", json_object_new_string(list[i].area));
		json_object_object_add(o, "message", json_text_or_null(list[i].message));
		if (advice)
			json_object_object_add(o, "advice", json_text_or_null(list[i].advice));
		json_object_array_add(array, o);
	}
	return array;
}

static void print_json(const struct doctor *d)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(d->n_findings == 0));
	json_object_object_add(o, "findings", json_list(d->findings, d->n_findings, true));
	json_object_object_add(o, "unseen", json_list(d->unseen, d->n_unseen, false));
	json_print(o, true, stdout);
}

/* "AREA: what is wrong: what to do", one line each. */
static void print_line(const struct term *t, enum style style, const struct finding *f)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(64 * 1024);

	buf_adds(&b, f->message ? f->message : "out of memory");
	if (f->advice)
		buf_addf(&b, ": %s", f->advice);
	printf("%s%s%s: ", term_on(t, style), f->area, term_off(t, style));
	term_line(buf_str(&b));
}

static void print_text(const struct doctor *d)
{
	struct term t = term_init(d->cli);

	for (size_t i = 0; i < d->n_findings; i++)
		print_line(&t, STYLE_RED, &d->findings[i]);
	for (size_t i = 0; i < d->n_unseen; i++)
		print_line(&t, STYLE_DIM, &d->unseen[i]);
	if (d->n_findings)
		printf("%zu thing%s to mend\n", d->n_findings, d->n_findings == 1 ? "" : "s");
	else
		puts(d->n_unseen ? "nothing wrong with what could be seen" : "all is well");
}

static void look(struct doctor *d)
{
	doctor_service(d);
	doctor_conf_dir(d);
	doctor_snippets(d);
	if (!d->config)
		return;
	doctor_live(d);
	doctor_directories(d);
	doctor_ways(d);
	doctor_commands(d);
	doctor_drives(d);
	doctor_shares(d);
	doctor_audit(d);
	doctor_labels(d);
	doctor_apparmor(d);
	doctor_limits(d);
	doctor_user(d);
}

void doctor_done(struct doctor *d)
{
	free_list(d->findings, d->n_findings);
	free_list(d->unseen, d->n_unseen);
	for (size_t i = 0; i < d->n_live; i++)
		free(d->live[i].name);
	free(d->live);
}

static void unreadable(struct doctor *d, int error)
{
	const char *conf = d->cli->conf_dir;

	doctor_found(d, "configuration", NULL, "%s can't be read: %s", conf, strerror(-error));
	if (error == -ENOENT)
		doctor_advise(d, "mkdir -p '%s'; then flagman new writes a snippet", conf);
}

int verb_doctor(const struct cli *cli)
{
	_cleanup_(load_config_freep) struct config *c = NULL;
	_cleanup_(load_done) struct load l = {0};
	struct doctor d = {.cli = cli, .load = &l};
	int r;

	if (load_init(cli, &l) < 0) {
		cli_error("out of memory");
		return EX_OSERR;
	}
	r = config_load(&l.options, &c);
	if (r < 0)
		unreadable(&d, r);
	d.config = c;
	doctor_await(&d);
	look(&d);
	if (cli->json)
		print_json(&d);
	else
		print_text(&d);
	r = d.n_findings ? 1 : EX_OK;
	doctor_done(&d);
	return r;
}
