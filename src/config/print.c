/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/print.h"

#include "common/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_text(enum type t)
{
	return t == TYPE_NAME || t == TYPE_TEXT || t == TYPE_PATH || t == TYPE_WORKDIR ||
	       t == TYPE_ENVFILE || t == TYPE_CONTEXT || t == TYPE_JOURNAL || t == TYPE_PROFILE;
}

/* Nothing was said, and nothing can be said to the same effect. */
static bool is_absent(
	const struct printer *p, const struct key *k, const char *slot, const struct how *how)
{
	if (is_text(k->type))
		return !*(char *const *)(const void *)slot;
	if (how && k->type == TYPE_RUN_AS)
		return !how->user_set;
	if (how && k->type >= TYPE_LIMIT_COUNT && k->type <= TYPE_LIMIT_USEC)
		return !(how->limits_set >> k->extra & 1);
	if (p->compact && key_id(k) == KEY_BOUNDING)
		return how->bounding == (how->uid == 0 ? all_capabilities() : how->ambient);
	return false;
}

/* "key: value" in a line of its own, unless there is none, or COMPACT and as by default. */
static void put_key(struct printer *p, FILE *out, const struct key *k, const char *base,
	const struct how *how, const char *indent)
{
	const char *slot = base + k->offset;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f;

	if (is_absent(p, k, slot, how))
		return;
	if (!p->compact || !p->defaults[key_id(k)]) {
		fprintf(out, "%s%s: ", indent, k->name);
		put_value(p, out, k, slot, how);
		fputc('\n', out);
		return;
	}
	f = open_memstream(&text, &size);
	if (!f) {
		p->l->error = -ENOMEM;
		return;
	}
	put_value(p, f, k, slot, how);
	fclose(f);
	if (text && strcmp(text, p->defaults[key_id(k)]) != 0)
		fprintf(out, "%s%s: %s\n", indent, k->name, text);
}

/* ---- actions ---- */

static char *put_draft(struct printer *p, const struct draft *d, bool press)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		p->l->error = -ENOMEM;
		return NULL;
	}
	for (const struct key *k = schema; k < schema + KEY_N; k++)
		if (k->home == HOME_DRAFT && (k->offset < offsetof(struct draft, how)) == press &&
			k->offset < offsetof(struct draft, description))
			put_key(p, f, k, (const char *)d, &d->how, "      ");
	fclose(f);
	return text;
}

/* The lines of a struct press or struct how, from the cache or put together. */
static const char *cached(struct printer *p, struct block *blocks, size_t *n, const struct draft *d,
	const void *of, bool press)
{
	struct block *b;

	for (size_t i = 0; i < *n && i < PRINT_CACHE; i++)
		if (blocks[i].of == of)
			return blocks[i].text;
	b = &blocks[(*n)++ % PRINT_CACHE];
	free(b->text);
	*b = (struct block){of, put_draft(p, d, press)};
	return b->text;
}

static void print_how(struct printer *p, const struct action *a)
{
	struct draft d;
	const char *text;

	memset(&d, 0, sizeof(d));
	memcpy(&d.press, a->press, sizeof(d.press));
	memcpy(&d.how, a->how, sizeof(d.how));
	text = cached(p, p->press, &p->n_press, &d, a->press, true);
	fputs(text ? text : "", p->out);
	text = cached(p, p->how, &p->n_how, &d, a->how, false);
	fputs(text ? text : "", p->out);
}

/* {"/usr/bin/systemctl", VERB, "--", UNIT} or {"/usr/sbin/service", UNIT, VERB} */
static void print_service(struct printer *p, const struct action *a)
{
	bool systemd = a->argv[3] != NULL;

	fputs("      service: {unit: ", p->out);
	put_quoted(p->out, systemd ? a->argv[3] : a->argv[1]);
	fprintf(p->out, ", verb: %s}\n", systemd ? a->argv[1] : a->argv[2]);
}

/* {PROGRAM, "burn", "--device=/dev/sr0", "--verify"} */
static void print_disc(struct printer *p, const struct action *a)
{
	fprintf(p->out, "      %s: {", a->argv[1]);
	for (size_t i = 2; a->argv[i]; i++) {
		const char *name = a->argv[i] + 2;
		size_t n = strcspn(name, "=");

		fprintf(p->out, "%s%.*s: ", i > 2 ? ", " : "", (int)n, name);
		if (name[n])
			put_quoted(p->out, name + n + 1);
		else
			fputs("yes", p->out);
	}
	fputs("}\n", p->out);
}

static void print_what(struct printer *p, const struct action *a)
{
	switch (a->type) {
	case ACTION_COMMAND:
		fputs("      command: ", p->out);
		put_list(p->out, a->argv);
		fputc('\n', p->out);
		break;
	case ACTION_SCRIPT:
		fputs("      script: ", p->out);
		put_script(p->out, a->script, "        ");
		break;
	case ACTION_SERVICE:
		print_service(p, a);
		break;
	default:
		print_disc(p, a);
		break;
	}
}

static void print_drop(struct printer *p, const struct drop *drop)
{
	fputs("      drop:\n", p->out);
	for (const struct key *k = schema; k < schema + KEY_N; k++)
		if (k->home == HOME_DROP)
			put_key(p, p->out, k, (const char *)drop, NULL, "        ");
}

