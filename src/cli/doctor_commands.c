/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would keep a command from starting, before somebody presses it: its program, its directory,
 * its environment-file, its unit.  Many actions share a program and a user; the first speaks.
 */
#include "cli/doctor.h"

#include "cli/account.h"
#include "cli/person.h"
#include "cli/target.h"
#include "common/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA     "command"
#define BOOTED   "/run/systemd/system" /* sd_booted(3) */
#define DIR_MAX_ 4096

static const char *const unit_dirs[] = {
	"/etc/systemd/system",
	"/etc/systemd/system.control",
	"/etc/systemd/system.attached",
	"/run/systemd/system",
	"/run/systemd/system.control",
	"/run/systemd/system.attached",
	"/run/systemd/transient",
	"/run/systemd/generator",
	"/run/systemd/generator.early",
	"/run/systemd/generator.late",
	"/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system",
	"/lib/systemd/system",
	NULL,
};

static const char *const sudo_programs[] = {
	"/usr/local/bin/sudo", "/usr/sbin/sudo", "/usr/bin/sudo", "/bin/sudo", NULL};

int doctor_person(const struct doctor *d, const struct how *how, struct person *ret)
{
	int r = 0;

	if (!d->load->options.privileged && how->via == VIA_DIRECT)
		return person_named(d->load->user_name, ret);
	*ret = (struct person){.uid = how->uid};
	r = person_join(ret, how->gid);
	for (size_t i = 0; r == 0 && i < how->n_groups; i++)
		r = person_join(ret, how->groups[i]);
	return r;
}

static void check_directory(
	struct doctor *d, const char *name, const struct person *p, const struct how *how)
{
	const char *path = how->working_directory;
	char dir[DIR_MAX_];
	struct stat st;

	if (!path || how->via == VIA_SUDO)
		return;
	if (strcmp(path, "~") == 0)
		path = how->home ? how->home : "/";
	if (stat(path, &st) < 0) {
		if (errno == EACCES) {
			doctor_unseen(d, AREA, "%s: %s: no permission to look", name, path);
			return;
		}
		doctor_found(
			d, AREA, NULL, "%s: working-directory %s: %s", name, path, strerror(errno));
		doctor_advise(d, "mkdir '%s', or leave working-directory out", path);
	} else if (!S_ISDIR(st.st_mode)) {
		doctor_found(d, AREA, "name a directory", "%s: working-directory %s is none", name,
			path);
	} else if (person_may_reach(p, path, dir, sizeof(dir)) == 0 ||
		   person_may(p, path, X_OK) == 0) {
		doctor_found(d, AREA, NULL, "%s: its user may not enter working-directory %s", name,
			path);
		doctor_advise(d, "chmod o+x '%s', or name another directory", path);
	}
}

/* What flagmand's environment.c would refuse. */
static void check_environment(struct doctor *d, const char *name, const struct how *how)
{
	const char *path = how->environment_file;
	struct stat st;

	if (!path)
		return;
	if (stat(path + (*path == '-'), &st) < 0) {
		if (errno == EACCES)
			doctor_unseen(d, AREA, "%s: %s: no permission to look", name, path);
		else if (*path != '-')
			doctor_found(d, AREA, "write it, or put - before its name in the snippet",
				"%s: environment-file %s: %s", name, path, strerror(errno));
		return;
	}
	path += *path == '-';
	if (!S_ISREG(st.st_mode)) {
		doctor_found(d, AREA, "name a file", "%s: environment-file %s is no regular file",
			name, path);
	} else if ((st.st_mode & 022) || (st.st_uid != 0 && st.st_uid != how->uid &&
						 st.st_uid != d->load->options.trusted_uid)) {
		doctor_found(
			d, AREA, NULL, "%s: others may write to environment-file %s", name, path);
		doctor_advise(d, "chown root '%s'; chmod go-w '%s'", path, path);
	}
}

