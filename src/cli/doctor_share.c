/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What smb.conf says of the shares that have a directory.path. */
#include "cli/doctor_share.h"

#include "cli/share.h"
#include "common/fd.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void share_must_be_no(const struct share_look *l, const char *key, const char *why)
{
	if (!smbconf_yes(l->conf, l->section, key))
		return;
	doctor_found(l->d, SHARE_AREA, NULL, "[%s] has %s = yes, %s", l->section->name, key, why);
	doctor_advise(l->d, "write: %s = no", key);
}

void share_must_be_yes(const struct share_look *l, const char *key, const char *why)
{
	if (strcasecmp(smbconf_get(l->conf, l->section, key), "no") != 0)
		return;
	doctor_found(l->d, SHARE_AREA, NULL, "[%s] has %s = no, %s", l->section->name, key, why);
	doctor_advise(l->d, "write: %s = yes", key);
}

static void check_caching(const struct share_look *l)
{
	const char *csc = smbconf_get(l->conf, l->section, "csc policy");

	share_must_be_no(l, "oplocks", "so clients keep showing a flag's old text");
	/* Without oplocks smbd ignores it. */
	if (smbconf_yes(l->conf, l->section, "oplocks"))
		share_must_be_no(l, "level2 oplocks", "so clients keep showing a flag's old text");
	share_must_be_no(l, "kernel oplocks", "so a client can keep flagman from writing");
	if (strcasecmp(csc, "disable") != 0)
		doctor_found(l->d, SHARE_AREA, "write: csc policy = disable",
			"[%s] has csc policy = %s: offline files may replay a deletion, which is a "
			"press, at the next logon",
			l->section->name, csc);
}

static void check_access(const struct share_look *l)
{
	share_must_be_yes(l, "available", "so nobody can connect to it");
	share_must_be_no(l, "read only", "which forbids deleting, too");
	share_must_be_no(l, "follow symlinks", "so who may write here may show the server's files");
	share_must_be_no(l, "wide links", "so a symlink may lead out of the share");
	share_must_be_no(l, "store dos attributes",
		"so a client can make a flag read-only, and then nobody can press it");
	if (l->top && !smbconf_has_pattern(l->conf, l->section, "veto files", ".flagman"))
		doctor_found(l->d, SHARE_AREA, "add /.flagman/ to veto files",
			"[%s] does not hide .flagman, which is flagman's workshop",
			l->section->name);
	if (l->share->drops && smbconf_has_pattern(l->conf, l->section, "veto files", "._*"))
		doctor_found(l->d, SHARE_AREA, "take /._*/ out of veto files",
			"[%s] vetoes ._*, so macOS can't copy downloads into a drop folder",
			l->section->name);
}

/* KEY is `veto files` or `hide files`. */
static void must_not_match(const struct share_look *l, const char *key)
{
	_cleanup_free_ char *list = strdup(smbconf_get(l->conf, l->section, key));

	for (char *pattern, *rest = list; (pattern = strsep(&rest, "/"));) {
		if (!*pattern || fnmatch(pattern, "Restart.txt", FNM_CASEFOLD) != 0)
			continue;
		doctor_found(l->d, SHARE_AREA, NULL, "[%s] has %s in %s, which flags match",
			l->section->name, pattern, key);
		doctor_advise(l->d, "take /%s/ out of %s", pattern, key);
	}
}

/* Is there a flag below it that who presses can't read? */
static bool any_unreadable(const struct config *c, const char *path)
{
	for (size_t i = 0; i < c->n_groups; i++) {
		const struct group *g = &c->groups[i];
		mode_t bit = g->file_gid == g->dir_gid ? 0040 : 0004;

		if (strcmp(g->path, path) == 0 && !(g->file_mode & bit))
			return true;
	}
	return false;
}

static void check_visible(const struct share_look *l)
{
	const char *age = smbconf_get(l->conf, l->section, "hide new files timeout");

	/* Flags are flagman's, and those who press may read them. */
	share_must_be_no(
		l, "hide unwriteable files", "which hides every flag from those who press");
	if (any_unreadable(l->d->config, l->share->path))
		share_must_be_no(l, "hide unreadable",
			"which hides flags whose file.group or file.mode is not for those who "
			"press");
	if (strtol(age, NULL, 10) > 0)
		doctor_found(l->d, SHARE_AREA, "write: hide new files timeout = 0",
			"[%s] has hide new files timeout = %s, which hides each flag that has just "
			"changed",
			l->section->name, age);
	must_not_match(l, "veto files");
	must_not_match(l, "hide files");
}

static void check_section(const struct share_look *l)
{
	check_caching(l);
	check_access(l);
	check_visible(l);
	share_modules(l);
	share_people(l);
}

bool share_has_include(const struct doctor *d)
{
	return strcmp(d->cli->run_dir, CLI_RUN_DIR) == 0 && access(SHARE_INCLUDE, F_OK) == 0;
}

