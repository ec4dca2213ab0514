/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which file system each directory.path was. */
#include "executor/base.h"

#include "common/buf.h"
#include "executor/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#define NAME      "bases"
#define BYTES_MAX (4U * 1024 * 1024)

int base_open(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *save = NULL;

	if (!copy || fd < 0)
		return copy ? -errno : -ENOMEM;
	for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		int next = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		close_fd(fd);
		fd = next;
	}
	return steal_fd(&fd);
}

int base_look(int fd, struct base_memory *ret)
{
	struct file_info i;
	struct statfs s;
	int r = file_info_at(fd, "", &i);

	if (r < 0)
		return r;
	if (fstatfs(fd, &s) < 0)
		return -errno;
	ret->id = i.id;
	memcpy(&ret->fsid, &s.f_fsid, sizeof(ret->fsid));
	return 0;
}

bool base_is_other(const struct base_memory *known, const struct base_memory *now)
{
	bool inode = known->id.ino != now->id.ino || known->id.btime_ns != now->id.btime_ns;

	return inode && known->id.dev != now->id.dev && known->fsid != now->fsid;
}

bool base_was_removed(const char *path, const struct base_memory *known)
{
	_cleanup_free_ char *copy = strdup(path);
	struct base_memory above;
	char *slash;
	int fd = -ENOENT;

	while (fd == -ENOENT && copy && (slash = strrchr(copy, '/'))) {
		*slash = '\0';
		fd = base_open(copy);
		if (slash == copy)
			break;
	}
	if (fd < 0 || base_look(fd, &above) < 0) {
		close_fd(fd);
		return false;
	}
	close_fd(fd);
	return above.fsid == known->fsid;
}

const struct base_memory *base_recall(const struct base_records *r, const char *path)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->list[i].path, path))
			return &r->list[i].memory;
	return NULL;
}

void base_remember(struct base_records *r, const char *path, const struct base_memory *m)
{
	struct base_record *list;
	char *copy;

	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->list[i].path, path)) {
			r->changed |= !file_id_equal(&r->list[i].memory.id, &m->id) ||
				      r->list[i].memory.fsid != m->fsid;
			r->list[i].memory = *m;
			return;
		}
	copy = strdup(path);
	list = copy ? realloc(r->list, (r->n + 1) * sizeof(*list)) : NULL;
	if (!list) { /* not remembered: no protection, and no harm */
		free(copy);
		return;
	}
	r->list = list;
	r->list[r->n++] = (struct base_record){.path = copy, .memory = *m};
	r->changed = true;
}

void base_forget(struct base_records *r, const char *path)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->list[i].path, path)) {
			free(r->list[i].path);
			r->list[i] = r->list[--r->n];
			r->changed = true;
			return;
		}
}

void base_records_done(struct base_records *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->list[i].path);
	free(r->list);
	*r = (struct base_records){0};
}

/* "dev inode birth fsid path\n" */
void base_records_load(int state, struct base_records *r)
{
	int fd = openat(state, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	uint64_t v[4];

	*r = (struct base_records){0};
	while (f && getline(&line, &size, f) > 0) {
		const char *at = line;
		line[strcspn(line, "\n")] = '\0';
		if (scan_numbers(&at, v, 4) && at[0] == ' ' && at[1] == '/')
			base_remember(r, at + 1,
				&(struct base_memory){
					.id = {.dev = v[0], .ino = v[1], .btime_ns = v[2]},
					.fsid = v[3]});
	}
	free(line);
	if (f)
		fclose(f);
	r->changed = false;
}

int base_records_save(int state, struct base_records *r)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(BYTES_MAX);
	int e;

	if (!r->changed)
		return 0;
	for (size_t i = 0; i < r->n; i++)
		if (!strchr(r->list[i].path, '\n'))
			buf_addf(&b, "%llu %llu %llu %llu %s\n",
				(unsigned long long)r->list[i].memory.id.dev,
				(unsigned long long)r->list[i].memory.id.ino,
				(unsigned long long)r->list[i].memory.id.btime_ns,
				(unsigned long long)r->list[i].memory.fsid, r->list[i].path);
	if (b.error)
		return b.error;
	e = write_file_at(state, NAME, buf_str(&b), b.len, 0600);
	r->changed = e < 0;
	return e;
}
