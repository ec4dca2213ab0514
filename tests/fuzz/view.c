/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The image of the configuration: of one that is taken, all can be followed. */
#include "fuzz.h"

#include "wire/view.h"
#include "wire/view_layout.h"

#define IMAGE_MAX (64U * 1024)

static size_t length; /* keeps the compiler from leaving out what is only looked at */

static void string(const struct view *v, uint32_t offset)
{
	const char *s = view_str(v, offset);

	CHECK(!s || s + strlen(s) < (const char *)v->h + v->h->bases);
	length += s ? strlen(s) : 0;
}

static void list(const struct view *v, uint32_t offset)
{
	for (const char *s = view_str(v, offset); s && *s; s = view_next(s)) {
		CHECK(s + strlen(s) + 1 < (const char *)v->h + v->h->bases);
		length++;
	}
}

static void walk_board(const struct view *v, const struct view_board *b, uint32_t index)
{
	CHECK(*view_str(v, b->object));
	string(v, b->object);
	string(v, b->group);
	string(v, b->description);
	string(v, b->run_folder);
	list(v, b->trash);
	string(v, b->error);
	string(v, v->bases[b->base].path);
	for (size_t i = 0; b->labels != VIEW_NONE && i < STATE_MAX_; i++)
		string(v, v->labels[b->labels].label[i]);
	for (uint32_t i = 0; i < b->n_actions; i++)
		CHECK(v->actions[b->first_action + i].board == index);
}

static void walk_action(const struct view *v, const struct view_action *a)
{
	CHECK(*view_str(v, a->name));
	string(v, a->name);
	string(v, a->description);
	string(v, a->misconfigured);
	list(v, v->press[a->press].locks);
	if (a->drop == VIEW_NONE)
		return;
	string(v, v->drops[a->drop].folder);
	list(v, v->drops[a->drop].accept);
}

static void map(const void *image, size_t size)
{
	int fd = fuzz_file(image, size, MFD_ALLOW_SEALING), r;
	struct view *v = NULL;

	CHECK(view_map(fd, &v) == -EBADMSG && !v); /* not sealed */
	CHECK(fcntl(fd, F_ADD_SEALS, VIEW_SEALS) == 0);
	r = view_map(fd, &v);
	close(fd);
	CHECK(r == -EBADMSG || (r == 0 && v && v->size == size));
	if (r < 0)
		return;
	for (uint32_t i = 0; i < v->h->n_boards; i++)
		walk_board(v, &v->boards[i], i);
	for (uint32_t i = 0; i < v->h->n_actions; i++)
		walk_action(v, &v->actions[i]);
	view_unmap(v);
}

/* The same with a header that is right, which is hard to hit; what is missing behind is zeros. */
static void map_mended(const uint8_t *data, size_t size)
{
	struct view_array arrays[VIEW_ARRAYS];
	struct view_header h;
	uint64_t whole;
	char *image;

	memcpy(&h, data, sizeof(h));
	h.magic = VIEW_MAGIC;
	h.version = VIEW_VERSION;
	h.bases = h.bases % (uint32_t)(size + 1) / VIEW_ALIGN * VIEW_ALIGN;
	whole = view_layout(&h, arrays);
	if (h.bases < sizeof(h) + VIEW_ALIGN || whole > IMAGE_MAX)
		return;
	h.size = (uint32_t)whole;
	for (size_t i = 0; i < VIEW_ARRAYS; i++)
		*arrays[i].field = (uint32_t)arrays[i].offset;
	image = calloc(1, (size_t)whole);
	CHECK(image);
	memcpy(image, data, size < whole ? size : (size_t)whole);
	memcpy(image, &h, sizeof(h));
	image[sizeof(h)] = image[h.bases - 1] = image[h.bases - 2] = '\0';
	map(image, (size_t)whole);
	free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	map(data, size);
	if (size >= sizeof(struct view_header))
		map_mended(data, size);
	return 0;
}
