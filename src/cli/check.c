/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flagman check: is the configuration right?  Needs no service. */
#include "cli/json.h"
#include "cli/load.h"
#include "cli/term.h"
#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

static bool is_main_file(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, "flagman.yaml") == 0;
}

/* The paths that were given: one directory instead of conf.d, or files, one of which may be
 * flagman.yaml.  They are drafts: who owns them does not matter. */
static int take_paths(const struct cli *cli, struct load *l, char **files)
{
	struct stat st;
	size_t n = 0;

	l->options.skip_trust = true;
	l->options.main_file = NULL;
	l->options.conf_dir = NULL;
	for (int i = 0; i < cli->n_args; i++) {
		if (stat(cli->args[i], &st) < 0) {
			cli_error("%s: %m", cli->args[i]);
			return EX_NOINPUT;
		}
		if (S_ISDIR(st.st_mode) && cli->n_args > 1) {
			cli_error("%s: give one directory, or files", cli->args[i]);
			return EX_USAGE;
		}
		if (S_ISDIR(st.st_mode))
			load_conf_dir(l, cli->args[i]);
		else if (is_main_file(cli->args[i]))
			l->options.main_file = cli->args[i];
		else
			files[n++] = cli->args[i];
	}
	if (!l->options.conf_dir)
		l->options.files = files;
	return 0;
}

static void print_problems(const struct config *c)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	config_print_problems(c, f);
	if (fclose(f) < 0)
		return;
	for (char *line, *rest = text; (line = strsep(&rest, "\n"));)
		if (*line)
			term_line(line);
}

static struct json_object *json_problem(const struct problem *p)
{
	struct json_object *o = json_object_new_object();
	const char *severity = p->severity == SEVERITY_ERROR ? "error" : "warning";

	json_object_object_add(o, "severity", json_object_new_string(severity));
	json_object_object_add(o, "file", json_text_or_null(p->place.file));
	json_object_object_add(
		o, "line", p->place.line ? json_object_new_int((int)p->place.line) : NULL);
	json_object_object_add(
		o, "column", p->place.line ? json_object_new_int((int)p->place.column) : NULL);
	json_object_object_add(o, "message", json_text_or_null(p->message));
	json_object_object_add(o, "object", json_text_or_null(p->object));
	json_object_object_add(o, "group", json_text_or_null(p->group));
	return o;
}

static void print_json(const struct config *c)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();

	for (size_t i = 0; i < c->n_problems; i++)
		json_object_array_add(a, json_problem(&c->problems[i]));
	json_object_object_add(o, "ok", json_object_new_boolean(c->n_errors == 0));
	json_object_object_add(o, "groups", json_object_new_uint64(c->n_groups));
	json_object_object_add(o, "actions", json_object_new_uint64(c->n_actions));
	json_object_object_add(o, "problems", a);
	json_print(o, true, stdout);
}

static void print_summary(const struct config *c)
{
	if (c->n_errors)
		printf("%zu error%s\n", c->n_errors, c->n_errors == 1 ? "" : "s");
	else
		printf("configuration OK: %zu group%s, %zu action%s\n", c->n_groups,
			c->n_groups == 1 ? "" : "s", c->n_actions, c->n_actions == 1 ? "" : "s");
}

static int check(const struct cli *cli, struct load *l)
{
	_cleanup_(load_config_freep) struct config *c = NULL;
	int r = load_config(cli, l, &c);

	if (r)
		return r;
	if (cli->json) {
		print_json(c);
	} else if (cli->given & OPTION_PRINT) {
		/* On stderr, so that what is printed can be read back. */
		config_print_problems(c, stderr);
		config_print(c, stdout, false);
	} else {
		print_problems(c);
		print_summary(c);
	}
	return c->n_errors ? EX_CONFIG : EX_OK;
}

int verb_check(const struct cli *cli)
{
	_cleanup_free_ char **files = NULL;
	_cleanup_(load_done) struct load l = {0};
	int r;

	if (cli->given & OPTION_SCHEMA) {
		config_print_json_schema(stdout);
		return EX_OK;
	}
	files = calloc((size_t)cli->n_args + 1, sizeof(*files));
	if (!files || load_init(cli, &l) < 0) {
		cli_error("out of memory");
		return EX_OSERR;
	}
	r = cli->n_args ? take_paths(cli, &l, files) : 0;
	return r ? r : check(cli, &l);
}
