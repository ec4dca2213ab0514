/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Last good versions.
 *
 * What is in force is written to one file, a document for each part of a group that comes from one
 * snippet, with the snippet's name in it (`source`).  When a snippet has errors, what it said of
 * that group is read from there, or printed from the live configuration and read again: either way
 * it goes through the same reader and the same checks as anything else.
 */
#include "config/merge.h"
#include "config/print.h"

#include "common/buf.h"
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAVED_MAX (64U * 1024 * 1024)

/* One part of a group, as one string: sets of them are arenas of interned strings. */
static const char *part_key(const char *file, const char *object, const char *name, struct buf *b)
{
	buf_reset(b);
	buf_addf(b, "%s\x1f%s\x1f%s", file, object, name);
	return buf_str(b);
}

static const char *fragment_key(const struct fragment *f, struct buf *b)
{
	return part_key(f->group.place.file, f->group.object, f->group.name, b);
}

/* What is looked for, in one pass over the old versions. */
struct wanted {
	struct config_arena *parts;  /* fragments with errors */
	struct config_arena *said;   /* all that the files say now, good or not */
	struct config_arena *whole;  /* files of no use */
	struct config_arena *partly; /* files with a document that does not say whose it is */
	struct buf key;
	bool any;
};

static void wanted_done(struct wanted *w)
{
	arena_free(w->parts);
	arena_free(w->said);
	arena_free(w->whole);
	arena_free(w->partly);
	buf_done(&w->key);
}

static int collect_wanted(struct loader *l, struct wanted *w)
{
	*w = (struct wanted){
		.parts = arena_new(),
		.said = arena_new(),
		.whole = arena_new(),
		.partly = arena_new(),
		.key = BUF_INIT(65536),
	};
	if (!w->parts || !w->said || !w->whole || !w->partly)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_broken; i++) {
		const struct broken_file *b = &l->broken[i];

		if (b->recalled)
			continue;
		w->any = true;
		arena_string(b->whole ? w->whole : w->partly, b->file);
	}
	for (size_t i = 0; i < l->n_fragments; i++) {
		const struct fragment *f = &l->fragments[i];

		if (f->old)
			continue;
		arena_string(w->said, fragment_key(f, &w->key));
		if (!f->message || f->recalled)
			continue;
		w->any = true;
		arena_string(w->parts, fragment_key(f, &w->key));
	}
	return w->key.error;
}

/* An old version stands in for a fragment with errors, or for a file that tells nothing. */
static bool is_wanted(struct loader *l, const char *file, const char *object, const char *name)
{
	struct wanted *w = l->wanted;
	const char *key = part_key(file, object, name, &w->key);

	return arena_has(w->parts, key) || arena_has(w->whole, file) ||
	       (arena_has(w->partly, file) && !arena_has(w->said, key));
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
	_cleanup_close_ int fd =
		open(l->options->last_good, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0022) ||
		(st.st_uid != 0 && st.st_uid != geteuid()) || (uint64_t)st.st_size > SAVED_MAX)
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

static int mark_recalled(struct loader *l, struct wanted *w)
{
	struct config_arena *found = arena_new();

	if (!found)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_broken; i++)
		l->broken[i].recalled = true;
	for (size_t i = 0; i < l->n_fragments; i++)
		if (l->fragments[i].old && !l->fragments[i].message)
			arena_string(found, fragment_key(&l->fragments[i], &w->key));
	for (size_t i = 0; i < l->n_fragments; i++) {
		struct fragment *f = &l->fragments[i];

		if (!f->message || f->old || f->recalled)
			continue;
		f->recalled = true;
		f->replaced = arena_has(found, fragment_key(f, &w->key));
	}
	arena_free(found);
	return w->key.error;
}

static int recall_wanted(struct loader *l, struct wanted *w)
{
	l->wanted = w;
	l->mute = true;
	l->reading_old = true;
	if (l->options->live)
		recall_live(l);
	else if (l->options->last_good)
		recall_saved(l);
	l->mute = false;
	l->reading_old = false;
	l->wanted = NULL;
	return l->error ? l->error : mark_recalled(l, w);
}

int recall_old(struct loader *l)
{
	struct wanted w;
	int r = collect_wanted(l, &w);

	if (r == 0 && w.any)
		r = recall_wanted(l, &w);
	wanted_done(&w);
	return r ? r : l->error;
}

/* ---- writing them ---- */

static void print_saved(struct printer *p, const struct config *c)
{
	fputs("# The last good version of each snippet's groups.  Written by flagmand; do not "
	      "edit.\n",
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
