/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who flagmand is, and whom its agent runs as. */
#include "executor/identity.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t held_capabilities(void)
{
	uint64_t held = 0;

	if (capng_get_caps_process() < 0)
		return 0;
	for (unsigned c = 0; c <= CAP_LAST_CAP && c < 64; c++)
		if (capng_have_capability(CAPNG_PERMITTED, c) == 1)
			held |= UINT64_C(1) << c;
	return held;
}

const char *capability_name(uint64_t mask)
{
	for (unsigned c = 0; c < 64; c++)
		if (mask >> c & 1) {
			const char *name = capng_capability_to_name(c);
			return name ? name : "an unknown capability";
		}
	return NULL;
}

int identity_find(const char *user, struct identity *ret, const char **why)
{
	bool privileged = geteuid() == 0;
	struct passwd *p;

	errno = 0;
	p = privileged ? getpwnam(user) : getpwuid(geteuid());
	if (!p) {
		*why = privileged ? "the agent's user does not exist: make it, or say --user"
				  : "your user has no entry in passwd(5)";
		return errno ? -errno : -ESRCH;
	}
	if (privileged && p->pw_uid == 0) {
		*why = "the agent may not run as root: it reads what strangers write";
		return -EPERM;
	}
	*ret = (struct identity){
		.privileged = privileged,
		.uid = p->pw_uid,
		.gid = privileged ? p->pw_gid : getegid(),
		.name = strdup(p->pw_name),
		.home = strdup(p->pw_dir),
		.shell = strdup(p->pw_shell && *p->pw_shell ? p->pw_shell : "/bin/sh"),
		.permitted = held_capabilities(),
	};
	return ret->name && ret->home && ret->shell ? 0 : -ENOMEM;
}

void identity_release(struct identity *id)
{
	free(id->name);
	free(id->home);
	free(id->shell);
	*id = (struct identity){0};
}

size_t identity_groups(const struct identity *id, const char *more, gid_t *groups)
{
	const struct group *g;
	int n = IDENTITY_GROUPS_MAX - 1;

	if (!id->privileged)
		return 0;
	if (getgrouplist(id->name, id->gid, groups, &n) < 0)
		n = IDENTITY_GROUPS_MAX - 1; /* so many were found, and more */
	g = more ? getgrnam(more) : NULL;
	if (g)
		groups[n++] = g->gr_gid;
	return (size_t)n;
}
