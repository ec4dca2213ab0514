/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volume descriptors and isomd5sum's area.  An image is large and what matters in it is small, so
 * the bytes are patches of an image of zeros: how many sectors it has and which errno reading has
 * behind its head, then for each patch the sector (16 bits, little endian), the place in it and the
 * length (16 bits each), and the patch.
 */
#include "fuzz.h"

#include "disc/volume.h"

#include "disc/disc.h"

#define SECTORS 400U

struct image {
	unsigned char *bytes;
	size_t size;
	int broken;
};

static ssize_t read_image(void *source, void *to, size_t size, uint64_t offset)
{
	const struct image *i = source;

	CHECK(size > 0 && size % SECTOR == 0 && offset % SECTOR == 0);
	CHECK((uintptr_t)to % VOLUME_ALIGN == 0);
	if (i->broken && offset > 0)
		return -i->broken;
	if (offset >= i->size)
		return 0;
	if (size > i->size - offset)
		size = i->size - (size_t)offset;
	memcpy(to, i->bytes + offset, size);
	return (ssize_t)size;
}

static size_t number(const uint8_t **data, size_t *size)
{
	size_t n = *size < 2 ? 0 : (size_t)(*data)[0] | (size_t)(*data)[1] << 8;

	*data += *size < 2 ? *size : 2;
	*size -= *size < 2 ? *size : 2;
	return n;
}

static void patch(struct image *i, const uint8_t *data, size_t size)
{
	while (size > 6) {
		size_t at = number(&data, &size) % SECTORS * SECTOR, n;

		at += number(&data, &size) % SECTOR;
		n = number(&data, &size) % SECTOR;
		n = n < size ? n : size;
		n = n < SECTORS * SECTOR - at ? n : SECTORS * SECTOR - at;
		memcpy(i->bytes + at, data, n);
		data += n;
		size -= n;
	}
}

static void look(struct image *i)
{
	struct implanted sum = {.size = 0};
	struct volume v;
	int r = volume_look(read_image, i, &v);

	CHECK(r == 0 || (r == -i->broken && v.udf));
	CHECK(v.iso9660 || v.udf || (v.size == 0 && !*v.label && !*v.id));
	CHECK(!*v.id || fuzz_is_hex(v.id, VOLUME_ID_SIZE - 1));
	CHECK(strlen(v.label) < sizeof(v.label) && fuzz_is_text(v.label, strlen(v.label), ""));
	CHECK(v.size < UINT64_MAX / 2);
	CHECK(r < 0 || !(v.iso9660 || v.udf) || *v.id);
	if (!volume_implanted(&v, &sum))
		return;
	CHECK(v.iso9660 && fuzz_is_hex(sum.md5, 32));
	CHECK(sum.size <= v.size && sum.size > IMPLANTED_AT + IMPLANTED_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image i = {.bytes = calloc(SECTORS, SECTOR)};

	CHECK(i.bytes);
	/* The last sector of an image may be cut. */
	i.size = number(&data, &size) % (SECTORS * 2 + 1) * (SECTOR / 2);
	i.broken = (int)(number(&data, &size) % 256) == 1 ? EIO : 0;
	patch(&i, data, size);
	look(&i);
	free(i.bytes);
	return 0;
}
