/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/account.h"

#include "common/fd.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *account_user_name(uid_t uid, char *buf)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(buf, ACCOUNT_NAME_MAX, "%s", pw->pw_name);
	else
		snprintf(buf, ACCOUNT_NAME_MAX, "%u", (unsigned)uid);
	return buf;
}

char *account_group_name(gid_t gid, char *buf)
{
	const struct group *gr = getgrgid(gid);

	if (gr)
		snprintf(buf, ACCOUNT_NAME_MAX, "%s", gr->gr_name);
	else
		snprintf(buf, ACCOUNT_NAME_MAX, "%u", (unsigned)gid);
	return buf;
}

bool account_group(const char *name, gid_t *ret)
{
	const struct group *gr = getgrnam(name);

	if (!gr)
		return false;
	*ret = gr->gr_gid;
	return true;
}

bool account_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw)
		return false;
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return true;
}

int account_groups(const char *name, gid_t own, gid_t **ret, size_t *ret_n)
{
	_cleanup_free_ gid_t *gids = NULL;
	int n = 0;

	getgrouplist(name, own, NULL, &n);
	gids = calloc((size_t)n + 1, sizeof(*gids));
	if (!gids || getgrouplist(name, own, gids, &n) < 0)
		return -ENOMEM;
	*ret = steal_ptr(&gids);
	*ret_n = (size_t)n;
	return 0;
}

bool account_is_member(const char *name, gid_t own, gid_t gid)
{
	_cleanup_free_ gid_t *gids = NULL;
	size_t n = 0;

	if (account_groups(name, own, &gids, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (gids[i] == gid)
			return true;
	return false;
}

char **account_members(gid_t gid)
{
	const struct group *gr = getgrgid(gid);
	char **members;
	size_t n = 0;

	while (gr && gr->gr_mem[n])
		n++;
	members = calloc(n + 1, sizeof(*members));
	for (size_t i = 0; members && i < n; i++)
		members[i] = strdup(gr->gr_mem[i]);
	return members;
}

void account_members_free(char **members)
{
	for (char **m = members; m && *m; m++)
		free(*m);
	free(members);
}
