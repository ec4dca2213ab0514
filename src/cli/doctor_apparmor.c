/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AppArmor, where flagman's profiles are loaded: do they cover each directory.path, and is each
 * command's profile there?  Of the files in /etc/apparmor.d only one variable is read; what it
 * holds that is no plain path or pattern covers everything here.
 */
#include "cli/doctor.h"

#include "cli/target.h"
#include "common/buf.h"
#include "common/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AREA     "apparmor"
#define ENABLED  "/sys/module/apparmor/parameters/enabled"
#define PROFILES "/sys/kernel/security/apparmor/profiles"
#define ETC      "/etc/apparmor.d/"
#define TUNABLES ETC "tunables/"
#define VARIABLE "@{FLAGMAN_SHARES}"
#define SITE     TUNABLES "flagman.d/site"
#define RELOAD   "apparmor_parser -r " ETC "flagman"
#define OWN      "flagman-command" /* as flagmand's table has it: specify.c */
#define RUNNER   "flagman-runner"
#define FILE_MAX (1024U * 1024)

/* 0 or -errno. */
static int read_file(const char *path, struct buf *out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char piece[8192];
	ssize_t n = 0;

	while (fd >= 0 && (n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(out, piece, (size_t)n);
	return fd < 0 || n < 0 ? -errno : out->error;
}

/* "NAME (enforce)", a line each. */
static bool is_loaded(const char *profiles, const char *name, bool *ret_enforced)
{
	size_t n = strlen(name);

	for (const char *line = profiles; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) != 0 || strncmp(line + n, " (", 2) != 0)
			continue;
		*ret_enforced = strncmp(line + n + 2, "enforce)", 8) == 0;
		return true;
	}
	return false;
}

/* A value of the variable, without its quotes, against a path. */
static bool value_covers(const char *value, const char *path)
{
	_cleanup_free_ char *pattern = NULL;
	size_t n = strlen(value);

	/* A variable, a choice, a negation: not understood. */
	if (strpbrk(value, "@{^"))
		return true;
	while (n > 1 && value[n - 1] == '/')
		n--;
	if (asprintf(&pattern, "%.*s/*", (int)n, value) < 0) {
		pattern = NULL;
		return true;
	}
	if (fnmatch(pattern, path, 0) == 0)
		return true;
	pattern[n] = '\0';
	return fnmatch(pattern, path, 0) == 0;
}

/* The values behind = or +=: words, or in quotes. */
static bool line_covers(char *line, const char *path)
{
	char *value, *end;

	line += strspn(line, " \t");
	if (strncmp(line, VARIABLE, strlen(VARIABLE)) != 0 || !(line = strchr(line, '=')))
		return false;
	for (line++; *(line += strspn(line, " \t")) && *line != '#';) {
		bool quoted = *line == '"';

		value = line + quoted;
		end = value + strcspn(value, quoted ? "\"" : " \t");
		line = *end ? end + 1 : end;
		*end = '\0';
		if (value_covers(value, path))
			return true;
	}
	return false;
}

/* What can't be read may say anything. */
static bool file_covers(const char *file, const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILE_MAX);
	int r = read_file(file, &text);

	if (r < 0)
		return r != -ENOENT;
	for (char *line, *rest = text.data; (line = strsep(&rest, "\n"));)
		if (line_covers(line, path))
			return true;
	return false;
}

static bool is_covered(const char *path)
{
	DIR *dir = opendir(TUNABLES "flagman.d");
	bool covered = file_covers(TUNABLES "flagman", path);
	const struct dirent *e;
	char file[512];

	while (dir && !covered && (e = readdir(dir))) {
		snprintf(file, sizeof(file), TUNABLES "flagman.d/%s", e->d_name);
		covered = *e->d_name != '.' && file_covers(file, path);
	}
	if (dir)
		closedir(dir);
	return covered;
}

static void check_path(struct doctor *d, const char *path)
{
	if (is_covered(path))
		return;
	doctor_found(d, AREA, NULL, "flagman's profiles do not cover %s, so no flag is made there",
		path);
	doctor_advise(d,
		"echo '" VARIABLE "+=\"%s\"' >>" SITE "; " RELOAD "; systemctl restart flagman",
		path);
}

static void check_paths(struct doctor *d)
{
	const struct config *c = d->config;

	for (size_t i = 0; i < c->n_groups; i++) {
		size_t k = 0;

		while (strcmp(c->groups[k].real, c->groups[i].real) != 0)
			k++;
		if (k == i)
			check_path(d, c->groups[i].real);
	}
}

