/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a person may press, and whether the service has its own user. */
#include "cli/doctor.h"

#include "cli/account.h"
#include "common/fd.h"

#include <string.h>

#define AREA "user"

/* Of the system's service: another's is not known here. */
static void check_own(struct doctor *d)
{
	uid_t uid;
	gid_t gid;

	if (d->load->options.privileged && strcmp(d->cli->run_dir, CLI_RUN_DIR) == 0 &&
		!account_user(CLI_USER, &uid, &gid))
		doctor_found(d, AREA,
			"systemd-sysusers; or useradd --system --no-create-home " CLI_USER,
			"there is no user " CLI_USER ", as whom flagman looks after flags");
}

static bool is_in(const gid_t *gids, size_t n, gid_t gid)
{
	for (size_t i = 0; i < n; i++)
		if (gids[i] == gid)
			return true;
	return false;
}

static void check_groups(struct doctor *d, const char *user, gid_t own)
{
	const struct config *c = d->config;
	_cleanup_free_ gid_t *gids = NULL;
	char group[ACCOUNT_NAME_MAX];
	size_t n = 0;

	if (account_groups(user, own, &gids, &n) < 0)
		return;
	for (size_t i = 0; i < c->n_groups; i++) {
		const struct group *g = &c->groups[i];

		if (is_in(gids, n, g->dir_gid))
			continue;
		account_group_name(g->dir_gid, group);
		doctor_found(d, AREA, NULL, "%s is not in group %s, so may not press %s%s%s", user,
			group, g->object, *g->name ? "/" : "", g->name);
		doctor_advise(
			d, "usermod -aG %s %s, then disconnect from the share once", group, user);
	}
}

void doctor_user(struct doctor *d)
{
	const char *user = d->cli->user;
	uid_t uid;
	gid_t gid;

	check_own(d);
	if (user && account_user(user, &uid, &gid))
		check_groups(d, user, gid);
	else if (user)
		doctor_found(d, AREA, NULL, "there is no user %s on this machine", user);
}
