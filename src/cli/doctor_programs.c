/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Can a command's user start its program? */
#include "cli/doctor.h"

#include "cli/person.h"
#include "common/fd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define AREA      "command"
#define DIR_MAX_  4096
#define LINE_MAX_ 256

/* Not access(2): SELinux would answer for this process, which may start none of them. */
bool doctor_has_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static void check_mount(struct doctor *d, const char *name, const char *path)
{
	struct statvfs fs;

	if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
		doctor_found(d, AREA, "put it on another file system, or mount -o remount,exec",
			"%s: %s is on a file system that is mounted noexec", name, path);
}

/* What the kernel would start for a script: "bad interpreter" for who wrote it under Windows. */
static void check_interpreter(struct doctor *d, const char *name, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char line[LINE_MAX_ + 1], *end, *program;
	ssize_t n = fd >= 0 ? read(fd, line, LINE_MAX_) : -1;

	if (n < 3 || strncmp(line, "#!", 2) != 0)
		return;
	line[n] = '\0';
	end = strchr(line, '\n');
	if (end && end[-1] == '\r') {
		doctor_found(
			d, AREA, NULL, "%s: the lines of %s end as Windows ends them", name, path);
		doctor_advise(d, "sed -i 's/\\r$//' '%s'", path);
		return;
	}
	program = line + 2 + strspn(line + 2, " \t");
	program[strcspn(program, " \t\n")] = '\0';
	if (*program == '/' && access(program, F_OK) < 0 && errno == ENOENT)
		doctor_found(d, AREA, "install it, or mend the first line",
			"%s: %s wants %s, which is not there", name, path, program);
}

static void not_executable(
	struct doctor *d, const char *name, const char *who, const char *path, mode_t mode)
{
	doctor_found(d, AREA, NULL, "%s: %s can't be executed by %s (mode %04o)", name, path, who,
		mode & 07777);
	doctor_advise(d,
		mode & 0111 ? "chmod o+rx '%s', or give it that user's group" : "chmod a+rx '%s'",
		path);
}

void doctor_program(struct doctor *d, const char *name, const struct person *p, const char *who,
	const char *path)
{
	char dir[DIR_MAX_];
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == EACCES)
			doctor_unseen(d, AREA, "%s: %s: no permission to look", name, path);
		else
			doctor_found(d, AREA, "install it, or write its right path", "%s: %s: %s",
				name, path, strerror(errno));
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		doctor_found(
			d, AREA, "write the program's path", "%s: %s is no program", name, path);
		return;
	}
	if (person_may_reach(p, path, dir, sizeof(dir)) == 0) {
		doctor_found(d, AREA, NULL, "%s: %s, who runs %s, may not pass %s", name, who, path,
			dir);
		doctor_advise(d, "chmod o+x '%s', or setfacl -m u:%s:x '%s'", dir, who, dir);
		return;
	}
	if (person_may(p, path, X_OK) == 0) {
		not_executable(d, name, who, path, st.st_mode);
		return;
	}
	check_mount(d, name, path);
	check_interpreter(d, name, path);
}
