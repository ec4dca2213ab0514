/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With libiso9660, which reads a directory as a whole and from the root on each time.  The tree is
 * a stranger's: it may have loops, a million directories, and one of 4 GiB.  So a process of its
 * own looks, with little memory and little time; a verdict does not depend on what becomes of it.
 */
#include "disc/files.h"

#include "disc/disc.h"

#include "common/fd.h"
#include "common/text.h"

#include <cdio/iso9660.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH_MAX       12
#define DIRECTORIES_MAX 20000
#define PATIENCE        (4 * USEC_PER_SEC)
#define MEMORY          (16 * 1024 * 1024) /* bytes, beside what there is */

struct search {
	iso9660_t *iso;
	uint64_t sector;
	unsigned directories;
	char *found;
	size_t size;
};

static bool lies_there(const struct search *s, const iso9660_stat_t *st)
{
	uint64_t n = ((uint64_t)st->size + SECTOR - 1) / SECTOR, first = (uint64_t)st->lsn;

	return s->sector >= first && s->sector < first + n;
}

/* What does not fit loses its beginning: the file's own name is at the end. */
static void shorten(const struct search *s, const char *name)
{
	size_t n = strlen(name);

	if (n < s->size) {
		memcpy(s->found, name, n + 1);
		return;
	}
	name += n - (s->size - 4);
	while (((unsigned char)*name & 0xc0) == 0x80)
		name++;
	snprintf(s->found, s->size, "...%s", name);
}

static bool look_into(struct search *s, const char *path, unsigned depth);

static bool look_at(struct search *s, const char *path, const iso9660_stat_t *st, unsigned depth)
{
	char name[1024];

	if (strcmp(st->filename, ".") == 0 || strcmp(st->filename, "..") == 0 ||
		snprintf(name, sizeof(name), "%s/%s", path, st->filename) >= (int)sizeof(name))
		return false;
	if (lies_there(s, st)) {
		shorten(s, name);
		return true;
	}
	return st->type == _STAT_DIR && depth < DEPTH_MAX && look_into(s, name, depth + 1);
}

static bool look_into(struct search *s, const char *path, unsigned depth)
{
	CdioISO9660FileList_t *list;
	CdioListNode_t *node;
	bool found = false;

	if (++s->directories > DIRECTORIES_MAX)
		return false;
	list = iso9660_ifs_readdir(s->iso, *path ? path : "/");
	if (!list)
		return false;
	_CDIO_LIST_FOREACH(node, list)
	{
		found = look_at(s, path, _cdio_list_node_data(node), depth);
		if (found)
			break;
	}
	iso9660_filelist_free(list);
	return found;
}

static void look_through(const char *path, struct search *s)
{
	s->iso = iso9660_open_ext(path, ISO_EXTENSION_ALL);
	if (s->iso) {
		(void)look_into(s, "", 0);
		iso9660_close(s->iso);
	}
}

static void limit(void)
{
	const struct rlimit none = {0}, time = {PATIENCE / USEC_PER_SEC, PATIENCE / USEC_PER_SEC};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)setrlimit(RLIMIT_CPU, &time);
#ifndef __SANITIZE_ADDRESS__ /* it has terabytes */
	char text[128] = "";
	FILE *f = fopen("/proc/self/statm", "re");
	rlim_t pages = f && fgets(text, sizeof(text), f) ? strtoul(text, NULL, 10) : 0;
	if (pages) {
		rlim_t all = pages * (rlim_t)sysconf(_SC_PAGESIZE) + MEMORY;
		(void)setrlimit(RLIMIT_AS, &(const struct rlimit){all, all});
	}
	if (f)
		fclose(f);
#endif
}

/* What comes through FD until its end, or until patience ends. */
static void hear(int fd, char *buf, size_t size)
{
	uint64_t until = now_monotonic() + PATIENCE;
	size_t n = 0;

	for (uint64_t now; n + 1 < size && (now = now_monotonic()) < until;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, (int)((until - now) / 1000) + 1) <= 0)
			continue;
		ssize_t r = read(fd, buf + n, size - 1 - n);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	buf[n] = '\0';
}

const char *files_at(const char *path, uint64_t sector, char *buf, size_t size)
{
	struct search s = {.sector = sector, .found = buf, .size = size};
	int ends[2];

	*buf = '\0';
	if (pipe2(ends, O_CLOEXEC) < 0)
		return buf;
	pid_t child = fork();
	if (child == 0) {
		limit();
		look_through(path, &s);
		_exit(write_all(ends[1], buf, strlen(buf)) < 0);
	}
	close(ends[1]);
	if (child > 0) {
		hear(ends[0], buf, size);
		(void)kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(ends[0]);
	return buf;
}
