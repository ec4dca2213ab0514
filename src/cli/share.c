/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flagman samba: the share sections for smb.conf that fit the configuration. */
#include "cli/share.h"

#include "cli/json.h"
#include "cli/load.h"
#include "cli/term.h"
#include "common/buf.h"
#include "common/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

bool share_is_kept(const struct cli *cli)
{
	return !cli->conf_dir_given && access(SHARE_INCLUDE, F_OK) == 0;
}

/* Each line by itself: a path may have what a terminal obeys. */
static void print_text(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) && (rest || *line))
		term_line(line);
}

static struct json_object *json_section(const struct share *s)
{
	struct json_object *o = json_object_new_object(), *p = json_object_new_object();
	struct share_option options[SHARE_OPTIONS_MAX];
	size_t n = share_options(s, options);

	json_object_object_add(p, "path", json_text_or_null(s->path));
	json_object_object_add(p, "valid users", json_text_or_null(buf_str(&s->valid_users)));
	for (size_t i = 0; i < n; i++)
		json_object_object_add(p, options[i].key, json_object_new_string(options[i].value));
	json_object_object_add(o, "share", json_text_or_null(s->name));
	json_object_object_add(o, "options", p);
	return o;
}

/* 0 or -errno. */
static int print_sections(const struct cli *cli, const struct share *shares, size_t n)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(SHARE_TEXT_MAX);
	struct json_object *array;

	if (cli->json) {
		array = json_object_new_array();
		for (size_t i = 0; i < n; i++)
			if (!shares[i].unfit)
				json_object_array_add(array, json_section(&shares[i]));
		json_print(array, true, stdout);
		return 0;
	}
	share_text(shares, n, &text);
	print_text(buf_str(&text));
	return text.error;
}

/* What is left out, and how to do without pasting.  On stderr: stdout may go into smb.conf.
 * True: nothing was left out. */
static bool say_more(const struct cli *cli, const struct share *shares, size_t n)
{
	bool whole = true;

	for (size_t i = 0; i < n; i++) {
		if (!shares[i].unfit)
			continue;
		cli_error("no share for %s: it %s", shares[i].path, shares[i].unfit);
		whole = false;
	}
	if (n && share_is_kept(cli))
		cli_error("smb.conf needs none of this but one line at its end: "
			  "include = " SHARE_INCLUDE);
	return whole;
}

int verb_samba(const struct cli *cli)
{
	_cleanup_(load_config_freep) struct config *c = NULL;
	_cleanup_(load_done) struct load l = {0};
	struct share *shares;
	bool whole;
	size_t n;
	int r;

	if (load_init(cli, &l) < 0) {
		cli_error("out of memory");
		return EX_OSERR;
	}
	r = load_config(cli, &l, &c);
	if (r)
		return r;
	r = share_list(c, &shares, &n);
	if (r < 0) {
		cli_error("%s", strerror(-r));
		return EX_OSERR;
	}
	if (n || cli->json)
		r = print_sections(cli, shares, n);
	else
		cli_error("%s defines no object yet; flagman new makes a snippet", cli->conf_dir);
	whole = say_more(cli, shares, n);
	share_list_free(shares, n);
	if (r < 0) {
		cli_error("%s", strerror(-r));
		return EX_OSERR;
	}
	if (c->n_errors)
		cli_error("the configuration has errors, so something may be missing here; see "
			  "flagman check");
	return c->n_errors || !n || !whole ? EX_CONFIG : EX_OK;
}
