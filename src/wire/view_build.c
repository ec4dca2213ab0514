/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The image: header, a NUL, strings and lists, two NULs at least, padding to 8, then the arrays in
 * the order of the header, each aligned to 8 (see view.c, which insists).
 */
#include "wire/view.h"

#include "common/buf.h"
#include "common/fd.h"
#include "wire/view_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A string or list that is in the image: found again by its bytes. */
struct entry {
	uint32_t offset, len, hash; /* len with its NULs; 0: free */
};

struct view_builder {
	struct buf image; /* the beginning of it: header and strings */
	struct buf list;  /* scratch */
	struct entry *table;
	size_t n, size; /* size is a power of two */
	int error;
};

struct view_builder *view_builder_new(void)
{
	struct view_builder *b = calloc(1, sizeof(*b));
	static const struct view_header blank;

	if (!b)
		return NULL;
	b->image.max = VIEW_MAX;
	b->list.max = VIEW_MAX;
	/* The NUL stands before the first string as one stands before every other. */
	if (buf_add(&b->image, &blank, sizeof(blank)) < 0 || buf_addc(&b->image, '\0') < 0) {
		view_builder_free(b);
		return NULL;
	}
	return b;
}

void view_builder_free(struct view_builder *b)
{
	if (!b)
		return;
	buf_done(&b->image);
	buf_done(&b->list);
	free(b->table);
	free(b);
}

static uint32_t hash_bytes(const char *data, size_t len)
{
	uint32_t h = 2166136261U; /* FNV-1a; the strings are the administrator's own */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)data[i]) * 16777619U;
	return h;
}

/* The entry of these bytes, or the free one where they belong. */
static struct entry *find_entry(
	const struct view_builder *b, const char *data, size_t len, uint32_t hash)
{
	for (size_t i = hash & (b->size - 1);; i = (i + 1) & (b->size - 1)) {
		struct entry *e = &b->table[i];

		if (e->len == 0 || (e->hash == hash && e->len == len &&
					   memcmp(b->image.data + e->offset, data, len) == 0))
			return e;
	}
}

/* Keeps the table at most half full, so that find_entry() ends. */
static int grow_table(struct view_builder *b)
{
	size_t size = b->size ? b->size * 2 : 256;
	struct entry *old = b->table, *table;

	if (b->n * 2 < b->size)
		return 0;
	table = calloc(size, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < b->size; i++) {
		size_t k = old[i].hash & (size - 1);

		if (old[i].len == 0)
			continue;
		while (table[k].len)
			k = (k + 1) & (size - 1);
		table[k] = old[i];
	}
	free(old);
	b->table = table;
	b->size = size;
	return 0;
}

static uint32_t add_bytes(struct view_builder *b, const char *data, size_t len)
{
	uint32_t hash = hash_bytes(data, len);
	struct entry *e;

	if (!b->error)
		b->error = grow_table(b);
	if (b->error)
		return 0;
	e = find_entry(b, data, len, hash);
	if (e->len)
		return e->offset;
	/* VIEW_MAX bounds both, so they fit. */
	*e = (struct entry){.offset = (uint32_t)b->image.len, .len = (uint32_t)len, .hash = hash};
	b->n++;
	b->error = buf_add(&b->image, data, len);
	return b->error ? 0 : e->offset;
}

uint32_t view_add_string(struct view_builder *b, const char *s)
{
	return s ? add_bytes(b, s, strlen(s) + 1) : 0;
}

uint32_t view_add_list(struct view_builder *b, char *const *strings)
{
	buf_reset(&b->list);
	for (; strings && *strings; strings++)
		if (**strings)
			buf_add(&b->list, *strings, strlen(*strings) + 1);
	if (b->list.len == 0 && !b->list.error)
		return 0;
	buf_addc(&b->list, '\0');
	if (b->list.error && !b->error)
		b->error = b->list.error;
	return b->error ? 0 : add_bytes(b, b->list.data, b->list.len);
}

/* Two NULs end the strings, so that each string and list in them has an end; then align. */
static int end_strings(struct view_builder *b)
{
	static const char nuls[VIEW_ALIGN + 2];
	size_t pad = 2 + (VIEW_ALIGN - (b->image.len + 2) % VIEW_ALIGN) % VIEW_ALIGN;

	return buf_add(&b->image, nuls, pad);
}

static int write_image(struct view_builder *b, int fd, const struct view_array *arrays)
{
	static const char nuls[VIEW_ALIGN];
	uint64_t at = b->image.len;
	int r = write_all(fd, b->image.data, b->image.len);

	for (size_t i = 0; r == 0 && i < VIEW_ARRAYS; i++) {
		size_t size = (size_t)arrays[i].n * arrays[i].item;

		r = write_all(fd, nuls, (size_t)(arrays[i].offset - at));
		if (r == 0)
			r = write_all(fd, arrays[i].data, size);
		at = arrays[i].offset + size;
	}
	if (r == 0 && fcntl(fd, F_ADD_SEALS, VIEW_SEALS | F_SEAL_SEAL) < 0)
		r = -errno;
	return r;
}

int view_finish(struct view_builder *b, const struct view_header *counts,
	const struct view_base *bases, const struct view_board *boards,
	const struct view_action *actions, const struct view_press *press,
	const struct view_drop *drops, const struct view_labels *labels)
{
	const void *data[VIEW_ARRAYS] = {bases, boards, actions, press, drops, labels};
	struct view_array arrays[VIEW_ARRAYS];
	struct view_header h = *counts;
	_cleanup_close_ int fd = -1;
	uint64_t size;
	int r = b->error ? b->error : end_strings(b);

	if (r < 0)
		return r;
	h.bases = (uint32_t)b->image.len;
	size = view_layout(&h, arrays);
	if (size > VIEW_MAX)
		return -E2BIG;
	h.magic = VIEW_MAGIC;
	h.version = VIEW_VERSION;
	h.size = (uint32_t)size;
	for (size_t i = 0; i < VIEW_ARRAYS; i++) {
		arrays[i].data = data[i];
		*arrays[i].field = (uint32_t)arrays[i].offset;
	}
	memcpy(b->image.data, &h, sizeof(h));
	fd = memfd_create("flagman-view", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	r = write_image(b, fd, arrays);
	return r < 0 ? r : steal_fd(&fd);
}
