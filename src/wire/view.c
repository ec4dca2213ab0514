/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent believes the executor; still, one wrong offset in an image of thousands would be a
 * crash far from its cause.  So the image is checked to the last field, once, and refused whole.
 */
#include "wire/view.h"

#include "common/states.h"
#include "wire/view_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The arrays' items hold multiples of 4 and, where they have a uint64_t, of 8. */
_Static_assert(sizeof(struct view_press) == 96, "a hole in view_press");
_Static_assert(sizeof(struct view_drop) == 48, "a hole in view_drop");
_Static_assert(sizeof(struct view_header) % VIEW_ALIGN == 0, "a hole in view_header");

uint64_t view_layout(struct view_header *h, struct view_array *ret)
{
	const struct view_array arrays[VIEW_ARRAYS] = {
		{&h->bases, h->n_bases, sizeof(struct view_base), 0, NULL},
		{&h->boards, h->n_boards, sizeof(struct view_board), 0, NULL},
		{&h->actions, h->n_actions, sizeof(struct view_action), 0, NULL},
		{&h->press, h->n_press, sizeof(struct view_press), 0, NULL},
		{&h->drops, h->n_drops, sizeof(struct view_drop), 0, NULL},
		{&h->labels, h->n_labels, sizeof(struct view_labels), 0, NULL},
	};
	uint64_t at = h->bases;

	for (size_t i = 0; i < VIEW_ARRAYS; i++) {
		at = (at + VIEW_ALIGN - 1) / VIEW_ALIGN * VIEW_ALIGN;
		ret[i] = arrays[i];
		ret[i].offset = at;
		at += (uint64_t)arrays[i].n * arrays[i].item;
	}
	return at;
}

static bool layout_ok(const struct view_header *h, size_t size)
{
	struct view_header copy = *h;
	struct view_array arrays[VIEW_ARRAYS];
	const char *image = (const char *)h;

	if (h->magic != VIEW_MAGIC || h->version != VIEW_VERSION || h->size != size)
		return false;
	if (h->bases % VIEW_ALIGN || h->bases < sizeof(*h) + 3 || h->bases > size)
		return false;
	if (view_layout(&copy, arrays) != size)
		return false;
	for (size_t i = 0; i < VIEW_ARRAYS; i++)
		if (*arrays[i].field != arrays[i].offset)
			return false;
	/* Each string, and each list, now ends before the arrays begin. */
	return image[sizeof(*h)] == '\0' && image[h->bases - 1] == '\0' &&
	       image[h->bases - 2] == '\0';
}

/* The beginning of a string (or list): among the strings, and behind another's end. */
static bool string_ok(const struct view *v, uint32_t offset)
{
	return offset > sizeof(*v->h) && offset < v->h->bases - 1 &&
	       ((const char *)v->h)[offset - 1] == '\0';
}

static bool optional_ok(const struct view *v, uint32_t offset)
{
	return offset == 0 || string_ok(v, offset);
}

/* A string that is there and not empty. */
static bool name_ok(const struct view *v, uint32_t offset)
{
	return string_ok(v, offset) && *view_str(v, offset);
}

static bool index_ok(uint32_t index, uint32_t n)
{
	return index == VIEW_NONE || index < n;
}

static bool base_ok(const struct view *v, const struct view_base *b)
{
	return name_ok(v, b->path) && *view_str(v, b->path) == '/' && optional_ok(v, b->error);
}

static bool board_ok(const struct view *v, const struct view_board *b)
{
	const uint32_t flags = VIEW_BOARD_PRESS_ONLY | VIEW_BOARD_PREFIX | VIEW_BOARD_LAST_GOOD;
	const struct view_header *h = v->h;

	return name_ok(v, b->object) && string_ok(v, b->group) && optional_ok(v, b->description) &&
	       b->base < h->n_bases && b->first_action <= h->n_actions &&
	       b->n_actions <= h->n_actions - b->first_action && optional_ok(v, b->run_folder) &&
	       optional_ok(v, b->trash) && index_ok(b->labels, h->n_labels) &&
	       (b->flags & ~flags) == 0 && b->file_mode <= 07777 && optional_ok(v, b->error);
}

