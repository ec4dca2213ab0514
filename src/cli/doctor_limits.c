/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel allows against what is needed; and whether a person may press. */
#include "cli/doctor.h"

#include "cli/account.h"
#include "common/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA    "limits"
#define INOTIFY "/proc/sys/fs/inotify/"

/* -1: can't be read. */
static long read_number(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char b[32];
	ssize_t n = fd >= 0 ? read(fd, b, sizeof(b) - 1) : -1;

	if (n <= 0)
		return -1;
	b[n] = '\0';
	return strtol(b, NULL, 10);
}

/* One for each directory: the object's, Run, each drop folder. */
static long watches_needed(const struct config *c)
{
	long n = 0;

	for (size_t i = 0; i < c->n_groups; i++) {
		n += 1 + (c->groups[i].run_folder != NULL);
		for (size_t k = 0; k < c->groups[i].n_actions; k++)
			n += c->groups[i].actions[k].drop != NULL;
	}
	return n;
}

static long count_lines(int dirfd, const char *name, const char *prefix)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	long n = 0;

	if (!f) {
		close_fd(fd);
		return 0;
	}
	while (getline(&line, &size, f) > 0)
		n += strncmp(line, prefix, strlen(prefix)) == 0;
	fclose(f);
	return n;
}

/* Watches that the process PID holds, by its fdinfo; -1: may not look. */
static long watches_of(const char *pid)
{
	char path[64];
	const struct dirent *e;
	long n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return errno == EACCES ? -1 : 0;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			n += count_lines(dirfd(dir), e->d_name, "inotify ");
	closedir(dir);
	return n;
}

/* Watches of all processes of UID: the limit is each user's.  -1: may not look. */
static long watches_used(uid_t uid)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	long n = 0, one = 0;
	struct stat st;

	if (!proc)
		return -1;
	while (one >= 0 && (e = readdir(proc))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
			fstatat(dirfd(proc), e->d_name, &st, 0) < 0 || st.st_uid != uid)
			continue;
		one = watches_of(e->d_name);
		n += one;
	}
	closedir(proc);
	return one < 0 ? -1 : n;
}

static void advise_watches(struct doctor *d, long enough)
{
	doctor_advise(d,
		"sysctl fs.inotify.max_user_watches=%ld, and the same in "
		"/etc/sysctl.d/flagman.conf",
		enough);
}

void doctor_limits(struct doctor *d)
{
	uid_t uid = d->load->options.agent_uid;
	long most = read_number(INOTIFY "max_user_watches");
	long instances = read_number(INOTIFY "max_user_instances");
	long need = watches_needed(d->config), used = watches_used(uid);

	if (most < 0) {
		doctor_unseen(d, AREA, INOTIFY "max_user_watches: %s", strerror(errno));
	} else if (need > most) {
		doctor_found(d, AREA, NULL,
			"%ld directories must be watched, and a user may have %ld watches", need,
			most);
		advise_watches(d, 2 * need);
	} else if (used > most - most / 10) {
		doctor_found(d, AREA, NULL, "%s has %ld of its %ld inotify watches",
			d->load->user_name, used, most);
		advise_watches(d, 2 * most);
	}
	/* Two watchers stand side by side when the set of directories changes. */
	if (instances >= 0 && instances < 2)
		doctor_found(d, AREA, "sysctl fs.inotify.max_user_instances=128",
			"a user may have %ld inotify instances", instances);
	if (used < 0)
		doctor_unseen(
			d, AREA, "how many watches %s has: that takes root", d->load->user_name);
}

void doctor_user(struct doctor *d)
{
	const struct config *c = d->config;
	const char *user = d->cli->user;
	char group[ACCOUNT_NAME_MAX];
	uid_t uid;
	gid_t gid;

	if (!user)
		return;
	if (!account_user(user, &uid, &gid)) {
		doctor_found(d, "user", NULL, "there is no user %s on this machine", user);
		return;
	}
	for (size_t i = 0; i < c->n_groups; i++) {
		const struct group *g = &c->groups[i];

		if (account_is_member(user, gid, g->dir_gid))
			continue;
		account_group_name(g->dir_gid, group);
		doctor_found(d, "user", NULL, "%s is not in group %s, so may not press %s%s%s",
			user, group, g->object, *g->name ? "/" : "", g->name);
		doctor_advise(
			d, "usermod -aG %s %s, then disconnect from the share once", group, user);
	}
}
