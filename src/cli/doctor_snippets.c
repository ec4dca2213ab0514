/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snippets that nobody reads, for their name or their place is wrong.  What an editor or a package
 * manager leaves beside a snippet, and what was put aside on purpose, is left in peace.
 */
#include "cli/doctor.h"

#include "common/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA      "configuration"
#define MAIN_FILE "flagman.yaml"
#define PEEK      16384

static bool ends_in(const char *name, const char *ending)
{
	size_t n = strlen(name), k = strlen(ending);

	return n > k && strcmp(name + n - k, ending) == 0;
}

/* As config/source.c has it. */
static bool is_read(const char *name)
{
	return name[0] != '.' && (ends_in(name, ".yaml") || ends_in(name, ".yml"));
}

static bool is_put_aside(const char *name)
{
	static const char *const patterns[] = {".*", "#*#", "*.bak", "*.old", "*.orig", "*.save",
		"*.disabled", "*.off", "*.example", "*.sample", "*.swp", "*.tmp", "*.dpkg-*",
		"*.rpm*", "*.ucf-*", "*.rej", "*.patch", "*.diff", "README*", NULL};

	for (const char *const *p = patterns; *p; p++)
		if (fnmatch(*p, name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

/* "apache.yaml" for apache.yml.txt, apache.YAML, apache.conf and apache. */
static void right_name(char *buf, size_t size, const char *name)
{
	static const char *const endings[] = {
		"~", ".txt", ".text", ".conf", ".cfg", ".yaml", ".yml", NULL};
	size_t n = strlen(name);

	for (const char *const *e = endings; *e; e++) {
		size_t k = strlen(*e);

		if (n > k && strncasecmp(name + n - k, *e, k) == 0)
			n -= k;
	}
	snprintf(buf, size, "%.*s.yaml", (int)n, name);
}

/* Does a line begin with a key that every snippet has?  Without YAML: it may be any file. */
static bool looks_like_snippet(int dir, const char *name)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	char text[PEEK + 1];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	n = read(fd, text, PEEK);
	if (n <= 0)
		return false;
	text[n] = '\0';
	for (char *line, *rest = text; (line = strsep(&rest, "\n"));) {
		line += strncmp(line, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
		if (strncmp(line, "object:", 7) == 0 || strncmp(line, "action-group:", 13) == 0)
			return true;
	}
	return false;
}

static bool has(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* NAME~ is an editor's copy of what still is there under its name. */
static bool is_copy(int dir, const char *name)
{
	char original[NAME_MAX + 1];

	if (!ends_in(name, "~"))
		return false;
	snprintf(original, sizeof(original), "%.*s", (int)strlen(name) - 1, name);
	return has(dir, original);
}

static void check_file(struct doctor *d, int dir, const char *path, const char *name)
{
	const char *to = d->cli->conf_dir;
	char right[NAME_MAX + 16];

	if (is_put_aside(name) || is_copy(dir, name) || !looks_like_snippet(dir, name))
		return;
	right_name(right, sizeof(right), name);
	doctor_found(d, AREA, NULL, "%s/%s is never read: %s", path, name,
		strcmp(path, to) == 0 ? "its name has to end in .yaml or .yml"
				      : "snippets have to be in conf.d itself");
	doctor_advise(d, "mv '%s/%s' '%s/%s'", path, name, to, right);
}

typedef void each_name(struct doctor *d, int dir, const char *path, const char *name);

static void each(struct doctor *d, const char *path, each_name *f)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		f(d, dirfd(dir), path, e->d_name);
	if (dir)
		closedir(dir);
}

static void in_conf_dir(struct doctor *d, int dir, const char *path, const char *name)
{
	_cleanup_free_ char *below = NULL;
	struct stat st;

	if (name[0] == '.' || fstatat(dir, name, &st, 0) < 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		if (!is_read(name))
			check_file(d, dir, path, name);
	} else if (asprintf(&below, "%s/%s", path, name) >= 0) {
		each(d, below, check_file);
	} else {
		below = NULL;
	}
}

/* "flagman.yml" where there is no flagman.yaml. */
static bool is_main_file(const char *name)
{
	return strcmp(name, MAIN_FILE) != 0 &&
	       (strncasecmp(name, "flagman.y", 9) == 0 || strcasecmp(name, "flagman.conf") == 0);
}

static void beside_conf_dir(struct doctor *d, int dir, const char *path, const char *name)
{
	if (strcmp(name, MAIN_FILE) != 0 && !is_main_file(name))
		check_file(d, dir, path, name);
	if (!is_main_file(name) || is_put_aside(name) || has(dir, MAIN_FILE))
		return;
	doctor_found(
		d, AREA, NULL, "%s/%s is never read: its name has to be " MAIN_FILE, path, name);
	doctor_advise(d, "mv '%s/%s' '%s/" MAIN_FILE "'", path, name, path);
}

void doctor_snippets(struct doctor *d)
{
	char parent[PATH_MAX];

	each(d, d->cli->conf_dir, in_conf_dir);
	doctor_parent(d, parent, sizeof(parent));
	/* A private instance's may lie beside anything. */
	if (ends_in(d->cli->conf_dir, "/conf.d"))
		each(d, parent, beside_conf_dir);
}
