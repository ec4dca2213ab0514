/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an action runs: its argv, built here once, so that the executor never puts a command
 * together.
 */
#include "config/loader.h"

#include "common/buf.h"
#include "common/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_MAX   1024
#define LINE_MAX_  131072
#define SCRIPT_MAX 262144

static bool set_argv(struct loader *l, struct action *a, const char *const *words, size_t n)
{
	const char *interned[ARGS_MAX];

	for (size_t i = 0; i < n; i++) {
		interned[i] = arena_string(l->arena, words[i]);
		if (!interned[i]) {
			l->error = -ENOMEM;
			return false;
		}
	}
	a->argv = unique_strings(l, interned, n);
	return a->argv != NULL;
}

static const char *const program_dirs[] = {
	"/usr/local/sbin",
	"/usr/local/bin",
	"/usr/sbin",
	"/usr/bin",
	"/sbin",
	"/bin",
	NULL,
};

/* The first of the usual directories that has the program, or NULL. */
static const char *find_program(struct loader *l, const char *name, char buf[static 300])
{
	for (size_t i = 0; program_dirs[i] && strlen(name) < 200 && !strchr(name, '/'); i++) {
		snprintf(buf, 300, "%s/%s", program_dirs[i], name);
		if (l->hooks->is_program(buf))
			return buf;
	}
	return NULL;
}

/* Looks for PATH once for each load: many actions run the same program. */
static bool is_there(struct loader *l, const char *path)
{
	if (arena_has(l->programs, path))
		return true;
	if (!l->hooks->is_program(path))
		return false;
	arena_string(l->programs, path);
	return true;
}

static bool check_program(struct loader *l, const struct node *v, const char *program)
{
	char found[300];

	if (program[0] != '/') {
		if (find_program(l, program, found))
			return wrong(l, v, "command: write the program's path: %s", found);
		return wrong(l, v, "command: \"%s\" is not an absolute path of a program", program);
	}
	if (!l->mute && !is_there(l, program))
		warn_of(l, v, "command: there is no program %s on this machine", program);
	return true;
}

static bool wrong_split(struct loader *l, const struct node *v, enum split_error e, size_t at)
{
	const char *p = v->text + at;
	int n = p[0] && p[0] == p[1] && strchr("&|<>", p[0]) ? 2 : 1;

	switch (e) {
	case SPLIT_EMPTY:
		return wrong(l, v, "command is empty");
	case SPLIT_QUOTE:
		return wrong(l, v, "command: a quote is not closed");
	case SPLIT_BACKSLASH:
		return wrong(l, v, "command ends in a backslash");
	case SPLIT_SHELL:
		if (*p == '\n')
			return wrong(l, v,
				"command has several lines; that is a script: write script: | "
				"instead");
		return wrong(l, v,
			"command: no shell runs it, so \"%.*s\" would do nothing; write script: "
			"instead of command:, or quote it if the program shall get it",
			n, p);
	case SPLIT_VARIABLE:
		return wrong(l, v,
			"command: no shell runs it, so \"%.12s\" would not be replaced; write "
			"script: instead of command:, or put it in single quotes if the program "
			"shall get it",
			p);
	case SPLIT_GLOB:
		return wrong(l, v,
			"command: no shell runs it, so \"%c\" would not be expanded; write script: "
			"instead of command:, or quote it if the program shall get it",
			*p);
	default:
		l->error = -ENOMEM;
		return false;
	}
}

static bool read_line(struct loader *l, const struct node *v, struct action *a)
{
	_cleanup_(buf_done) struct buf words = BUF_INIT(LINE_MAX_);
	const char *argv[ARGS_MAX], *p;
	enum split_error e;
	size_t n = 0, at = 0;

	if (v->n > LINE_MAX_ / 2)
		return wrong(l, v, "command is longer than %d bytes", LINE_MAX_ / 2);
	e = split_line(v->text, &words, &n, &at);
	if (e != SPLIT_OK)
		return wrong_split(l, v, e, at);
	if (n > ARGS_MAX)
		return wrong(l, v, "command has more than %d words", ARGS_MAX);
	p = words.data;
	for (size_t i = 0; i < n; i++, p += strlen(p) + 1)
		argv[i] = p;
	return check_program(l, v, argv[0]) && set_argv(l, a, argv, n);
}

