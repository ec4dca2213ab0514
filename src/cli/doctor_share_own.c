/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An administrator's settings of a share, which nobody reads any more since it is called otherwise:
 * another directory of the same name has come, or gone (share_name()).  `hosts allow` in there, or
 * `server smb encrypt`, then no longer holds, and nothing else says so.
 */
#include "cli/doctor_share.h"

#include "cli/share.h"
#include "common/fd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Is there a file for NAME, which is no share's now? */
static bool is_left(const struct share *shares, size_t n, const char *name, char *path, size_t size)
{
	for (size_t i = 0; i < n; i++)
		if (!shares[i].unfit && strcasecmp(shares[i].name, name) == 0)
			return false;
	return snprintf(path, size, SHARE_OWN, name) < (int)size && access(path, F_OK) == 0;
}

static void check_name(struct doctor *d, const struct share *shares, size_t n,
	const struct share *s, const char *name)
{
	char path[512];

	if (!is_left(shares, n, name, path, sizeof(path)))
		return;
	doctor_found(d, SHARE_AREA, NULL, "%s is read by no share: that of %s is called %s now",
		path, s->path, s->name);
	doctor_advise(d, "name it after the share that it is for: " SHARE_OWN, s->name);
}

void share_own(struct doctor *d, const struct share *shares, size_t n)
{
	if (!share_has_include(d)) /* another instance's are called as somebody has pasted them */
		return;
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *whole = strdup(shares[i].path + 1);

		if (!whole || shares[i].unfit)
			continue;
		for (char *p = whole; (p = strchr(p, '/'));)
			*p = '-';
		check_name(d, shares, n, &shares[i], strrchr(shares[i].path, '/') + 1);
		check_name(d, shares, n, &shares[i], whole);
	}
}
