/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flagman samba: the share sections for smb.conf that fit the configuration. */
#include "cli/share.h"

#include "cli/account.h"
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

/* Each with its reason in samba/README. */
static const struct share_option common_options[] = {
	{"read only", "no"},
	{"full_audit:prefix", "%u|%I|%m|%S"},
	{"full_audit:success", "unlinkat renameat"},
	{"full_audit:failure", "none"},
	{"full_audit:syslog", "true"},
	{"full_audit:facility", "local5"},
	{"full_audit:priority", "notice"},
	{"oplocks", "no"},
	{"level2 oplocks", "no"},
	{"kernel oplocks", "no"},
	{"csc policy", "disable"},
	{"store dos attributes", "no"},
	{"map archive", "no"},
	{"map hidden", "no"},
	{"map system", "no"},
	{"map readonly", "no"},
	{"follow symlinks", "no"},
	{"wide links", "no"},
	{"ea support", "no"},
};
#define N_COMMON (sizeof(common_options) / sizeof(common_options[0]))

size_t share_options(const struct share *s, struct share_option *ret)
{
	size_t n = 0;

	if (s->press_only) {
		/* In this order, or the audited paths are wrong in directories below the top. */
		ret[n++] = (struct share_option){"vfs objects", "full_audit acl_xattr"};
		ret[n++] = (struct share_option){"acl_xattr:ignore system acls", "yes"};
		ret[n++] = (struct share_option){"acl_xattr:default acl style", "posix"};
	} else {
		ret[n++] = (struct share_option){"vfs objects", "full_audit"};
	}
	memcpy(ret + n, common_options, sizeof(common_options));
	n += N_COMMON;
	/* Without ._* Finder can't copy a download into a drop folder. */
	ret[n++] = (struct share_option){
		"veto files", s->drops ? "/.flagman/" : "/.flagman/._*/.DS_Store/"};
	_Static_assert(N_COMMON + 4 <= SHARE_OPTIONS_MAX, "the options fit");
	return n;
}

void share_valid_users(const struct share *s, struct buf *out)
{
	char name[ACCOUNT_NAME_MAX];

	for (size_t i = 0; i < s->n_gids; i++) {
		account_group_name(s->gids[i], name);
		buf_addf(out, strpbrk(name, " ,\t") ? "%s@\"%s\"" : "%s@%s", i ? " " : "", name);
	}
}

/* The last part of the path, as far as a section's name can bear it. */
static void name_share(struct share *s)
{
	const char *slash = strrchr(s->path, '/');

	snprintf(s->name, sizeof(s->name), "%s", slash && slash[1] ? slash + 1 : "flags");
	for (char *p = s->name; *p; p++)
		if (strchr("[]%/\\", *p))
			*p = '_';
}

static int add_group(struct share *s, const struct group *g)
{
	gid_t *p;

	s->press_only |= g->access == ACCESS_PRESS_ONLY;
	for (size_t i = 0; i < g->n_actions; i++)
		s->drops |= g->actions[i].drop != NULL;
	for (size_t i = 0; i < s->n_gids; i++)
		if (s->gids[i] == g->dir_gid)
			return 0;
	p = reallocarray(s->gids, s->n_gids + 1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->gids = p;
	s->gids[s->n_gids++] = g->dir_gid;
	return 0;
}

static struct share *find_path(struct share *shares, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(shares[i].path, path) == 0)
			return &shares[i];
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct share *)a)->path, ((const struct share *)b)->path);
}

void share_list_free(struct share *shares, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(shares[i].gids);
	free(shares);
}

int share_list(const struct config *c, struct share **ret, size_t *ret_n)
{
	struct share *shares = calloc(c->n_groups + 1, sizeof(*shares)), *s;
	size_t n = 0;

	if (!shares)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_groups; i++) {
		s = find_path(shares, n, c->groups[i].path);
		if (!s) {
			s = &shares[n++];
			s->path = c->groups[i].path;
			name_share(s);
		}
		if (add_group(s, &c->groups[i]) < 0) {
			share_list_free(shares, n);
			return -ENOMEM;
		}
	}
	qsort(shares, n, sizeof(*shares), compare);
	*ret = shares;
	*ret_n = n;
	return 0;
}

static void print_section(const struct share *s)
{
	struct share_option options[SHARE_OPTIONS_MAX];
	_cleanup_(buf_done) struct buf users = BUF_INIT(64 * 1024), line = BUF_INIT(128 * 1024);
	size_t n = share_options(s, options);

	share_valid_users(s, &users);
	buf_addf(&line, "[%s]", s->name);
	term_line(buf_str(&line));
	buf_reset(&line);
	buf_addf(&line, "    path = %s", s->path);
	term_line(buf_str(&line));
	buf_reset(&line);
	buf_addf(&line, "    valid users = %s", buf_str(&users));
	term_line(buf_str(&line));
	for (size_t i = 0; i < n; i++)
		printf("    %s = %s\n", options[i].key, options[i].value);
}

static struct json_object *json_section(const struct share *s)
{
	struct json_object *o = json_object_new_object(), *p = json_object_new_object();
	struct share_option options[SHARE_OPTIONS_MAX];
	_cleanup_(buf_done) struct buf users = BUF_INIT(64 * 1024);
	size_t n = share_options(s, options);

	share_valid_users(s, &users);
	json_object_object_add(p, "path", json_text_or_null(s->path));
	json_object_object_add(p, "valid users", json_text_or_null(buf_str(&users)));
	for (size_t i = 0; i < n; i++)
		json_object_object_add(p, options[i].key, json_object_new_string(options[i].value));
	json_object_object_add(o, "share", json_text_or_null(s->name));
	json_object_object_add(o, "options", p);
	return o;
}

static void print_sections(const struct cli *cli, const struct share *shares, size_t n)
{
	struct json_object *array;

	if (cli->json) {
		array = json_object_new_array();
		for (size_t i = 0; i < n; i++)
			json_object_array_add(array, json_section(&shares[i]));
		json_print(array, true, stdout);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		printf("%s# For smb.conf; what each setting is for stands in samba/README.  Then "
		       "run: "
		       "testparm\n",
			i ? "\n" : "");
		if (shares[i].press_only)
			puts("# Members can delete flags and put nothing here: flagmand sets the "
			     "NT "
			     "ACLs.");
		print_section(&shares[i]);
	}
}

int verb_samba(const struct cli *cli)
{
	_cleanup_(load_config_freep) struct config *c = NULL;
	_cleanup_(load_done) struct load l = {0};
	struct share *shares;
	size_t n;
	int r;

	if (load_init(cli, &l) < 0) {
		cli_error("out of memory");
		return EX_OSERR;
	}
	r = load_config(cli, &l, &c);
	if (r)
		return r;
	if (share_list(c, &shares, &n) < 0) {
		cli_error("out of memory");
		return EX_OSERR;
	}
	if (n || cli->json)
		print_sections(cli, shares, n);
	else
		cli_error("%s defines no object yet; flagman new makes a snippet", cli->conf_dir);
	share_list_free(shares, n);
	if (c->n_errors)
		cli_error("the configuration has errors, so something may be missing here; see "
			  "flagman check");
	return c->n_errors || !n ? EX_CONFIG : EX_OK;
}