/* Does a local file of the site speak of NAME? */
static bool local_has(const char *file, const char *name)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILE_MAX);
	int r = read_file(file, &text);

	return (r < 0 && r != -ENOENT) || strstr(buf_str(&text), name);
}

/* A profile that is not loaded, or that runners may not change to, is exit status 231. */
static void check_profile(
	struct doctor *d, const char *name, const char *profile, const char *profiles)
{
	bool enforced = false, confined = is_loaded(profiles, RUNNER, &enforced) && enforced;

	if (strcmp(profile, "unconfined") != 0 && !is_loaded(profiles, profile, &enforced)) {
		doctor_found(d, AREA, NULL, "%s: the profile %s is not loaded", name, profile);
		doctor_advise(d, "apparmor_parser -r " ETC "%s (the file that has it)", profile);
	} else if (confined && strncmp(profile, OWN, strlen(OWN)) != 0 &&
		   strcmp(profile, "flagman-disc") != 0 &&
		   !local_has(ETC "local/" RUNNER, profile)) {
		doctor_found(d, AREA, NULL, "%s: " RUNNER " may not change to %s", name, profile);
		doctor_advise(d, "echo 'change_profile -> %s,' >>" ETC "local/" RUNNER "; " RELOAD,
			profile);
	}
}

/* As the profile flagman-command has them, with or without /usr. */
static bool may_run_by_default(const char *program)
{
	static const char *const programs[] = {"/bin/systemctl", "/sbin/service", "/bin/sh",
		"/bin/dash", "/bin/bash", "/bin/basename", "/bin/date", "/bin/echo", "/bin/false",
		"/bin/printf", "/bin/sleep", "/bin/systemd-notify", "/bin/test", "/bin/true", NULL};

	program += strncmp(program, "/usr/", 5) == 0 ? 4 : 0;
	for (const char *const *p = programs; *p; p++)
		if (strcmp(*p, program) == 0)
			return true;
	return false;
}

/* The button that works until AppArmor is on: its command has no profile, so it has ours. */
static void check_default(struct doctor *d, const char *name, const struct action *a)
{
	if (a->type > ACTION_SERVICE || may_run_by_default(a->argv[0]) ||
		local_has(ETC "local/" OWN, a->argv[0]))
		return;
	doctor_found(d, AREA,
		"write a profile for it (packaging/apparmor/README), and in the action: "
		"apparmor-profile: " OWN "-NAME",
		"%s: without apparmor-profile it may not execute %s", name, a->argv[0]);
}

static void check_actions(struct doctor *d, const char *profiles)
{
	const struct config *c = d->config;
	char name[TARGET_NAME_MAX];
	bool enforced = false, confined = is_loaded(profiles, OWN, &enforced) && enforced;

	for (size_t i = 0; i < c->n_groups; i++)
		for (size_t k = 0; k < c->groups[i].n_actions; k++) {
			const struct action *a = &c->groups[i].actions[k];

			if (a->misconfigured || !a->argv || !a->argv[0])
				continue;
			doctor_name(name, &c->groups[i], a);
			if (a->how->apparmor_profile)
				check_profile(d, name, a->how->apparmor_profile, profiles);
			else if (confined)
				check_default(d, name, a);
		}
}

static bool is_enabled(void)
{
	_cleanup_close_ int fd = open(ENABLED, O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y';
}

void doctor_apparmor(struct doctor *d)
{
	_cleanup_(buf_done) struct buf profiles = BUF_INIT(FILE_MAX);
	bool enforced = false;
	int r;

	/* A private instance is confined by nothing of ours. */
	if (!d->load->options.privileged || !is_enabled())
		return;
	r = read_file(PROFILES, &profiles);
	if (r == -EACCES || r == -EPERM) {
		doctor_unseen(d, AREA, "which profiles AppArmor has loaded: that takes root");
		return;
	}
	if (r < 0)
		return;
	if (is_loaded(buf_str(&profiles), "flagmand", &enforced)) {
		if (enforced)
			check_paths(d);
	} else if (access(ETC "flagman", F_OK) == 0) {
		doctor_found(d, AREA, RELOAD "; systemctl restart flagman",
			ETC "flagman is there, and not loaded: nothing confines flagman");
	}
	check_actions(d, buf_str(&profiles));
}
