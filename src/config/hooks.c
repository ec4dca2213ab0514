/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/hooks.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool to_account(const struct passwd *pw, struct account *ret)
{
	if (!pw)
		return false;
	*ret = (struct account){
		.name = pw->pw_name,
		.home = pw->pw_dir,
		.shell = pw->pw_shell,
		.uid = pw->pw_uid,
		.gid = pw->pw_gid,
	};
	return true;
}

static bool user_by_name(const char *name, struct account *ret)
{
	return to_account(getpwnam(name), ret);
}

static bool user_by_id(uid_t uid, struct account *ret)
{
	return to_account(getpwuid(uid), ret);
}

static bool group_by_name(const char *name, gid_t *ret)
{
	const struct group *gr = getgrnam(name);

	if (gr)
		*ret = gr->gr_gid;
	return gr != NULL;
}

static const char *group_by_id(gid_t gid)
{
	const struct group *gr = getgrgid(gid);

	return gr ? gr->gr_name : NULL;
}

static bool own_group(gid_t gid)
{
	gid_t groups[1024];
	int n;

	if (geteuid() == 0 || getegid() == gid)
		return true;
	n = getgroups(1024, groups);
	for (int i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* The machine's own accounts are read from the file: a directory service may have a million.  Of
 * those the owner of the directory is asked for. */
static bool is_home(const char *path)
{
	_cleanup_(close_file) FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;
	struct stat st;

	while (f && (pw = fgetpwent(f)))
		if (strcmp(pw->pw_dir, path) == 0)
			return true;
	if (stat(path, &st) < 0)
		return false;
	pw = getpwuid(st.st_uid);
	return pw && strcmp(pw->pw_dir, path) == 0;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What is not there yet is put behind what is. */
static bool resolve(const char *path, char *buf, size_t size)
{
	_cleanup_free_ char *there = strdup(path), *real = NULL;

	while (there && !(real = realpath(there, NULL))) {
		char *slash = strrchr(there, '/');

		if (errno != ENOENT || !slash || slash == there)
			return false;
		*slash = '\0';
	}
	return real && (size_t)snprintf(buf, size, "%s%s", real, path + strlen(there)) < size;
}

/* security_check_context(3).  Only EINVAL is an answer: without SELinux there is no such file. */
static bool has_context(const char *context)
{
	_cleanup_close_ int fd = open("/sys/fs/selinux/context", O_RDWR | O_CLOEXEC);

	return fd < 0 || write(fd, context, strlen(context) + 1) >= 0 || errno != EINVAL;
}

static int stat_path(const char *path, struct stat *st)
{
	return stat(path, st);
}

static int stat_fd(int fd, struct stat *st)
{
	return fstat(fd, st);
}

static const struct config_hooks machine = {
	.user_by_name = user_by_name,
	.user_by_id = user_by_id,
	.group_by_name = group_by_name,
	.group_by_id = group_by_id,
	.own_group = own_group,
	.is_home = is_home,
	.is_program = is_program,
	.is_directory = is_directory,
	.resolve = resolve,
	.has_context = has_context,
	.stat = stat_path,
	.fstat = stat_fd,
};

static const struct config_hooks *current = &machine;

const struct config_hooks *config_hooks(void)
{
	return current;
}

void config_set_hooks(const struct config_hooks *hooks)
{
	current = hooks ? hooks : &machine;
}
