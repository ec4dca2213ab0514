/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs in cgroups of their own. */
#include "executor/cgroup.h"

#include "common/dir.h"
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PREFIX   "run-"
#define TEXT_MAX (256 * 1024)

/* The line "0::/path" of /proc/self/cgroup: cgroup v2. */
static const char *unified_path(const char *text, size_t *ret_len)
{
	while (text && *text) {
		if (!strncmp(text, "0::/", 4)) {
			*ret_len = strcspn(text + 3, "\n");
			return text + 3;
		}
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return NULL;
}

/* proc_pid_mountinfo(5): id parent major:minor ROOT MOUNTPOINT options ... - TYPE ... */
static bool unified_mount(const char *line, char *root, char *point)
{
	const char *type = strstr(line, " - ");

	return type && !strncmp(type, " - cgroup2 ", 11) &&
	       sscanf(line, "%*s %*s %*s %1023s %1023s", root, point) == 2;
}

int cgroup_locate(const char *cgroup, const char *mountinfo, char *buf, size_t size)
{
	char root[1024], point[1024], line[4096];
	size_t len = 0;
	const char *path = unified_path(cgroup, &len);

	for (const char *at = mountinfo; path && at && *at;
		at = strchr(at, '\n'), at += at != NULL) {
		size_t skip;
		int n;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
		if (!unified_mount(line, root, point))
			continue;
		/* The mount shows the hierarchy from ROOT on; we may lie outside of that. */
		skip = strcmp(root, "/") ? strlen(root) : 0;
		if (skip > len || strncmp(path, root, skip) != 0 ||
			(skip && skip < len && path[skip] != '/'))
			continue;
		n = snprintf(buf, size, "%s%.*s", point, (int)(len - skip), path + skip);
		if (n < 0 || (size_t)n >= size)
			return -ENAMETOOLONG;
		while (n > 1 && buf[n - 1] == '/')
			buf[--n] = '\0';
		return 0;
	}
	return -ENOENT;
}

static char *read_text(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = malloc(TEXT_MAX);
	size_t len = 0;
	ssize_t n = 1;

	while (fd >= 0 && text && n > 0 && len < TEXT_MAX - 1) {
		n = read(fd, text + len, TEXT_MAX - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || !text || n < 0)
		return NULL;
	text[len] = '\0';
	return steal_ptr(&text);
}

static bool is_delegated(int fd)
{
	char value[4];

	if (faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) < 0)
		return false;
	return (fgetxattr(fd, "trusted.delegate", value, sizeof(value)) == 1 && *value == '1') ||
	       (fgetxattr(fd, "user.delegate", value, sizeof(value)) == 1 && *value == '1');
}

static int write_word(int dir, const char *name, const char *word)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_all(fd, word, strlen(word));
}

static int move_to_main(int root)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(root, "main", 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(root, "main", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : write_word(fd, "cgroup.procs", "0");
}

void cgroups_open(struct cgroups *c)
{
	_cleanup_free_ char *cgroup = read_text("/proc/self/cgroup");
	_cleanup_free_ char *mountinfo = read_text("/proc/self/mountinfo");
	_cleanup_close_ int fd = -1;
	char path[2048];

	*c = (struct cgroups){.root = -1};
	if (!cgroup || !mountinfo || cgroup_locate(cgroup, mountinfo, path, sizeof(path)) < 0)
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || !is_delegated(fd) || move_to_main(fd) < 0 || !(c->path = strdup(path)))
		return;
	c->root = steal_fd(&fd);
}

void cgroups_close(struct cgroups *c)
{
	close_fd(c->root);
	free(c->path);
	*c = (struct cgroups){.root = -1};
}

int cgroup_run(const struct cgroups *c, const char *name, bool make)
{
	char full[128];
	int fd;

	if (c->root < 0)
		return -ENOENT;
	snprintf(full, sizeof(full), PREFIX "%s", name);
	if (make && mkdirat(c->root, full, 0755) < 0)
		return -errno;
	fd = openat(c->root, full, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int cgroup_signal(int cgroup, int sig)
{
	_cleanup_close_ int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	_cleanup_(freep_) char *line = NULL;
	size_t size = 0;
	FILE *procs;
	int n = 0;

	if (fd < 0)
		return -errno;
	procs = fdopen(fd, "r");
	if (!procs)
		return -errno;
	(void)steal_fd(&fd); /* PROCS has it */
	while (getline(&line, &size, procs) > 0) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);
		if (pid > 0 && kill(pid, sig) == 0)
			n++;
	}
	fclose(procs);
	if (sig == SIGKILL) /* also what was forked meanwhile; Linux 5.14 */
		(void)write_word(cgroup, "cgroup.kill", "1");
	return n;
}

int cgroup_remove(const struct cgroups *c, const char *name)
{
	char full[128];

	if (c->root < 0)
		return -ENOENT;
	snprintf(full, sizeof(full), PREFIX "%s", name);
	return unlinkat(c->root, full, AT_REMOVEDIR) < 0 ? -errno : 0;
}

bool cgroups_sweep(const struct cgroups *c, cgroup_keep *keep, void *userdata)
{
	_cleanup_dir_ DIR *dir = c->root < 0 ? NULL : dir_open(c->root, ".");
	bool left = false;

	for (const struct dirent *e; (e = dir_next(dir));)
		if (!strncmp(e->d_name, PREFIX, strlen(PREFIX)) &&
			!keep(e->d_name + strlen(PREFIX), userdata))
			left |= unlinkat(c->root, e->d_name, AT_REMOVEDIR) < 0 && errno == EBUSY;
	return left;
}