static bool action_ok(const struct view *v, const struct view_action *a, uint32_t id)
{
	const struct view_header *h = v->h;
	const struct view_board *b;

	if (!name_ok(v, a->name) || !optional_ok(v, a->description) || a->board >= h->n_boards ||
		a->press >= h->n_press || !index_ok(a->drop, h->n_drops) ||
		!optional_ok(v, a->misconfigured))
		return false;
	b = &v->boards[a->board];
	return id >= b->first_action && id - b->first_action < b->n_actions;
}

static bool press_ok(const struct view *v, const struct view_press *p)
{
	return p->triggers < 1U << TRIGGER_MAX_ && optional_ok(v, p->locks) &&
	       p->serialise < VIEW_SERIALISE_N && p->when_busy < VIEW_WHEN_BUSY_N &&
	       p->while_running < VIEW_WHILE_RUNNING_N && p->missed < VIEW_MISSED_N &&
	       p->cancel_by_press <= 1;
}

static bool drop_ok(const struct view *v, const struct view_drop *d)
{
	return name_ok(v, d->folder) && string_ok(v, d->accept) && d->after < VIEW_AFTER_N;
}

static bool labels_ok(const struct view *v, const struct view_labels *l)
{
	for (size_t i = 0; i < STATE_MAX_; i++)
		if (!optional_ok(v, l->label[i]))
			return false;
	return true;
}

static bool content_ok(const struct view *v)
{
	const struct view_header *h = v->h;
	uint64_t listed = 0;

	for (uint32_t i = 0; i < h->n_bases; i++)
		if (!base_ok(v, &v->bases[i]))
			return false;
	for (uint32_t i = 0; i < h->n_boards; i++) {
		if (!board_ok(v, &v->boards[i]))
			return false;
		listed += v->boards[i].n_actions;
	}
	for (uint32_t i = 0; i < h->n_actions; i++)
		if (!action_ok(v, &v->actions[i], i))
			return false;
	for (uint32_t i = 0; i < h->n_press; i++)
		if (!press_ok(v, &v->press[i]))
			return false;
	for (uint32_t i = 0; i < h->n_drops; i++)
		if (!drop_ok(v, &v->drops[i]))
			return false;
	for (uint32_t i = 0; i < h->n_labels; i++)
		if (!labels_ok(v, &v->labels[i]))
			return false;
	/* Each action lies in its board's range; with as many places as actions, no range can have
	 * another board's. */
	return listed == h->n_actions;
}

/* NULL with -errno in *RET_ERROR. */
static const void *map_image(int fd, size_t *ret_size, int *ret_error)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *image;

	*ret_error = -EBADMSG;
	if (seals < 0 || (seals & VIEW_SEALS) != VIEW_SEALS || fstat(fd, &st) < 0 ||
		st.st_size < (off_t)sizeof(struct view_header) || st.st_size > (off_t)VIEW_MAX)
		return NULL;
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED) {
		*ret_error = -errno;
		return NULL;
	}
	*ret_size = (size_t)st.st_size;
	return image;
}

int view_map(int fd, struct view **ret)
{
	struct view *v = calloc(1, sizeof(*v));
	const char *image;
	int r;

	if (!v)
		return -ENOMEM;
	image = map_image(fd, &v->size, &r);
	if (!image) {
		free(v);
		return r;
	}
	v->h = (const void *)image;
	if (!layout_ok(v->h, v->size)) {
		view_unmap(v);
		return -EBADMSG;
	}
	v->bases = (const void *)(image + v->h->bases);
	v->boards = (const void *)(image + v->h->boards);
	v->actions = (const void *)(image + v->h->actions);
	v->press = (const void *)(image + v->h->press);
	v->drops = (const void *)(image + v->h->drops);
	v->labels = (const void *)(image + v->h->labels);
	if (!content_ok(v)) {
		view_unmap(v);
		return -EBADMSG;
	}
	*ret = v;
	return 0;
}

void view_unmap(struct view *v)
{
	if (!v)
		return;
	munmap((void *)(uintptr_t)v->h, v->size);
	free(v);
}

const char *view_next(const char *s)
{
	s += strlen(s) + 1;
	return *s ? s : NULL;
}
