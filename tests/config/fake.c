/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct fake now;

const struct fake fake_plain = {.systemd = true, .file_mode = 0644};

static const struct account users[] = {
	{"root", "/root", "/bin/bash", 0, 0},
	{"alice", "/home/alice", "/bin/bash", FAKE_UID_ALICE, 1000},
	{"bob", "/home/bob", "/bin/sh", 1001, 1001},
	{"flagman", "/var/lib/flagman", "/usr/sbin/nologin", FAKE_UID_FLAGMAN, 990},
	{"flagman-disc", "/nonexistent", "/usr/sbin/nologin", 991, 991},
	{"flagman-deploy", "/nonexistent", "/usr/sbin/nologin", 992, 992},
	{"tomcat", "/var/lib/tomcat", "/usr/sbin/nologin", 995, 995},
	{"www-data", "/var/www", "/usr/sbin/nologin", 33, 33},
};

static const struct {
	const char *name;
	gid_t gid;
} groups[] = {
	{"root", 0},
	{"disk", 6},
	{"cdrom", 24},
	{"www-data", 33},
	{"shadow", 42},
	{"docker", 998},
	{"tomcat", 995},
	{"alice", 1000},
	{"bob", 1001},
	{"flagman", 990},
	{"flagman-disc", 991},
	{"flagman-deploy", 992},
	{"wwwadmins", FAKE_GID_ADMINS},
	{"media", 2001},
	{"helpdesk", 2002},
	{"staff", 50},
	{"developers", 2003},
};

static const struct {
	const char *path;
	mode_t mode;
	uid_t uid;
	gid_t gid;
} files[] = {
	{"/", S_IFDIR | 0755, 0, 0},
	{"/srv", S_IFDIR | 0755, 0, 0},
	{"/srv/a-file", S_IFREG | 0644, 0, 0},
	{"/srv/open", S_IFDIR | 0777, 0, 0},
	{"/srv/of-alice", S_IFDIR | 0755, FAKE_UID_ALICE, 1000},
	{"/srv/of-media", S_IFDIR | 02770, 0, 2001},
	{"/srv/of-admins", S_IFDIR | 02770, 0, FAKE_GID_ADMINS},
	{"/var", S_IFDIR | 0755, 0, 0},
	{"/var/lib", S_IFDIR | 0755, 0, 0},
	{"/var/lib/samba", S_IFDIR | 0755, 0, 0},
	{"/var/local", S_IFDIR | 02775, 0, 50},
	{"/tmp", S_IFDIR | 01777, 0, 0},
	{"/tmp/of-root", S_IFDIR | 0755, 0, 0},
	{"/tmp/of-alice", S_IFDIR | 0700, FAKE_UID_ALICE, 1000},
	{"/tmp/of-bob", S_IFDIR | 0755, 1001, 1001},
	{"/scratch", S_IFDIR | 0777, 0, 0},
	{"/scratch/share", S_IFDIR | 0755, 0, 0},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool user_by_name(const char *name, struct account *ret)
{
	for (size_t i = 0; i < COUNT(users); i++)
		if (strcmp(users[i].name, name) == 0) {
			*ret = users[i];
			return true;
		}
	return false;
}

static bool user_by_id(uid_t uid, struct account *ret)
{
	for (size_t i = 0; i < COUNT(users); i++)
		if (users[i].uid == uid) {
			*ret = users[i];
			return true;
		}
	return false;
}

static bool group_by_name(const char *name, gid_t *ret)
{
	for (size_t i = 0; i < COUNT(groups); i++)
		if (strcmp(groups[i].name, name) == 0) {
			*ret = groups[i].gid;
			return true;
		}
	return false;
}

static const char *group_by_id(gid_t gid)
{
	for (size_t i = 0; i < COUNT(groups); i++)
		if (groups[i].gid == gid)
			return groups[i].name;
	return NULL;
}

/* Alice is in her own group and in media. */
static bool own_group(gid_t gid)
{
	return gid == 1000 || gid == 2001;
}

static bool is_home(const char *path)
{
	for (size_t i = 0; i < COUNT(users); i++)
		if (strcmp(users[i].home, path) == 0)
			return true;
	return false;
}

/* Everything is installed that is not called missing, and these in one place only. */
static bool is_program(const char *path)
{
	static const char *const programs[] = {
		"/usr/bin/systemctl",
		"/usr/sbin/service",
		"/usr/bin/tar",
		"/usr/sbin/apachectl",
	};

	for (size_t i = 0; i < COUNT(programs); i++)
		if (strcmp(strrchr(path, '/'), strrchr(programs[i], '/')) == 0)
			return strcmp(path, programs[i]) == 0;
	return strstr(path, "missing") == NULL;
}

static bool has_context(const char *context)
{
	return !strstr(context, ":nobody_has_this_t");
}

static bool is_directory(const char *path)
{
	return now.systemd && strcmp(path, "/run/systemd/system") == 0;
}

static bool resolve(const char *path, char *buf, size_t size)
{
	if (strcmp(path, "/srv/link-to-nowhere") == 0)
		return false;
	if (strcmp(path, "/srv/link-to-etc") == 0)
		path = "/etc/share";
	if (strcmp(path, "/srv/link-to-admins") == 0)
		path = "/srv/of-admins";
	if (strcmp(path, "/dev/cdrom") == 0)
		path = "/dev/sr0";
	return (size_t)snprintf(buf, size, "%s", path) < size;
}

static int fake_stat(const char *path, struct stat *st)
{
	for (size_t i = 0; i < COUNT(files); i++)
		if (strcmp(files[i].path, path) == 0) {
			*st = (struct stat){
				.st_mode = files[i].mode,
				.st_uid = files[i].uid,
				.st_gid = files[i].gid,
			};
			return 0;
		}
	errno = ENOENT;
	return -1;
}

static int fake_fstat(int fd, struct stat *st)
{
	if (now.fstat_fails) {
		errno = EIO;
		return -1;
	}
	if (fstat(fd, st) < 0 || now.real_files)
		return now.real_files ? 0 : -1;
	st->st_uid = now.file_uid;
	st->st_mode = (st->st_mode & S_IFMT) | now.file_mode;
	if (now.as_regular)
		st->st_mode = S_IFREG | now.file_mode;
	return 0;
}

static const struct config_hooks hooks = {
	.user_by_name = user_by_name,
	.user_by_id = user_by_id,
	.group_by_name = group_by_name,
	.group_by_id = group_by_id,
	.own_group = own_group,
	.is_home = is_home,
	.is_program = is_program,
	.is_directory = is_directory,
	.has_context = has_context,
	.resolve = resolve,
	.stat = fake_stat,
	.fstat = fake_fstat,
};

void fake_use(const struct fake *f)
{
	now = *f;
	config_set_hooks(&hooks);
}