static void print_action(struct printer *p, const struct action *a)
{
	if (a->misconfigured) {
		fprintf(p->out, "    # \"%s\" is misconfigured: %s\n", a->name, a->misconfigured);
		return;
	}
	fputs("    - name: ", p->out);
	put_text(p->out, a->name);
	fputc('\n', p->out);
	if (a->description) {
		fputs("      description: ", p->out);
		put_script(p->out, a->description, "        ");
	}
	print_what(p, a);
	print_how(p, a);
	if (a->drop)
		print_drop(p, a->drop);
}

/* ---- groups ---- */

static bool comes_from(const struct action *a, const char *file)
{
	return !file || strcmp(a->place.file, file) == 0;
}

bool is_printable(const struct group *g, const char *file)
{
	for (size_t i = 0; i < g->n_actions; i++)
		if (comes_from(&g->actions[i], file) && !g->actions[i].misconfigured)
			return true;
	return false;
}

static void print_table(struct printer *p, const struct group *g, enum where w, const char *name)
{
	fprintf(p->out, "  %s:\n", name);
	for (const struct key *k = schema; k < schema + KEY_N; k++)
		if ((k->where & w) && !(key_id(k) == KEY_FILE_USER && !g->file_uid_set))
			put_key(p, p->out, k, (const char *)g, NULL, "    ");
}

static void print_labels(struct printer *p, const struct group *g)
{
	bool any = false;

	for (const struct key *k = schema; k < schema + KEY_N; k++) {
		if (k->type != TYPE_LABEL || !g->labels[k->extra])
			continue;
		if (!any)
			fputs("  labels:\n", p->out);
		any = true;
		fprintf(p->out, "    %s: ", k->name);
		put_quoted(p->out, g->labels[k->extra]);
		fputc('\n', p->out);
	}
}

void print_group(struct printer *p, const struct group *g, const char *file)
{
	bool empty = !is_printable(g, file);

	fputs("---\nobject: ", p->out);
	put_text(p->out, g->object);
	if (file) {
		fputs("\nsource: ", p->out);
		put_quoted(p->out, file);
	}
	fputs("\naction-group:\n", p->out);
	for (const struct key *k = schema; k < schema + KEY_N; k++) {
		if (!(k->where & IN_GROUP))
			continue;
		if (key_id(k) == KEY_DIRECTORY)
			print_table(p, g, IN_DIRECTORY, k->name);
		else if (key_id(k) == KEY_FILE)
			print_table(p, g, IN_FILE, k->name);
		else if (key_id(k) == KEY_LABELS)
			print_labels(p, g);
		else if (key_id(k) == KEY_GROUP_NAME && !g->name[0])
			continue;
		else if (k->home == HOME_GROUP)
			put_key(p, p->out, k, (const char *)g, NULL, "  ");
	}
	fprintf(p->out, "  actions:%s\n", empty ? " []" : "");
	for (size_t i = 0; i < g->n_actions; i++)
		if (comes_from(&g->actions[i], file) && (!file || !g->actions[i].misconfigured))
			print_action(p, &g->actions[i]);
}

/* ---- all ---- */

static void remember_defaults(struct printer *p)
{
	const struct loader *l = p->l;

	if (!l)
		return;
	for (const struct key *k = schema; k < schema + KEY_N; k++) {
		const char *base = k->home == HOME_DRAFT   ? (const char *)&l->defaults
				   : k->home == HOME_DROP  ? (const char *)l->defaults.drop
				   : k->home == HOME_GROUP ? (const char *)&l->group_defaults
							   : NULL;
		size_t size;
		FILE *f;

		if (!k->fallback || !base)
			continue;
		f = open_memstream(&p->defaults[key_id(k)], &size);
		if (!f)
			continue;
		put_value(p, f, k, base + k->offset, &l->defaults.how);
		fclose(f);
	}
}

int printer_init(struct printer *p, struct loader *l, FILE *out, bool secrets, bool compact)
{
	memset(p, 0, sizeof(*p));
	p->l = l;
	p->out = out;
	p->secrets = secrets;
	p->compact = compact;
	if (compact)
		remember_defaults(p);
	return 0;
}

void printer_done(struct printer *p)
{
	for (size_t i = 0; i < KEY_N; i++)
		free(p->defaults[i]);
	for (size_t i = 0; i < PRINT_CACHE; i++) {
		free(p->press[i].text);
		free(p->how[i].text);
	}
}

static void print_settings(struct printer *p, const struct settings *settings)
{
	fputs("# flagman.yaml\n", p->out);
	for (const struct key *k = schema; k < schema + KEY_N; k++)
		if (k->home == HOME_SETTINGS)
			put_key(p, p->out, k, (const char *)settings, NULL, "# ");
}

int config_print(const struct config *c, FILE *out, bool secrets)
{
	const struct config_options none = {.privileged = true};
	struct loader l;
	struct printer p;
	int r = loader_start(&l, &none);

	if (r == 0) {
		printer_init(&p, &l, out, secrets, false);
		print_settings(&p, &c->settings);
		for (size_t i = 0; i < c->n_groups; i++)
			print_group(&p, &c->groups[i], NULL);
		printer_done(&p);
		r = l.error ? l.error : ferror(out) ? -EIO : 0;
	}
	config_free(l.config);
	loader_finish(&l);
	return r;
}
