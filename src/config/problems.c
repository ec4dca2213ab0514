/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/loader.h"

#include "common/buf.h"
#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 2000

struct place node_place(const struct loader *l, const struct node *n)
{
	return (struct place){.file = l->file, .line = n->line, .column = n->column};
}

static int add_place(struct buf *b, const struct place *p)
{
	if (p->line == 0)
		return buf_addf(b, "%s", p->file);
	return buf_addf(b, "%s:%u:%u", p->file, p->line, p->column);
}

char *place_words(struct loader *l, const struct place *p)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(8192);
	char *s;

	add_place(&b, p);
	s = arena_string(l->arena, buf_str(&b));
	return s ? s : (char *)(uintptr_t)p->file;
}

/* "file:line:column: error: message": what a misconfigured flag shows. */
static void remember_first(struct loader *l, const struct place *at, const char *message)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(16384);

	if (l->first)
		return;
	add_place(&b, at);
	buf_addf(&b, ": error: %s", message);
	l->first = arena_string(l->arena, buf_str(&b));
}

static void add_problem(
	struct loader *l, enum severity severity, const struct place *at, const char *message)
{
	struct problem *p;

	if (l->n_problems >= PROBLEMS_MAX) {
		l->n_untold++;
		return;
	}
	if (l->n_problems == l->problems_cap) {
		size_t cap = l->problems_cap ? l->problems_cap * 2 : 16;

		p = reallocarray(l->problems, cap, sizeof(*p));
		if (!p) {
			l->error = -ENOMEM;
			return;
		}
		l->problems = p;
		l->problems_cap = cap;
	}
	p = &l->problems[l->n_problems++];
	*p = (struct problem){
		.severity = severity,
		.place = *at,
		.message = arena_string(l->arena, message),
		.object = l->object ? arena_string(l->arena, l->object) : NULL,
		.group = l->group ? arena_string(l->arena, l->group) : NULL,
	};
	if (!p->message)
		l->error = -ENOMEM;
}

/* Values of the file stand in the message: it is made one printable line as a whole. */
static void say(struct loader *l, enum severity severity, const struct place *at, const char *fmt,
	va_list ap) __attribute__((format(printf, 4, 0)));
static void say(struct loader *l, enum severity severity, const struct place *at, const char *fmt,
	va_list ap)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(MESSAGE_MAX * 8);
	char raw[MESSAGE_MAX];

	if (severity == SEVERITY_ERROR)
		l->errors++;
	if (l->mute)
		return;
	vsnprintf(raw, sizeof(raw), fmt, ap);
	text_printable(&b, raw, strlen(raw));
	if (severity == SEVERITY_ERROR)
		remember_first(l, at, buf_str(&b));
	add_problem(l, severity, at, buf_str(&b));
}

bool wrong_at(struct loader *l, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(l, SEVERITY_ERROR, at, fmt, ap);
	va_end(ap);
	return false;
}

bool wrong(struct loader *l, const struct node *at, const char *fmt, ...)
{
	struct place p = node_place(l, at);
	va_list ap;

	va_start(ap, fmt);
	say(l, SEVERITY_ERROR, &p, fmt, ap);
	va_end(ap);
	return false;
}

void warn_of(struct loader *l, const struct node *at, const char *fmt, ...)
{
	struct place p = node_place(l, at);
	va_list ap;

	va_start(ap, fmt);
	say(l, SEVERITY_WARNING, &p, fmt, ap);
	va_end(ap);
}

static int compare_problems(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;
	int r = strcmp(x->place.file, y->place.file);

	if (r)
		return r;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	return strcmp(x->message, y->message);
}

/* One mistake in an anchored mapping is found at each of its uses: said once. */
static size_t drop_repeats(struct problem *p, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (kept == 0 || compare_problems(&p[kept - 1], &p[i]) != 0)
			p[kept++] = p[i];
	return kept;
}

/* Nobody reads a thousand of them, but nobody should think that these are all. */
static void tell_of_untold(struct loader *l, struct config *c)
{
	char message[80];

	if (!l->n_untold)
		return;
	snprintf(message, sizeof(message), "... and %zu more", l->n_untold);
	c->problems[c->n_problems] = c->problems[c->n_problems - 1];
	c->problems[c->n_problems].severity = SEVERITY_ERROR;
	c->problems[c->n_problems++].message = arena_string(l->arena, message);
}

int problems_finish(struct loader *l)
{
	struct config *c = l->config;

	if (l->error)
		return l->error;
	if (l->n_problems == 0)
		return 0;
	qsort(l->problems, l->n_problems, sizeof(*l->problems), compare_problems);
	l->n_problems = drop_repeats(l->problems, l->n_problems);
	c->problems = arena_alloc(l->arena, (l->n_problems + 1) * sizeof(*c->problems));
	if (!c->problems)
		return -ENOMEM;
	memcpy(c->problems, l->problems, l->n_problems * sizeof(*c->problems));
	c->n_problems = l->n_problems;
	tell_of_untold(l, c);
	for (size_t i = 0; i < c->n_problems; i++)
		c->n_errors += c->problems[i].severity == SEVERITY_ERROR;
	return 0;
}

void config_print_problems(const struct config *c, FILE *out)
{
	for (size_t i = 0; i < c->n_problems; i++) {
		const struct problem *p = &c->problems[i];
		const char *word = p->severity == SEVERITY_ERROR ? "error" : "warning";

		if (p->place.line)
			fprintf(out, "%s:%u:%u: %s: %s\n", p->place.file, p->place.line,
				p->place.column, word, p->message);
		else
			fprintf(out, "%s: %s: %s\n", p->place.file, word, p->message);
	}
}
