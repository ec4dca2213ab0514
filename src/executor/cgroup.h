/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs in cgroups of their own, where flagmand's own cgroup has been delegated to it (systemd's
 * Delegate=yes marks it with an extended attribute).
 *
 * flagmand moves itself into `main` below it; each run gets a sibling, run-<name>.  Controllers are
 * left alone: a cgroup is wanted only because nothing can leave it, so that killing is complete.
 */
#ifndef FLAGMAN_EXECUTOR_CGROUP_H
#define FLAGMAN_EXECUTOR_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cgroups {
	int root; /* the delegated directory, or -1: there is none */
	char *path;
};

/* Pure: our cgroup's directory from the texts of /proc/self/cgroup and /proc/self/mountinfo.
 * 0, -ENOENT (no cgroup v2), -ENAMETOOLONG. */
int cgroup_locate(const char *cgroup, const char *mountinfo, char *buf, size_t size);

/* Looks, and moves this process.  Without delegation root stays -1, which is no error. */
void cgroups_open(struct cgroups *c);
void cgroups_close(struct cgroups *c);

/* The directory of a run's cgroup, made (or opened when not MAKE); or -errno. */
int cgroup_run(const struct cgroups *c, const char *name, bool make);
/* Sends SIG to all in it; SIGKILL at once and for all (cgroup.kill). How many, or -errno. */
int cgroup_signal(int cgroup, int sig);
/* Removes it if it is empty: 0, -EBUSY, -ENOENT, ... */
int cgroup_remove(const struct cgroups *c, const char *name);
/* Removes all empty run cgroups that KEEP does not want.  True if one was not empty. */
typedef bool cgroup_keep(const char *name, void *userdata);
bool cgroups_sweep(const struct cgroups *c, cgroup_keep *keep, void *userdata);

#endif
