/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel allows against what is needed. */
#include "cli/doctor.h"

#include "common/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA     "limits"
#define INOTIFY  "/proc/sys/fs/inotify/"
#define INSTANCE "anon_inode:inotify"

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

/* What a user has of inotify; -1: may not look. */
struct use {
	long instances, watches;
};

/* What the process PID holds: its descriptors say which are inotify's, their fdinfo the watches. */
static void add_process(struct use *use, const char *pid)
{
	char path[64], link[32];
	const struct dirent *e;
	DIR *fds, *infos;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	fds = opendir(path);
	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo", pid);
	infos = fds ? opendir(path) : NULL;
	if (!infos && errno == EACCES)
		*use = (struct use){-1, -1};
	while (infos && (e = readdir(fds))) {
		n = readlinkat(dirfd(fds), e->d_name, link, sizeof(link));
		if (n != (ssize_t)strlen(INSTANCE) || memcmp(link, INSTANCE, (size_t)n) != 0)
			continue;
		use->instances++;
		use->watches += count_lines(dirfd(infos), e->d_name, "inotify ");
	}
	if (infos)
		closedir(infos);
	if (fds)
		closedir(fds);
}

/* All processes of UID: the limits are each user's. */
static struct use used_by(uid_t uid)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	struct use use = {0};
	struct stat st;

	if (!proc)
		return (struct use){-1, -1};
	while (use.watches >= 0 && (e = readdir(proc))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
			fstatat(dirfd(proc), e->d_name, &st, 0) < 0 || st.st_uid != uid)
			continue;
		add_process(&use, e->d_name);
	}
	closedir(proc);
	return use;
}

static void advise_watches(struct doctor *d, long enough)
{
	doctor_advise(d,
		"sysctl fs.inotify.max_user_watches=%ld, and the same in "
		"/etc/sysctl.d/flagman.conf",
		enough);
}

static void check_watches(struct doctor *d, long used)
{
	long most = read_number(INOTIFY "max_user_watches"), need = watches_needed(d->config);

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
}

/* Two watchers stand side by side when the set of directories changes. */
static void check_instances(struct doctor *d, long used)
{
	long most = read_number(INOTIFY "max_user_instances");

	if (most < 0 || (most >= 2 && used < most))
		return;
	if (used >= most)
		doctor_found(d, AREA, NULL, "%s has all of its %ld inotify instances",
			d->load->user_name, most);
	else
		doctor_found(d, AREA, NULL, "a user may have %ld inotify instances", most);
	doctor_advise(d,
		"sysctl fs.inotify.max_user_instances=%ld, and the same in "
		"/etc/sysctl.d/flagman.conf",
		most < 64 ? 128 : 2 * most);
}

void doctor_limits(struct doctor *d)
{
	struct use use = used_by(d->load->options.agent_uid);

	check_watches(d, use.watches);
	check_instances(d, use.instances);
	if (use.watches < 0)
		doctor_unseen(
			d, AREA, "how many watches %s has: that takes root", d->load->user_name);
}
