/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/share.h"

#include "common/fd.h"
#include "config/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS_MAX (64U * 1024)

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

/* Tried with testparm of 4.17 for every character; tests/cli/test_samba.py tries them again.  What
 * S would become in smb.conf is not S; NULL: it is. */
static const char *unsayable(const char *s)
{
	size_t n = strlen(s);

	if (strchr(s, '%'))
		return "has a % in it, for which Samba would put in something else";
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "has a control character in it";
	if (strstr(s, "  ") || (n && (s[0] == ' ' || s[n - 1] == ' ')))
		return "has blanks in it that Samba would take away";
	if (n && s[n - 1] == '\\')
		return "ends in a backslash, after which Samba goes on in the next line";
	return NULL;
}

/* A group that was asked for: behind getgrgid(3) may stand a server, and a thousand shares may
 * have the same one. */
struct known_group {
	gid_t gid;
	char *name; /* owned; NULL: it has none */
};
struct known_groups {
	struct known_group *list;
	size_t n;
};

static void known_groups_done(const struct known_groups *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->list[i].name);
	free(k->list);
}

static int find_group_name(struct known_groups *k, gid_t gid, const char **ret)
{
	const char *name;
	struct known_group *p;

	for (size_t i = 0; i < k->n; i++)
		if (k->list[i].gid == gid) {
			*ret = k->list[i].name;
			return 0;
		}
	p = reallocarray(k->list, k->n + 1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	k->list = p;
	name = config_hooks()->group_by_id(gid);
	p[k->n] = (struct known_group){gid, name ? strdup(name) : NULL};
	if (name && !p[k->n].name)
		return -ENOMEM;
	*ret = p[k->n++].name;
	return 0;
}

static bool is_plain_word(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ==
	       '\0';
}

/* No section, rather than one whose group Samba can't tell, or takes for another. */
static void add_users(struct share *s, const char *group)
{
	if (!group)
		s->unfit = "belongs to a group without a name, so Samba can't tell who may press";
	else if (!*group || unsayable(group) || strchr(group, '"') || strchr("@+&", *group))
		s->unfit = "belongs to a group whose name smb.conf has no way to say";
	else
		buf_addf(&s->valid_users, is_plain_word(group) ? "%s@%s" : "%s@\"%s\"",
			s->valid_users.len ? " " : "", group);
}

static int add_group(struct share *s, const struct group *g, struct known_groups *known)
{
	const char *name;
	gid_t *p;
	int r;

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
	r = find_group_name(known, g->dir_gid, &name);
	if (r < 0)
		return r;
	add_users(s, name);
	return s->valid_users.error == -ENOMEM ? -ENOMEM : 0;
}

/* By path; of one path as they are. */
static int compare(const void *a, const void *b)
{
	const struct group *const *x = a, *const *y = b;
	int r = strcmp((*x)->path, (*y)->path);

	return r ? r : (*x > *y) - (*x < *y);
}

void share_list_free(struct share *shares, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_done(&shares[i].valid_users);
		free(shares[i].gids);
	}
	free(shares);
}

static int fill(struct share *shares, size_t *n, const struct group **groups, size_t n_groups,
	struct known_groups *known)
{
	struct share *s = NULL;

	for (size_t i = 0; i < n_groups; i++) {
		int r;

		if (!s || strcmp(s->path, groups[i]->path) != 0) {
			s = &shares[(*n)++];
			*s = (struct share){
				.path = groups[i]->path,
				.valid_users = BUF_INIT(USERS_MAX),
				.unfit = unsayable(groups[i]->path),
			};
		}
		r = add_group(s, groups[i], known);
		if (r < 0)
			return r;
		if (s->valid_users.error)
			s->unfit = "belongs to more groups than a line of smb.conf has room for";
	}
	return share_name(shares, *n);
}

int share_list(const struct config *c, struct share **ret, size_t *ret_n)
{
	struct share *shares = calloc(c->n_groups + 1, sizeof(*shares));
	_cleanup_free_ const struct group **groups =
		calloc(c->n_groups + 1, sizeof(struct group *));
	struct known_groups known = {0};
	size_t n = 0;
	int r = -ENOMEM;

	if (shares && groups) {
		for (size_t i = 0; i < c->n_groups; i++)
			groups[i] = &c->groups[i];
		qsort(groups, c->n_groups, sizeof(struct group *), compare);
		r = fill(shares, &n, groups, c->n_groups, &known);
	}
	known_groups_done(&known);
	if (r < 0) {
		share_list_free(shares, n);
		return r;
	}
	*ret = shares;
	*ret_n = n;
	return 0;
}

static void add_section(const struct share *s, struct buf *out)
{
	struct share_option options[SHARE_OPTIONS_MAX];
	size_t n = share_options(s, options);

	buf_addf(out, "[%s]\n    path = %s\n    valid users = %s\n", s->name, s->path,
		buf_str(&s->valid_users));
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "    %s = %s\n", options[i].key, options[i].value);
	buf_addf(out, "    include = " SHARE_OWN "\n", s->name);
}

void share_text(const struct share *shares, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct share *s = &shares[i];

		if (i)
			buf_addc(out, '\n');
		if (s->unfit) {
			/* A comment, too, goes on behind a backslash: so no path at its end. */
			buf_addf(out, "# No share for %s: it %s.\n", s->path, s->unfit);
			continue;
		}
		buf_adds(out, s->press_only ? "# Members can delete flags and put nothing here: "
					      "flagmand sets the NT ACLs.\n"
					    : "# Members delete flags and move them into Run.\n");
		add_section(s, out);
	}
}