static bool is_masked(const char *path)
{
	char target[16];
	ssize_t n = readlink(path, target, sizeof(target));

	return n == 9 && memcmp(target, "/dev/null", 9) == 0;
}

/* Where systemd would find it; of an instance also its template. */
static bool find_unit(const char *unit, char *buf, size_t size)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');
	int template = at && dot && at < dot ? (int)(at + 1 - unit) : 0;
	struct stat st;

	for (const char *const *dir = unit_dirs; *dir; dir++) {
		snprintf(buf, size, "%s/%s", *dir, unit);
		if (lstat(buf, &st) == 0)
			return true;
		snprintf(buf, size, "%s/%.*s%s", *dir, template, unit, template ? dot : "");
		if (template && lstat(buf, &st) == 0)
			return true;
	}
	return false;
}

/* systemctl's argument; what is no service may be there without a file. */
static void check_unit(struct doctor *d, const char *name, const struct action *a)
{
	char unit[512], path[1024];
	const char *given;

	if (a->type != ACTION_SERVICE || access(BOOTED, F_OK) < 0 || !a->argv[0] || !a->argv[1] ||
		!a->argv[2] || !a->argv[3])
		return;
	given = a->argv[3];
	if (strlen(given) > 255)
		return;
	snprintf(unit, sizeof(unit), "%s%s", given, strchr(given, '.') ? "" : ".service");
	if (strcmp(strrchr(unit, '.'), ".service") != 0)
		return;
	if (!find_unit(unit, path, sizeof(path)))
		doctor_found(d, AREA,
			"systemctl list-unit-files --type=service says how it is called",
			"%s: systemd has no %s", name, unit);
	else if (is_masked(path)) {
		doctor_found(d, AREA, NULL, "%s: %s is masked", name, unit);
		doctor_advise(d, "systemctl unmask '%s'", unit);
	}
}

static void check_sudo(struct doctor *d, const char *name)
{
	for (const char *const *p = sudo_programs; *p; p++)
		if (doctor_has_program(*p))
			return;
	doctor_found(d, AREA, "install sudo", "%s runs via sudo, which is not installed", name);
}

/* A program and whose it is; both are interned. */
struct start {
	const char *program;
	const struct how *how;
};

static bool seen_before(struct start *seen, size_t *n, const struct action *a)
{
	for (size_t i = 0; i < *n; i++)
		if (seen[i].program == a->argv[0] && seen[i].how == a->how)
			return true;
	seen[(*n)++] = (struct start){.program = a->argv[0], .how = a->how};
	return false;
}

static void check_start(struct doctor *d, const char *name, const struct action *a)
{
	char user[ACCOUNT_NAME_MAX];
	struct person p = {.uid = (uid_t)-1};

	if (doctor_person(d, a->how, &p) == 0) {
		account_user_name(p.uid, user);
		/* Of disc actions another look says more. */
		if (a->type <= ACTION_SERVICE)
			doctor_program(d, name, &p, user, a->argv[0]);
		check_directory(d, name, &p, a->how);
		check_environment(d, name, a->how);
		if (a->how->via == VIA_SUDO)
			check_sudo(d, name);
	}
	person_done(&p);
}

void doctor_commands(struct doctor *d)
{
	const struct config *c = d->config;
	_cleanup_free_ struct start *seen = calloc(c->n_actions + 1, sizeof(*seen));
	char name[TARGET_NAME_MAX];
	size_t n = 0;

	for (size_t i = 0; seen && i < c->n_groups; i++)
		for (size_t k = 0; k < c->groups[i].n_actions; k++) {
			const struct action *a = &c->groups[i].actions[k];

			if (a->misconfigured || !a->argv || !a->argv[0])
				continue;
			doctor_name(name, &c->groups[i], a);
			if (!seen_before(seen, &n, a))
				check_start(d, name, a);
			check_unit(d, name, a);
		}
}
