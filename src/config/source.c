/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files.  Who can write them can run anything as anybody, so:
 *
 * 1. A file MUST be opened once and checked on that descriptor, never by its path.
 * 2. Its owner MUST be root or the user that the service runs as.
 * 3. Neither its group nor others MAY write it; the same holds for conf.d itself.
 * 4. It MUST be a regular file, and it is opened so that a FIFO can't hold the service up.
 *
 * A file that fails is not read at all; what was good of it before stays.
 */
#include "config/loader.h"

#include "common/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (16U * 1024 * 1024)

static bool check_owner(struct loader *l, const struct place *at, const struct stat *st)
{
	char buf[24];

	if (st->st_uid != 0 && st->st_uid != l->options->trusted_uid)
		return wrong_at(l, at,
			"it is owned by %s (uid %u), who could run anything by it; only root may "
			"own it: chown root it",
			user_name(l, st->st_uid, buf), (unsigned)st->st_uid);
	if (st->st_mode & 0022)
		return wrong_at(l, at,
			"its mode is %04o: %s could run anything by it; chmod go-w it",
			(unsigned)(st->st_mode & 07777),
			st->st_mode & 0002 ? "everybody" : "its group");
	return true;
}

/* MUSTs 1 to 4. */
bool open_trusted(struct loader *l, const char *path, int *ret_fd)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const struct place at = {.file = path};
	struct stat st;

	if (fd < 0)
		return wrong_at(l, &at, "it can't be opened: %s", strerror(errno));
	if (l->hooks->fstat(fd, &st) < 0)
		return wrong_at(l, &at, "it can't be examined: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return wrong_at(l, &at, "it is no regular file");
	if (!l->options->skip_trust && !check_owner(l, &at, &st))
		return false;
	*ret_fd = steal_fd(&fd);
	return true;
}

static bool grow_text(struct loader *l, size_t size)
{
	char *p;

	if (size <= l->text_cap)
		return true;
	size = size < 65536 ? 65536 : size * 2;
	p = realloc(l->text, size);
	if (!p) {
		l->error = -ENOMEM;
		return false;
	}
	l->text = p;
	l->text_cap = size;
	return true;
}

bool read_text(struct loader *l, int fd)
{
	const struct place at = {.file = l->file};

	for (l->text_len = 0;;) {
		ssize_t n;

		if (!grow_text(l, l->text_len + 4096))
			return false;
		n = read(fd, l->text + l->text_len, l->text_cap - l->text_len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wrong_at(l, &at, "it can't be read: %s", strerror(errno));
		if (n == 0)
			break;
		l->text_len += (size_t)n;
		if (l->text_len > FILE_MAX)
			return wrong_at(l, &at, "it is larger than %u MiB", FILE_MAX >> 20);
	}
	l->text[l->text_len] = '\0';
	return true;
}

bool read_documents(struct loader *l, bool (*each)(struct loader *, const struct node *))
{
	struct yaml_reader *r = yaml_open(l->text, l->text_len, l->scratch);
	struct yaml_trouble trouble;
	const struct node *doc;
	int e;

	if (!r) {
		l->error = -ENOMEM;
		return false;
	}
	while ((e = yaml_next(r, &doc, &trouble)) > 0) {
		each(l, doc);
		arena_reset(l->scratch);
	}
	if (e < 0)
		riddle(l, &trouble);
	yaml_close(r);
	arena_reset(l->scratch);
	return e == 0;
}

/* The whole file is of no use: its fragments so far go, its last good versions come. */
static void note_broken(struct loader *l, size_t first_fragment)
{
	struct broken_file *b;

	l->n_fragments = first_fragment;
	b = reallocarray(l->broken, l->n_broken + 1, sizeof(*b));
	if (!b) {
		l->error = -ENOMEM;
		return;
	}
	l->broken = b;
	b[l->n_broken++] =
		(struct broken_file){.file = l->file, .message = l->first, .whole = true};
}

static void read_source(struct loader *l, const char *path)
{
	_cleanup_close_ int fd = -1;
	size_t first_fragment = l->n_fragments;

	l->file = arena_string(l->arena, path);
	l->first = NULL;
	if (!l->file) {
		l->error = -ENOMEM;
		return;
	}
	if (!open_trusted(l, l->file, &fd) || !read_text(l, fd) ||
		!read_documents(l, read_document))
		note_broken(l, first_fragment);
	l->file = NULL;
}

/* What editors, package managers and version control leave beside the snippets has another ending
 * (x.yaml~, #x.yaml#, x.yaml.dpkg-new, .x.yaml.swp), or is hidden (.#x.yaml). */
static bool is_snippet(const char *name)
{
	const char *ending = strrchr(name, '.');

	return name[0] != '.' && ending &&
	       (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static int list_snippets(DIR *dir, const char *path, char ***ret, size_t *ret_n)
{
	char **names = NULL;
	size_t n = 0, cap = 0;
	const struct dirent *d;

	while ((d = readdir(dir))) {
		if (!is_snippet(d->d_name))
			continue;
		if (n == cap) {
			char **p = reallocarray(names, cap = cap ? cap * 2 : 64, sizeof(*p));

			if (!p)
				goto no_memory;
			names = p;
		}
		if (asprintf(&names[n], "%s/%s", path, d->d_name) < 0)
			goto no_memory;
		n++;
	}
	if (n)
		qsort(names, n, sizeof(*names), compare_names);
	*ret = names;
	*ret_n = n;
	return 0;
no_memory:
	free_names(names, n);
	return -ENOMEM;
}

/* Everything below a directory that others may write is theirs. */
static bool check_directory(struct loader *l, int fd)
{
	const struct place at = {.file = arena_string(l->arena, l->options->conf_dir)};
	struct stat st;

	if (!at.file)
		return false;
	if (l->hooks->fstat(fd, &st) < 0)
		return wrong_at(l, &at, "it can't be examined: %s", strerror(errno));
	return l->options->skip_trust || check_owner(l, &at, &st);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int read_directory(struct loader *l)
{
	_cleanup_(close_dir) DIR *dir = opendir(l->options->conf_dir);
	char **names = NULL;
	size_t n = 0;
	bool trusted;
	int r;

	if (!dir)
		return -errno;
	l->first = NULL;
	trusted = check_directory(l, dirfd(dir));
	r = list_snippets(dir, l->options->conf_dir, &names, &n);
	for (size_t i = 0; r == 0 && i < n && !l->error; i++) {
		if (trusted) {
			read_source(l, names[i]);
			continue;
		}
		l->file = arena_string(l->arena, names[i]);
		note_broken(l, l->n_fragments);
	}
	l->file = NULL;
	if (r == 0)
		free_names(names, n);
	return r;
}

int read_sources(struct loader *l)
{
	if (!l->options->files)
		return read_directory(l);
	for (char **f = l->options->files; *f && !l->error; f++)
		read_source(l, *f);
	return 0;
}
