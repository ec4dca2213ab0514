/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Last good versions.
 *
 * What is in force is written to one file, a document for each part of a group that comes from one
 * snippet, with the snippet's name in it (`source`).  When a snippet has errors, what it said of that
 * group is read from there, or printed from the live configuration and read again: either way it
 * goes through the same reader and the same checks as anything else.
 */
#include "config/merge.h"
#include "config/print.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define SAVED_MAX (64U * 1024 * 1024)

static bool same(const struct fragment *f, const char *file, const char *object, const char *name)
{
	return strcmp(f->group.place.file, file) == 0 && strcmp(f->group.object, object) == 0 &&
	       strcmp(f->group.name, name) == 0;
}

static bool is_said(const struct loader *l, const char *file, const char *object, const char *name)
{
	for (size_t i = 0; i < l->n_fragments; i++)
		if (!l->fragments[i].old && same(&l->fragments[i], file, object, name))
			return true;
	return false;
}

/* An old version stands in for a fragment with errors, or for a file that tells nothing. */
static bool is_wanted(const struct loader *l, const char *file, const char *object, const char *name)
{
	for (size_t i = 0; i < l->n_broken; i++) {
		const struct broken_file *b = &l->broken[i];

		if (!b->recalled && strcmp(b->file, file) == 0 &&
			(b->whole || !is_said(l, file, object, name)))
			return true;
	}
	for (size_t i = 0; i < l->n_fragments; i++) {
		const struct fragment *f = &l->fragments[i];

		if (f->message && !f->recalled && !f->old && same(f, file, object, name))
			return true;
	}
	return false;
}

static bool is_any_wanted(const struct loader *l)
{
	for (size_t i = 0; i < l->n_broken; i++)
		if (!l->broken[i].recalled)
			return true;
	for (size_t i = 0; i < l->n_fragments; i++)
		if (l->fragments[i].message && !l->fragments[i].recalled && !l->fragments[i].old)
			return true;
	return false;
}

/* ---- from what is live ---- */

static void read_old_text(struct loader *l, const char *text, size_t len)
{
	struct yaml_reader *r = yaml_open(text, len, l->scratch);
	struct yaml_trouble trouble;
	const struct node *doc;

	while (r && yaml_next(r, &doc, &trouble) > 0) {
		read_document(l, doc);
		arena_reset(l->scratch);
	}
	yaml_close(r);
	arena_reset(l->scratch);
}

static void recall_part(struct loader *l, const struct group *g, const char *file)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	struct printer p;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		l->error = -ENOMEM;
		return;
	}
	printer_init(&p, l, f, true, true);
	print_group(&p, g, file);
	printer_done(&p);
	fclose(f);
	if (text)
		read_old_text(l, text, size);
}

static bool first_from(const struct group *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(g->actions[i].place.file, g->actions[n].place.file) == 0)
			return false;
	return true;
}

static void recall_live(struct loader *l)
{
	const struct config *live = l->options->live;

	for (size_t i = 0; i < live->n_groups; i++) {
		const struct group *g = &live->groups[i];

		for (size_t j = 0; j < g->n_actions; j++) {
			const char *file = g->actions[j].place.file;

			if (first_from(g, j) && is_wanted(l, file, g->object, g->name) &&
				is_printable(g, file))
				recall_part(l, g, file);
		}
	}
}

/* ---- from the file ---- */

static const char *text_of(const struct node *map, const char *key)
{
	for (uint32_t i = 0; map && map->kind == NODE_MAP && i < map->n; i++)
		if (map->pairs[i].key->kind == NODE_SCALAR &&
			strcmp(map->pairs[i].key->text, key) == 0)
			return map->pairs[i].value->kind == NODE_SCALAR ? map->pairs[i].value->text
									: NULL;
	return NULL;
}

static const struct node *group_of(const struct node *map)
{
	for (uint32_t i = 0; map->kind == NODE_MAP && i < map->n; i++)
		if (map->pairs[i].key->kind == NODE_SCALAR &&
			strcmp(map->pairs[i].key->text, "action-group") == 0)
			return map->pairs[i].value;
	return NULL;
}

static bool read_saved(struct loader *l, const struct node *doc)
{
	const char *file = text_of(doc, "source"), *object = text_of(doc, "object");
	const char *name = text_of(group_of(doc), "name");

	if (file && object && is_wanted(l, file, object, name ? name : ""))
		read_document(l, doc);
	return true;
}

/* Nobody but us may have written it: what is in it is run. */
static int open_saved(const struct loader *l)
{
	_cleanup_close_ int fd = open(l->options->last_good, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0022) ||
		(st.st_uid != 0 && st.st_uid != l->options->trusted_uid) ||
		(uint64_t)st.st_size > SAVED_MAX)
		return -1;
	return steal_fd(&fd);
}

static void recall_saved(struct loader *l)
{
	_cleanup_close_ int fd = open_saved(l);

	if (fd < 0)
		return;
	l->file = arena_string(l->arena, l->options->last_good);
	if (l->file && read_text(l, fd))
		read_documents(l, read_saved);
	l->file = NULL;
}

/* ---- both ---- */

static void mark_recalled(struct loader *l)
{
	for (size_t i = 0; i < l->n_broken; i++)
		l->broken[i].recalled = true;
	for (size_t i = 0; i < l->n_fragments; i++) {
		struct fragment *f = &l->fragments[i];

		if (!f->message || f->old || f->recalled)
			continue;
		f->recalled = true;
		for (size_t j = 0; j < l->n_fragments; j++)
			if (l->fragments[j].old && !l->fragments[j].message &&
				same(&l->fragments[j], f->group.place.file, f->group.object,
					f->group.name))
				f->replaced = true;
	}
}

int recall_old(struct loader *l)
{
	if (!is_any_wanted(l))
		return l->error;
	l->mute = true;
	l->reading_old = true;
	if (l->options->live)
		recall_live(l);
	else if (l->options->last_good)
		recall_saved(l);
	l->mute = false;
	l->reading_old = false;
	mark_recalled(l);
	return l->error;
}

/* ---- writing them ---- */

static void print_saved(struct printer *p, const struct config *c)
{
	fputs("# The last good version of each snippet's groups.  Written by flagmand; do not edit.\n",
		p->out);
	for (size_t i = 0; i < c->n_groups; i++) {
		const struct group *g = &c->groups[i];

		for (size_t j = 0; j < g->n_actions; j++)
			if (first_from(g, j) && is_printable(g, g->actions[j].place.file))
				print_group(p, g, g->actions[j].place.file);
	}
}

int config_save_last_good(const struct config *c, int dirfd, const char *name)
{
	const struct config_options none = {.privileged = true};
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	struct loader l;
	struct printer p;
	FILE *f = NULL;
	int r = loader_start(&l, &none);

	if (r == 0)
		f = open_memstream(&text, &size);
	if (f) {
		printer_init(&p, &l, f, true, true);
		print_saved(&p, c);
		printer_done(&p);
		r = fclose(f) == 0 && text && !l.error ? 0 : -ENOMEM;
	} else if (r == 0) {
		r = -ENOMEM;
	}
	config_free(l.config);
	loader_finish(&l);
	return r < 0 ? r : write_file_at(dirfd, name, text, size, 0600);
}
