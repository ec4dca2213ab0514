/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flagman sudoers: the rules that let the service's user run its commands through sudo(8). */
#include "cli/account.h"
#include "cli/json.h"
#include "cli/load.h"
#include "cli/term.h"
#include "common/buf.h"
#include "common/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/*
 * One word of a rule's command.  sudo's reader takes a backslash from before what its grammar would
 * read as its own, and leaves it before what a pattern would; then the arguments, joined by blanks,
 * are matched as a pattern (sudoers(5), "Wildcards", "Other special characters and reserved
 * words"). So a backslash itself takes four.
 */
static void add_word(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\')
			buf_adds(b, "\\\\\\");
		else if (strchr(":,= \t#*?[]!^", *s))
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
}

/* Why no rule can be written for A, or NULL. */
static const char *problem(const struct action *a)
{
	if (a->type == ACTION_SCRIPT)
		return "is a script, which comes to the shell by descriptor: a rule for it would "
		       "allow every script; put it into a file that only root can write, and make "
		       "it a command";
	if (!a->argv || !a->argv[0] || a->argv[0][0] != '/')
		return "does not name its program by an absolute path";
	for (char **p = a->argv; *p; p++) {
		if (strpbrk(*p, "\n\r"))
			return "has a line break in an argument, which sudoers(5) can't write";
		/* A rule that ends in no arguments at all allows every argument. */
		if (!**p)
			return "has an empty argument, which sudoers(5) can't write";
	}
	return NULL;
}

static void add_command(struct buf *b, const struct action *a)
{
	add_word(b, a->argv[0]);
	for (char **p = a->argv + 1; *p; p++) {
		buf_addc(b, ' ');
		add_word(b, *p);
	}
	if (!a->argv[1])
		buf_adds(b, " \"\""); /* none but no arguments */
}

static void add_runas(struct buf *b, const struct action *a)
{
	char name[ACCOUNT_NAME_MAX];

	buf_addc(b, '(');
	add_word(b, a->how->user_name ? a->how->user_name : account_user_name(a->how->uid, name));
	buf_addc(b, ':');
	add_word(b, account_group_name(a->how->gid, name));
	buf_addc(b, ')');
}

struct rules {
	const char *user;
	struct json_object *array; /* NULL: as text */
	size_t n, problems;
};

static void add_rule(struct rules *rules, const struct group *g, const struct action *a)
{
	_cleanup_(buf_done) struct buf rule = BUF_INIT(256 * 1024), where = BUF_INIT(1024);
	const char *why = problem(a);
	struct json_object *o;

	buf_addf(&where, "%s%s%s/%s", g->object, *g->name ? "/" : "", g->name, a->name);
	if (why) {
		rules->problems++;
		cli_error("%s %s", buf_str(&where), why);
		return;
	}
	rules->n++;
	buf_addf(&rule, "%s ALL=", rules->user);
	add_runas(&rule, a);
	buf_adds(&rule, " NOPASSWD: ");
	add_command(&rule, a);
	if (rules->array) {
		o = json_object_new_object();
		json_object_object_add(o, "action", json_text_or_null(buf_str(&where)));
		json_object_object_add(o, "rule", json_text_or_null(buf_str(&rule)));
		json_object_array_add(rules->array, o);
		return;
	}
	printf("# ");
	term_line(buf_str(&where));
	term_line(buf_str(&rule));
}

static void print_head(const char *user)
{
	puts("# For visudo -f /etc/sudoers.d/flagman");
	printf("Defaults:%s !requiretty, env_keep += \"FLAGMAN_OBJECT FLAGMAN_GROUP FLAGMAN_ACTION "
	       "FLAGMAN_RUN FLAGMAN_TRIGGER FLAGMAN_USER FLAGMAN_PAYLOAD FLAGMAN_PAYLOAD_NAME "
	       "NOTIFY_SOCKET\"\n",
		user);
}

static bool any_sudo(const struct config *c)
{
	for (size_t i = 0; i < c->n_groups; i++)
		for (size_t k = 0; k < c->groups[i].n_actions; k++)
			if (c->groups[i].actions[k].how &&
				c->groups[i].actions[k].how->via == VIA_SUDO)
				return true;
	return false;
}

static int print_rules(const struct cli *cli, const struct load *l, const struct config *c)
{
	struct rules rules = {
		.user = l->user_name,
		.array = cli->json ? json_object_new_array() : NULL,
	};

	if (!cli->json)
		print_head(rules.user);
	for (size_t i = 0; i < c->n_groups; i++)
		for (size_t k = 0; k < c->groups[i].n_actions; k++) {
			const struct action *a = &c->groups[i].actions[k];

			if (a->how && a->how->via == VIA_SUDO && !a->misconfigured)
				add_rule(&rules, &c->groups[i], a);
		}
	if (rules.array)
		json_print(rules.array, true, stdout);
	return rules.problems ? EX_CONFIG : EX_OK;
}

/*
 * Only a service that is not root's needs sudo, so the configuration is read as that user's service
 * reads it: --user's, or that of whoever owns conf.d, or the caller's.
 */
static int take_user(const struct cli *cli, struct load *l)
{
	char name[ACCOUNT_NAME_MAX];
	struct stat st;
	uid_t uid = geteuid();
	gid_t gid;

	if (cli->user) {
		if (!account_user(cli->user, &uid, &gid)) {
			cli_error("there is no user %s", cli->user);
			return EX_NOUSER;
		}
	} else if (uid == 0 && stat(cli->conf_dir, &st) == 0) {
		uid = st.st_uid;
	}
	l->options.privileged = uid == 0;
	l->options.trusted_uid = uid;
	if (uid != 0)
		l->options.agent_uid = uid;
	free(l->user_name);
	l->user_name = strdup(account_user_name(uid, name));
	return l->user_name ? 0 : EX_OSERR;
}

int verb_sudoers(const struct cli *cli)
{
	_cleanup_(load_config_freep) struct config *c = NULL;
	_cleanup_(load_done) struct load l = {0};
	int r;

	if (load_init(cli, &l) < 0) {
		cli_error("out of memory");
		return EX_OSERR;
	}
	r = take_user(cli, &l);
	if (!r)
		r = load_config(cli, &l, &c);
	if (r)
		return r;
	if (!any_sudo(c) && !cli->json) {
		cli_error("no action of %s has via: sudo, so no rule is needed", cli->conf_dir);
		return EX_OK;
	}
	r = print_rules(cli, &l, c);
	if (c->n_errors)
		cli_error("the configuration has errors, so something may be missing here; see "
			  "flagman check");
	return c->n_errors ? EX_CONFIG : r;
}
