/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may connect to a share and as whom they act there, against the groups that may press.  Lists
 * are those of smb.conf(5): names, and groups behind @, + or &.  What is not known on this machine
 * (a netgroup, a macro) lets nobody be accused.
 */
#include "cli/doctor_share.h"

#include "cli/account.h"
#include "common/buf.h"
#include "common/fd.h"

#include <string.h>

#define SIGNS       "@+&"
#define MEMBERS_MAX 100

enum answer { NO, YES, UNKNOWN };

/* The next entry of a list, without its quotes, cut out of *REST; NULL at its end. */
static char *next_entry(char **rest)
{
	char *p = *rest + strspn(*rest, " \t,"), *entry = p, *to = p;
	bool quoted = false;

	for (; *p && (quoted || !strchr(" \t,", *p)); p++) {
		if (*p == '"')
			quoted = !quoted;
		else
			*to++ = *p;
	}
	*rest = *p ? p + 1 : p;
	if (p == entry)
		return NULL;
	*to = '\0';
	return entry;
}

/* Of DOMAIN\NAME the name; a machine that is no member of a domain has no others. */
static const char *bare(const char *name)
{
	const char *backslash = strrchr(name, '\\');

	return backslash ? backslash + 1 : name;
}

static bool entry_is_group(const char *entry, gid_t gid)
{
	const char *name = entry + strspn(entry, SIGNS);
	gid_t found;

	return name != entry &&
	       (account_group(name, &found) || account_group(bare(name), &found)) && found == gid;
}

static enum answer entry_has_user(const char *entry, const char *user, gid_t own)
{
	const char *name = entry + strspn(entry, SIGNS);
	gid_t gid;

	if (strchr(name, '%'))
		return UNKNOWN;
	if (name == entry)
		return strcasecmp(bare(name), user) == 0 ? YES : NO;
	if (!account_group(name, &gid) && !account_group(bare(name), &gid))
		return UNKNOWN;
	return account_is_member(user, own, gid) ? YES : NO;
}

static bool list_has_group(const char *list, gid_t gid)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy;

	for (char *entry; rest && (entry = next_entry(&rest));)
		if (entry_is_group(entry, gid))
			return true;
	return false;
}

static enum answer list_has_user(const char *list, const char *user)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy;
	enum answer all = NO, one;
	uid_t uid;
	gid_t own;

	if (!account_user(user, &uid, &own))
		return UNKNOWN;
	for (char *entry; rest && (entry = next_entry(&rest));) {
		one = entry_has_user(entry, user, own);
		if (one == YES)
			return YES;
		all = one == UNKNOWN ? UNKNOWN : all;
	}
	return all;
}

/* Is nobody in the list whom this machine does not know? */
static bool is_plain(const char *list)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy;

	for (char *entry; rest && (entry = next_entry(&rest));)
		if (strchr(entry, '%') ||
			(strchr(SIGNS, *entry) && entry_has_user(entry, "root", 0) == UNKNOWN))
			return false;
	return true;
}

static bool is_member(const char *user, gid_t gid)
{
	uid_t uid;
	gid_t own;

	return user && account_user(user, &uid, &own) && account_is_member(user, own, gid);
}

/*
 * Members for whom the list answers WANT, up to three, in NAMES: those of the group's entry, and
 * --user NAME, who may be one without standing there.  Whether the entry has anybody.
 */
static bool find_members(const struct share_look *l, const char *list, gid_t gid, enum answer want,
	struct buf *names)
{
	char **members = account_members(gid);
	const char *user = l->d->cli->user;
	bool of_it = is_member(user, gid);
	size_t n = 0, found = 0;

	for (; members && members[n] && n < MEMBERS_MAX && found < 3; n++) {
		of_it = of_it && strcmp(members[n], user) != 0;
		if (list_has_user(list, members[n]) == want)
			buf_addf(names, "%s%s", found++ ? ", " : "", members[n]);
	}
	if (of_it && list_has_user(list, user) == want)
		buf_addf(names, "%s%s", found ? ", " : "", user);
	account_members_free(members);
	return n > 0;
}

static void check_valid_users(const struct share_look *l, gid_t gid)
{
	const char *list = smbconf_get(l->conf, l->section, "valid users");
	_cleanup_(buf_done) struct buf names = BUF_INIT(4096);
	char group[ACCOUNT_NAME_MAX];
	bool listed;

	if (!*list || list_has_group(list, gid))
		return;
	account_group_name(gid, group);
	listed = find_members(l, list, gid, NO, &names);
	/* Whom the data base does not list may be in the list by another group of theirs. */
	if (!names.len && (listed || !is_plain(list) || strpbrk(list, SIGNS)))
		return;
	if (names.len)
		doctor_found(l->d, SHARE_AREA, NULL,
			"[%s] has valid users = %s, so %s of group %s can't connect",
			l->section->name, list, buf_str(&names), group);
	else
		doctor_found(l->d, SHARE_AREA, NULL,
			"[%s] has valid users = %s, which leaves out group %s", l->section->name,
			list, group);
	doctor_advise(l->d,
		strchr(group, ' ') ? "add @\"%s\" to valid users" : "add @%s to valid users",
		group);
}

/* KEY lists people who may not press. */
static void check_shut_out(const struct share_look *l, const char *key, gid_t gid, const char *what)
{
	const char *list = smbconf_get(l->conf, l->section, key);
	_cleanup_(buf_done) struct buf names = BUF_INIT(4096);
	char group[ACCOUNT_NAME_MAX];

	if (!*list)
		return;
	account_group_name(gid, group);
	if (list_has_group(list, gid))
		buf_addf(&names, "group %s", group);
	else
		(void)find_members(l, list, gid, YES, &names);
	if (!names.len)
		return;
	doctor_found(l->d, SHARE_AREA, NULL, "[%s] has %s = %s, so %s %s", l->section->name, key,
		list, buf_str(&names), what);
	doctor_advise(l->d, "take them out of %s", key);
}

static void check_identity(const struct share_look *l)
{
	const char *user = smbconf_get(l->conf, l->section, "force user");
	const char *group = smbconf_get(l->conf, l->section, "force group");
	const char *valid = smbconf_get(l->conf, l->section, "valid users");

	share_must_be_no(l, "guest ok", "so who has no password may connect");
	if (*user)
		doctor_found(l->d, SHARE_AREA, "take force user out; directory.group says who may",
			"[%s] has force user = %s: all who connect press as %s, members of the "
			"group or not, and nobody knows who it was",
			l->section->name, user, user);
	/* Behind a + it is for its members only. */
	if (*group && *group != '+' && !*valid)
		doctor_found(l->d, SHARE_AREA, "take force group out, or write valid users",
			"[%s] has force group = %s: all who connect press as its members",
			l->section->name, group);
}

void share_people(const struct share_look *l)
{
	check_identity(l);
	for (size_t i = 0; i < l->share->n_gids; i++) {
		check_valid_users(l, l->share->gids[i]);
		check_shut_out(l, "invalid users", l->share->gids[i], "can't connect");
		/* Who is in both may write. */
		if (!*smbconf_get(l->conf, l->section, "write list"))
			check_shut_out(l, "read list", l->share->gids[i], "can delete nothing");
	}
}
