/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names come from proc_pid_mountinfo(5), /proc/PID/fd (of those processes that we may look into)
 * and /proc/locks.  What can't be found out is not guessed.
 */
#include "disc/busy.h"

#include "disc/say.h"

#include "common/dir.h"
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sysexits.h>
#include <unistd.h>

#define WHO_MAX 256

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
	       s[2] <= '7';
}

/* \040 and the like, in place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		bool escaped = *s == '\\' && is_octal(s + 1);
		*to++ = escaped ? (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0')) : *s;
		s += escaped ? 3 : 0;
	}
	*to = '\0';
}

static void add_user(char *who, size_t size, uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);
	size_t n = strlen(who);

	if (pw)
		snprintf(who + n, size - n, ", by %s", pw->pw_name);
	else
		snprintf(who + n, size - n, ", by uid %u", uid);
}

/* "11:0" */
static bool is_device(const char *s, dev_t device)
{
	char *end;
	unsigned long major = strtoul(s, &end, 10), minor;

	if (end == s || *end != ':')
		return false;
	s = end + 1;
	minor = strtoul(s, &end, 10);
	return end != s && !*end && makedev(major, minor) == device;
}

/* "36 35 11:0 / /mnt opts - iso9660 /dev/sr0 ro,uid=1000": a file manager mounts for a user, whom
 * the options name. */
bool busy_read_mount(char *line, dev_t device, char *who, size_t size)
{
	char *field[5], *options, *end;

	for (size_t i = 0; i < sizeof(field) / sizeof(*field); i++)
		if (!(field[i] = strsep(&line, " ")))
			return false;
	if (!is_device(field[2], device))
		return false;
	unescape(field[4]);
	snprintf(who, size, "mounted on %.200s", field[4]);
	options = line ? strstr(line, "- ") : NULL;
	options = options ? strstr(options, "uid=") : NULL;
	if (options) {
		unsigned long uid = strtoul(options + strlen("uid="), &end, 10);
		if (end != options + strlen("uid="))
			add_user(who, size, (uid_t)uid);
	}
	return true;
}

static bool find_mount(dev_t device, char *who, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t n = 0;
	bool found = false;

	while (f && !found && getline(&line, &n, f) > 0)
		found = busy_read_mount(line, device, who, size);
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* "xorriso (process 123, by alice)" */
static void name_process(const char *pid, char *who, size_t size)
{
	char path[64], comm[32] = "a program";
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	FILE *f = fopen(path, "re");
	if (f && fgets(comm, sizeof(comm), f))
		comm[strcspn(comm, "\n")] = '\0';
	if (f)
		fclose(f);
	snprintf(who, size, "in use by %s (process %.20s", comm, pid);
	path[strlen(path) - strlen("/comm")] = '\0';
	if (stat(path, &st) == 0)
		add_user(who, size, st.st_uid);
	snprintf(who + strlen(who), size - strlen(who), ")");
}

static bool has_open(const char *pid, dev_t device)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	_cleanup_dir_ DIR *d = dir_open(AT_FDCWD, path);
	for (const struct dirent *e; (e = dir_next(d));) {
		struct stat st;
		if (fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISBLK(st.st_mode) &&
			st.st_rdev == device)
			return true;
	}
	return false;
}

static bool find_process(dev_t device, char *who, size_t size)
{
	_cleanup_dir_ DIR *d = dir_open(AT_FDCWD, "/proc");
	char self[24];

	snprintf(self, sizeof(self), "%d", getpid());
	for (const struct dirent *e; (e = dir_next(d));)
		if (*e->d_name >= '0' && *e->d_name <= '9' && strcmp(e->d_name, self) != 0 &&
			has_open(e->d_name, device)) {
			name_process(e->d_name, who, size);
			return true;
		}
	return false;
}

static int busy(const char *device, const char *who)
{
	return verdict(EX_TEMPFAIL, "%s is %s: nothing was done. %s", device, who,
		strncmp(who, "mounted", strlen("mounted")) == 0 ? "Unmount it first"
								: "Try again when that has ended");
}

static int cannot_open(const char *device)
{
	struct stat st;
	char who[WHO_MAX] = "in use by another program";
	int error = errno;

	if (error == EBUSY) {
		if (stat(device, &st) == 0 && !find_mount(st.st_rdev, who, sizeof(who)))
			(void)find_process(st.st_rdev, who, sizeof(who));
		return busy(device, who);
	}
	if (error == ENOENT || error == ENXIO || error == ENODEV)
		return verdict(EX_UNAVAILABLE,
			"there is no drive %s: is it connected and switched on?", device);
	if (error == EACCES || error == EPERM)
		return verdict(EX_UNAVAILABLE,
			"%s may not be used: %s. The command's user must be in the drive's group "
			"(cdrom)",
			device, strerror(error));
	return verdict(EX_UNAVAILABLE, "%s can't be opened: %s", device, strerror(error));
}

int busy_open(const char *device, int flags)
{
	struct stat st;
	int fd = open(device, flags | O_EXCL | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -cannot_open(device);
	if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode))
		return fd;
	close(fd);
	return -verdict(EX_UNAVAILABLE, "%s is not a drive", device);
}

/* "1: FLOCK  ADVISORY  WRITE 123 08:01:1234 0 EOF": the process, if it is of INODE. */
static const char *read_lock(char *line, ino_t inode)
{
	char *at = NULL, *field[6];

	for (size_t i = 0; i < sizeof(field) / sizeof(*field); i++)
		if (!(field[i] = strtok_r(i ? NULL : line, " ", &at)))
			return NULL;
	const char *number = strrchr(field[5], ':');
	return strcmp(field[1], "FLOCK") == 0 && number && strtoull(number + 1, NULL, 10) == inode
		       ? field[4]
		       : NULL;
}

static bool find_lock(int fd, char *who, size_t size)
{
	FILE *f = fopen("/proc/locks", "re");
	const char *pid = NULL;
	char line[256];
	struct stat st;

	if (f && fstat(fd, &st) == 0)
		while (!pid && fgets(line, sizeof(line), f))
			pid = read_lock(line, st.st_ino);
	if (f)
		fclose(f);
	if (pid)
		name_process(pid, who, size);
	return pid != NULL;
}

int busy_lock(int fd, const char *path)
{
	char who[WHO_MAX] = "in use by another program";

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return verdict(EX_UNAVAILABLE, "%s can't be locked: %s", path, strerror(errno));
	(void)find_lock(fd, who, sizeof(who));
	return busy(path, who);
}