static void no_share(struct doctor *d, const char *path)
{
	doctor_found(d, SHARE_AREA, NULL, "no share of smb.conf has %s", path);
	if (share_has_include(d))
		doctor_advise(d, "write at the end of smb.conf: include = " SHARE_INCLUDE);
	else
		doctor_advise(d, "flagman samba prints one; append it to smb.conf");
}

/* All shares of the directory that is nearest: people come by each of them.  How many. */
static size_t check_shares_of(struct share_look *l, const char *path)
{
	const struct smbconf_section *nearest = smbconf_cover(l->conf, path), *s;
	size_t n = 0;

	for (size_t i = 0; nearest && i < l->conf->n_sections; i++) {
		s = &l->conf->sections[i];
		if (s != nearest && !smbconf_same_path(s, nearest))
			continue;
		l->section = s;
		check_section(l);
		n++;
	}
	return n;
}

/* Without a share of directory.path, objects may have shares of their own. */
static void check_objects(struct share_look *l)
{
	const struct config *c = l->d->config;
	size_t with = 0, without = 0;
	const char *lacking = NULL;

	l->top = false;
	for (size_t i = 0; i < c->n_groups; i++) {
		_cleanup_free_ char *path = NULL;
		const struct group *g = &c->groups[i];

		if (strcmp(g->path, l->share->path) != 0 ||
			asprintf(&path, "%s/%s", g->path, g->object) < 0)
			continue;
		if (smbconf_cover(l->conf, path)) {
			with += check_shares_of(l, path);
			continue;
		}
		lacking = g->object;
		without++;
	}
	if (!with)
		no_share(l->d, l->share->path);
	else if (without)
		doctor_found(l->d, SHARE_AREA, "flagman samba prints a share for all of it",
			"no share of smb.conf has %s/%s", l->share->path, lacking);
}

/* smb.conf may name it by another way, through a symlink. */
static const char *real_path(const struct config *c, const char *path)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i].path == path)
			return c->groups[i].real;
	return path;
}

static bool by_macro(const struct smbconf *conf, const char *path)
{
	for (size_t i = 0; i < conf->n_sections; i++)
		if (smbconf_may_cover(&conf->sections[i], path))
			return true;
	return false;
}

static void check_share(struct doctor *d, const struct smbconf *conf, const struct share *s)
{
	struct share_look l = {.d = d, .conf = conf, .share = s, .top = true};
	const char *real = real_path(d->config, s->path);

	if (check_shares_of(&l, s->path) || check_shares_of(&l, real))
		return;
	if (by_macro(conf, real))
		doctor_unseen(
			d, SHARE_AREA, "whose share has %s: a path there has a %% in it", s->path);
	else
		check_objects(&l);
}

/* Each path as where its symlinks lead; what is on a network, maybe a dead one, is left alone. */
static void resolve_paths(struct smbconf *conf)
{
	for (size_t i = 0; i < conf->n_sections; i++)
		for (size_t k = 0; k < conf->sections[i].n_settings; k++) {
			struct smbconf_setting *s = &conf->sections[i].settings[k];
			char *real;

			if (strcasecmp(s->key, "path") != 0 || doctor_network(s->value))
				continue;
			real = realpath(s->value, NULL);
			if (!real)
				continue;
			free(s->value);
			s->value = real;
		}
}

/* What no share has of its own. */
static void check_global(struct doctor *d, const struct smbconf *conf)
{
	static const char why[] = "so clients' windows show no new state until F5 is pressed";
	struct share_look l = {.d = d, .conf = conf};

	for (size_t i = 0; i < conf->n_sections; i++) {
		l.section = &conf->sections[i];
		if (strcasecmp(l.section->name, "global") != 0)
			continue;
		share_must_be_yes(&l, "kernel change notify", why);
		share_must_be_yes(&l, "change notify", why);
	}
}

static void refused(struct doctor *d, int error)
{
	if (error == -EINVAL && geteuid() == 0)
		doctor_found(d, SHARE_AREA, "testparm -s says why",
			"testparm refuses smb.conf, and so will smbd");
	else
		doctor_unseen(d, SHARE_AREA, "testparm, which knows smb.conf, %s",
			error == -ENOENT   ? "is not installed here"
			: error == -EINVAL ? "refuses it"
					   : strerror(-error));
}

void doctor_shares(struct doctor *d)
{
	struct smbconf conf;
	struct share *shares;
	size_t n;
	int r;

	if (!d->config->n_groups)
		return;
	r = smbconf_run(d->cli->smb_conf, &conf);
	if (r < 0) {
		refused(d, r);
		return;
	}
	resolve_paths(&conf);
	if (share_list(d->config, &shares, &n) == 0) {
		for (size_t i = 0; i < n; i++)
			check_share(d, &conf, &shares[i]);
		share_own(d, shares, n);
		share_list_free(shares, n);
	}
	check_global(d, &conf);
	samba_running(d);
	samba_account(d, &conf);
	smbconf_done(&conf);
}
