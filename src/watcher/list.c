/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watcher/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define LIST_SEALS (F_SEAL_SHRINK | F_SEAL_WRITE)

/*
 * One entry of at most SIZE bytes at DATA; the bytes it takes, or 0 with *RET_WHY.  A path that
 * ends in a slash is refused: IN_DONT_FOLLOW would follow a symlink there.
 */
static size_t parse_entry(
	const char *data, size_t size, struct list_entry *ret, const char **ret_why)
{
	const char *nul = memchr(data, '\0', size);
	const char *p = data;
	uint64_t number = 0;
	bool quiet;

	if (!nul) {
		*ret_why = "does not end in NUL";
		return 0;
	}
	for (; *p >= '0' && *p <= '9' && number <= UINT32_MAX; p++)
		number = number * 10 + (uint64_t)(*p - '0');
	quiet = p > data && *p == 'q';
	p += quiet;
	if (p == data || number > UINT32_MAX || *p != ' ') {
		*ret_why = "does not begin with a 32-bit number and a space";
		return 0;
	}
	p++;
	if (*p != '/' || nul[-1] == '/') {
		*ret_why = "has no absolute path without a slash at its end";
		return 0;
	}
	*ret = (struct list_entry){.number = (uint32_t)number, .quiet = quiet, .path = p};
	return (size_t)(nul - data) + 1;
}

static int check(struct list *l, char *why, size_t why_size)
{
	const char *reason;
	struct list_entry entry;

	l->n = 0;
	for (size_t at = 0, used; at < l->size; at += used) {
		used = parse_entry(l->data + at, l->size - at, &entry, &reason);
		if (used == 0) {
			(void)snprintf(
				why, why_size, "entry %u at byte %zu %s", l->n + 1, at, reason);
			return -EBADMSG;
		}
		l->n++;
	}
	return 0;
}

static int failed(const char *what, char *why, size_t why_size)
{
	int error = errno;

	(void)snprintf(why, why_size, "%s: %s", what, strerror(error));
	return -error;
}

int list_map(int fd, struct list *ret, char *why, size_t why_size)
{
	struct list l = {0};
	struct stat st;
	int seals, r;

	if (fstat(fd, &st) < 0)
		return failed("fstat", why, why_size);
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & LIST_SEALS) != LIST_SEALS) {
		(void)snprintf(why, why_size, "it is not a sealed memory file");
		return -EBADMSG;
	}
	l.size = (size_t)st.st_size;
	if (l.size > 0) {
		void *p = mmap(NULL, l.size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);

		if (p == MAP_FAILED)
			return failed("mmap", why, why_size);
		l.data = p;
	}
	r = check(&l, why, why_size);
	if (r < 0) {
		list_unmap(&l);
		return r;
	}
	*ret = l;
	return 0;
}

void list_unmap(struct list *l)
{
	if (l->data)
		(void)munmap((void *)(uintptr_t)l->data, l->size);
	*l = (struct list){0};
}

bool list_next(const struct list *l, size_t *at, struct list_entry *ret)
{
	const char *why;
	size_t used;

	if (*at >= l->size)
		return false;
	used = parse_entry(l->data + *at, l->size - *at, ret, &why);
	*at += used;
	return used > 0;
}