static bool read_command(struct loader *l, const struct node *v, struct action *a)
{
	const char *argv[ARGS_MAX];

	if (v->kind == NODE_MAP)
		return wrong(l, v,
			"command of an action is what it runs; user, group and the like stand "
			"beside it");
	if (v->kind != NODE_LIST)
		return want_scalar(l, "command", v) && read_line(l, v, a);
	if (v->n == 0)
		return wrong(l, v, "command is empty");
	if (v->n > ARGS_MAX)
		return wrong(l, v, "command has more than %d words", ARGS_MAX);
	for (uint32_t i = 0; i < v->n; i++) {
		const struct node *e = v->items[i];

		/* "" is an argument like any other, and so is null in a list of words. */
		if (!(e->kind == NODE_SCALAR && e->n == 0) && !want_scalar(l, "command", e))
			return false;
		argv[i] = e->text;
	}
	return check_program(l, v->items[0], argv[0]) && set_argv(l, a, argv, v->n);
}

static bool read_script(struct loader *l, const struct node *v, struct action *a)
{
	static const char *const argv[] = {"/bin/sh", "-e"};

	if (!want_scalar(l, "script", v))
		return false;
	if (v->text[strspn(v->text, " \t\n")] == '\0')
		return wrong(l, v, "script is empty");
	if (v->n > SCRIPT_MAX)
		return wrong(
			l, v, "script is longer than %d bytes; put it into a file", SCRIPT_MAX);
	if (v->text[0] == '#' && v->text[1] == '!')
		warn_of(l, v,
			"script: it is run by /bin/sh -e whatever its first line says; put it "
			"into a file and write command: for another interpreter");
	a->type = ACTION_SCRIPT;
	a->script = arena_string(l->arena, v->text);
	return a->script && set_argv(l, a, argv, 2);
}

/* service(8) knows no suffix. */
static const char *without_suffix(const char *unit, char buf[static 256])
{
	/* an action of this type has a unit, or was refused before */
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	size_t n = strlen(unit);

	snprintf(buf, 256, "%s", unit);
	if (n > 8 && n < 256 && strcmp(unit + n - 8, ".service") == 0)
		buf[n - 8] = '\0';
	return buf;
}

/* systemctl(1) where systemd is PID 1, as sd_booted(3) finds out; looked for once. */
static const char *service_program(struct loader *l)
{
	char found[300];
	const char *program;

	if (l->service_program)
		return l->service_program;
	l->systemd = l->hooks->is_directory("/run/systemd/system");
	program = find_program(l, l->systemd ? "systemctl" : "service", found);
	if (!program)
		program = l->systemd ? "/usr/bin/systemctl" : "/usr/sbin/service";
	l->service_program = arena_string(l->arena, program);
	return program == found ? l->service_program : program;
}

static bool set_service(struct loader *l, struct action *a, const char *unit, int verb)
{
	const char *word = schema[KEY_SERVICE_VERB].words[verb], *program = service_program(l);
	char bare[256];

	a->type = ACTION_SERVICE;
	if (!program)
		return false;
	if (l->systemd)
		return set_argv(l, a, (const char *const[]){program, word, "--", unit}, 4);
	return set_argv(l, a, (const char *const[]){program, without_suffix(unit, bare), word}, 3);
}

static bool read_restart(
	struct loader *l, const struct key *k, const struct node *v, struct action *a)
{
	char *unit = NULL;

	return read_value(l, k, v, &(struct scope){.plain = &unit}) &&
	       set_service(l, a, unit, SERVICE_RESTART);
}

static bool read_service(struct loader *l, const struct node *v, struct action *a)
{
	struct key_set set = {0};
	struct scope s = {.set = &set};
	char *unit = NULL;
	int verb = 0;
	const struct node *node;
	size_t before = l->errors;

	if (v->kind == NODE_SCALAR && !node_is_null(v))
		return wrong(l, v, "service is a mapping: {unit: %s, verb: restart}", v->text);
	if (!want_map(l, "service", v))
		return false;
	if (read_table(l, v, IN_SERVICE, &s))
		require_keys(l, v, IN_SERVICE, &set);
	node = scope_find(&s, KEY_SERVICE_UNIT);
	if (node)
		read_value(l, &schema[KEY_SERVICE_UNIT], node, &(struct scope){.plain = &unit});
	node = scope_find(&s, KEY_SERVICE_VERB);
	if (node)
		read_value(l, &schema[KEY_SERVICE_VERB], node,
			&(struct scope){.plain = (char **)(void *)&verb});
	return l->errors == before && set_service(l, a, unit, verb);
}

bool read_what(struct loader *l, const struct key *k, const struct node *v, struct draft *d,
	struct action *a)
{
	switch (key_id(k)) {
	case KEY_COMMAND:
		return read_command(l, v, a);
	case KEY_SCRIPT:
		return read_script(l, v, a);
	case KEY_RESTART_SERVICE:
		return read_restart(l, k, v, a);
	case KEY_SERVICE:
		return read_service(l, v, a);
	default:
		return read_disc(l, k, v, d, a);
	}
}
