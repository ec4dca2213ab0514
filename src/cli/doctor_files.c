/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owners and modes of conf.d and of the directories, against what the configuration says. */
#include "cli/doctor.h"

#include "cli/account.h"
#include "common/fd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NTACL "security.NTACL"

/* Owned by root or the service's user, and writable by nobody else: whoever can put a snippet
 * there is root. */
static void check_trust(struct doctor *d, const char *path)
{
	uid_t trusted = d->load->options.trusted_uid;
	char name[ACCOUNT_NAME_MAX];
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == EACCES)
			doctor_unseen(d, "configuration", "%s: no permission to look", path);
		return;
	}
	if (st.st_uid != 0 && st.st_uid != trusted) {
		doctor_found(d, "configuration", NULL, "%s belongs to %s", path,
			account_user_name(st.st_uid, name));
		doctor_advise(d, "chown %s '%s'", account_user_name(trusted, name), path);
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		doctor_found(d, "configuration", NULL, "others may write to %s (mode %04o)", path,
			st.st_mode & 07777);
		doctor_advise(d, "chmod go-w '%s'", path);
	}
}

/* Who may rename in there can put another conf.d in its place; flagman.yaml is in it. */
static void check_parent(struct doctor *d)
{
	char parent[PATH_MAX];
	struct stat st;

	doctor_parent(d, parent, sizeof(parent));
	/* A private instance's may lie in /tmp, which is sticky. */
	if (stat(parent, &st) == 0 && !(st.st_mode & S_ISVTX))
		check_trust(d, parent);
}

void doctor_conf_dir(struct doctor *d)
{
	const struct config *c = d->config;
	const struct problem *p;

	check_trust(d, d->cli->conf_dir);
	check_parent(d);
	for (size_t i = 0; c && i < c->n_problems; i++) {
		p = &c->problems[i];
		if (p->severity != SEVERITY_ERROR)
			continue;
		if (p->place.line)
			doctor_found(d, "configuration", NULL, "%s:%u:%u: %s", p->place.file,
				p->place.line, p->place.column, p->message);
		else
			doctor_found(d, "configuration", NULL, "%s: %s",
				p->place.file ? p->place.file : d->cli->conf_dir, p->message);
	}
}

/* Whether there is anything to look at below it. */
static bool check_base(struct doctor *d, const char *path, const char *real)
{
	struct stat st;

	if (!doctor_mount(d, path, real))
		return false;
	if (stat(path, &st) == 0)
		return true;
	if (errno == EACCES)
		doctor_unseen(d, "directory", "%s: no permission to look", path);
	else if (errno == ENOENT)
		doctor_found(d, "directory", "mount it, or start flagman, which makes it",
			"%s does not exist", path);
	else
		doctor_found(d, "directory", NULL, "%s: %s", path, strerror(errno));
	return false;
}

/* The object's directory is flagman's own: restarting mends it, so that is the advice. */
static void check_object(struct doctor *d, const struct group *g, const char *path)
{
	char want[ACCOUNT_NAME_MAX], have[ACCOUNT_NAME_MAX];
	const char *mend = "flagmand mends what it made at its start, and on flagman reload";
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == EACCES)
			doctor_unseen(d, "directory", "%s: no permission to look", path);
		else
			doctor_found(d, "directory", mend, "%s: %s", path, strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		doctor_found(d, "directory", "move it away", "%s is no directory", path);
		return;
	}
	if (st.st_uid != g->dir_uid)
		doctor_found(d, "directory", mend, "%s belongs to %s, not %s", path,
			account_user_name(st.st_uid, have), account_user_name(g->dir_uid, want));
	if (st.st_gid != g->dir_gid)
		doctor_found(d, "directory", mend, "%s has group %s, not %s", path,
			account_group_name(st.st_gid, have), account_group_name(g->dir_gid, want));
	if ((st.st_mode & 07777) != g->dir_mode)
		doctor_found(d, "directory", mend, "%s has mode %04o, not %04o", path,
			st.st_mode & 07777, g->dir_mode);
	if (g->access == ACCESS_PRESS_ONLY && getxattr(path, NTACL, NULL, 0) < 0 &&
		errno == ENODATA)
		doctor_found(d, "directory", mend,
			"%s has no NT ACL (" NTACL "), so nobody can press there", path);
}

/* The first group with the path of group I. */
static size_t first_with_path(const struct config *c, size_t i)
{
	size_t k = 0;

	while (c->groups[k].path != c->groups[i].path &&
		strcmp(c->groups[k].path, c->groups[i].path) != 0)
		k++;
	return k;
}

void doctor_directories(struct doctor *d)
{
	const struct config *c = d->config;
	_cleanup_free_ bool *usable = calloc(c->n_groups + 1, sizeof(*usable));

	for (size_t i = 0; usable && i < c->n_groups; i++) {
		const struct group *g = &c->groups[i];
		size_t first = first_with_path(c, i);
		_cleanup_free_ char *path = NULL;

		if (first == i)
			usable[i] = check_base(d, g->path, g->real);
		if (usable[first] && asprintf(&path, "%s/%s", g->path, g->object) >= 0)
			check_object(d, g, path);
	}
}
