/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directories above the objects: who presses and who looks must be able to pass them.  An 0700
 * /home/x above the share is "access denied" for the one and a share without flags for the other.
 */
#include "cli/doctor.h"

#include "cli/account.h"
#include "cli/person.h"
#include "common/fd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA        "directory"
#define DIR_MAX_    4096
#define MEMBERS_MAX 100 /* of a group that are looked at one by one */

static void advise(struct doctor *d, const char *dir, const char *kind, const char *name)
{
	doctor_advise(d, "chmod o+x '%s', or setfacl -m %s:%s:x '%s'", dir, kind, name, dir);
}

/* The agent has the groups of directories and files, whatever the data base gives its user. */
static int agent_person(const struct doctor *d, struct person *ret)
{
	const struct config *c = d->config;
	int r = 0;

	if (!d->load->options.privileged)
		return person_named(d->load->user_name, ret);
	*ret = (struct person){.uid = d->load->options.agent_uid};
	for (size_t i = 0; r == 0 && i < c->n_groups; i++) {
		if (i == 0 || c->groups[i].dir_gid != c->groups[i - 1].dir_gid)
			r = person_join(ret, c->groups[i].dir_gid);
		if (r == 0 && c->groups[i].file_gid != c->groups[i].dir_gid)
			r = person_join(ret, c->groups[i].file_gid);
	}
	return r;
}

static void check_agent(struct doctor *d, const struct person *agent, const char *path)
{
	char dir[DIR_MAX_];
	int r = person_may_reach(agent, path, dir, sizeof(dir));

	if (r == -EACCES)
		doctor_unseen(
			d, AREA, "who may pass the directories above %s: no permission", path);
	if (r != 0)
		return;
	doctor_found(d, AREA, NULL, "%s, who looks after the flags, may not pass %s",
		d->load->user_name, dir);
	advise(d, dir, "u", d->load->user_name);
}

/* One of those whom the group's entry lists. */
static bool check_member(struct doctor *d, const char *name, const char *path)
{
	struct person p;
	char dir[DIR_MAX_];
	bool stopped =
		person_named(name, &p) == 0 && person_may_reach(&p, path, dir, sizeof(dir)) == 0;

	person_done(&p);
	if (!stopped)
		return false;
	doctor_found(
		d, AREA, NULL, "%s may press, but not pass %s: the share denies access", name, dir);
	advise(d, dir, "u", name);
	return true;
}

static void check_listed(
	struct doctor *d, const char *group, gid_t gid, const char *path, const char *dir)
{
	char **members = account_members(gid);
	size_t n = 0, stopped = 0;

	for (; members && members[n] && n < MEMBERS_MAX && stopped < 3; n++)
		stopped += check_member(d, members[n], path);
	if (n == 0 && d->load->options.privileged)
		doctor_unseen(d, AREA, "may members of %s pass %s by another group?", group, dir);
	account_members_free(members);
}

static bool is_member(uid_t uid, gid_t gid)
{
	char name[ACCOUNT_NAME_MAX];
	uid_t same;
	gid_t own;

	return account_user(account_user_name(uid, name), &same, &own) &&
	       account_is_member(name, own, gid);
}

/* Members of a group have others, which may let them pass, and one may be the directory's owner: so
 * each is asked for, unless it is shut to all groups and its owner is none of them. */
static void check_members(struct doctor *d, gid_t gid, const char *path)
{
	struct person p = {.uid = (uid_t)-1, .gids = &gid, .n_gids = 1};
	char dir[DIR_MAX_], group[ACCOUNT_NAME_MAX];
	struct stat st;

	if (person_may_reach(&p, path, dir, sizeof(dir)) != 0 || stat(dir, &st) < 0)
		return;
	account_group_name(gid, group);
	if ((st.st_mode & S_IXGRP) || is_member(st.st_uid, gid)) {
		check_listed(d, group, gid, path, dir);
		return;
	}
	doctor_found(d, AREA, NULL, "members of %s may not pass %s: the share denies access", group,
		dir);
	advise(d, dir, "g", group);
}

/* The way is the same for all objects of a directory.path, and its members are of one group. */
static bool seen_before(const struct config *c, size_t i, bool same_group)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(c->groups[k].path, c->groups[i].path) == 0 &&
			(!same_group || c->groups[k].dir_gid == c->groups[i].dir_gid))
			return true;
	return false;
}

void doctor_ways(struct doctor *d)
{
	const struct config *c = d->config;
	struct person agent;

	if (agent_person(d, &agent) < 0)
		return;
	for (size_t i = 0; i < c->n_groups; i++) {
		_cleanup_free_ char *path = NULL;
		const struct group *g = &c->groups[i];

		if (seen_before(c, i, true) || doctor_network(g->real) ||
			asprintf(&path, "%s/%s", g->real, g->object) < 0)
			continue;
		if (!seen_before(c, i, false))
			check_agent(d, &agent, path);
		check_members(d, g->dir_gid, path);
		if (d->cli->user)
			(void)check_member(d, d->cli->user, path);
	}
	person_done(&agent);
}
