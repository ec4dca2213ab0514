/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How flagman knows a directory that it has made. */
#include "executor/mark.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FOLDER "directories"

static const char *attribute(const struct marks *m)
{
	return m->privileged ? "trusted.flagman" : "user.flagman";
}

/* The record's name: a directory that is removed and made anew is another one. */
static int record_name(int dir, char *buf, size_t size)
{
	struct file_info i;
	int r = file_info_at(dir, "", &i);

	if (r < 0)
		return r;
	snprintf(buf, size, FOLDER "/%llx-%llu-%llx", (unsigned long long)i.id.dev,
		(unsigned long long)i.id.ino, (unsigned long long)i.id.btime_ns);
	return 0;
}

bool mark_has(const struct marks *m, int dir)
{
	char value[16], name[128];

	if (fgetxattr(dir, attribute(m), value, sizeof(value)) > 0)
		return true;
	return record_name(dir, name, sizeof(name)) == 0 &&
	       faccessat(m->state, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int mark_set(const struct marks *m, int dir)
{
	_cleanup_close_ int fd = -1;
	char name[128];
	int r;

	if (fsetxattr(dir, attribute(m), "1", 1, 0) == 0)
		return 0;
	if (errno != ENOTSUP && errno != EPERM && errno != ENOSPC)
		return -errno;
	if (mkdirat(m->state, FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = record_name(dir, name, sizeof(name));
	if (r < 0)
		return r;
	fd = openat(m->state, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : 0;
}

void mark_forget(const struct marks *m, int dir)
{
	char name[128];

	if (record_name(dir, name, sizeof(name)) == 0)
		(void)unlinkat(m->state, name, 0);
}
