/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/volume.h"

#include "disc/disc.h"

#include "common/fd.h"
#include "common/text.h"

#include <cdio/ecma_167.h>
#include <cdio/iso9660.h>
#include <ctype.h>
#include <errno.h>
#include <nettle/sha2.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTORS_AT  16  /* sectors */
#define DESCRIPTORS_MAX 16  /* of each sequence that are looked at */
#define ANCHOR_AT       256 /* ECMA-167 3/8.4.2.1 */

_Static_assert(sizeof(iso9660_pvd_t) == SECTOR, "the primary descriptor is a sector");
_Static_assert(IMPLANTED_AT % SECTOR + IMPLANTED_SIZE <= SECTOR, "it lies in the descriptor");

struct look {
	volume_read *read;
	void *source;
	unsigned char *head; /* VOLUME_HEAD */
	size_t len;          /* of it that there was */
	struct volume *v;
};

static const unsigned char *sector(const struct look *l, unsigned n)
{
	return ((size_t)n + 1) * SECTOR <= l->len ? l->head + (size_t)n * SECTOR : NULL;
}

/* Little endian, wherever it lies. */
static uint32_t le32(const void *p)
{
	const unsigned char *u = p;

	return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static uint32_t le16(const void *p)
{
	const unsigned char *u = p;

	return (uint32_t)u[0] | (uint32_t)u[1] << 8;
}

/* Of ISO 9660: both byte orders are there, the little one is what every system reads. */
static uint64_t iso9660_size(const unsigned char *descriptor)
{
	return (uint64_t)le32(descriptor + offsetof(iso9660_pvd_t, volume_space_size)) *
	       le16(descriptor + offsetof(iso9660_pvd_t, logical_block_size));
}

/* Text padded with spaces. */
static void copy_label(char *to, size_t size, const char *from, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n && from[i] && len + 1 < size; i++)
		to[len++] = isprint((unsigned char)from[i]) ? from[i] : '?';
	while (len > 0 && to[len - 1] == ' ')
		len--;
	to[len] = '\0';
}

static void look_for_iso9660(struct look *l)
{
	for (unsigned n = DESCRIPTORS_AT; n < DESCRIPTORS_AT + DESCRIPTORS_MAX; n++) {
		const unsigned char *s = sector(l, n);

		if (!s || memcmp(s + 1, ISO_STANDARD_ID, strlen(ISO_STANDARD_ID)) != 0)
			return;
		if (*s != ISO_VD_PRIMARY)
			continue;
		l->v->iso9660 = true;
		l->v->size = iso9660_size(s);
		copy_label(l->v->label, sizeof(l->v->label),
			(const char *)s + offsetof(iso9660_pvd_t, volume_id), ISO_MAX_VOLUME_ID);
		if (n == DESCRIPTORS_AT)
			memcpy(l->v->pvd, s, SECTOR);
		return;
	}
}

/* "NSR02" or "NSR03" among the descriptors (ECMA-167 3/9.1). */
static bool has_nsr(const struct look *l)
{
	for (unsigned n = DESCRIPTORS_AT; n < DESCRIPTORS_AT + 2 * DESCRIPTORS_MAX; n++) {
		const unsigned char *s = sector(l, n);
		if (s && memcmp(s + 1, "NSR0", 4) == 0)
			return true;
	}
	return false;
}

static unsigned tag_of(const unsigned char *descriptor)
{
	return le16(descriptor + offsetof(udf_tag_t, id));
}

/* The partition tells where the volume ends; the descriptor of the volume has a name. */
static void take_udf(struct volume *v, const unsigned char *s)
{
	const char *name = (const char *)s + offsetof(udf_pvd_t, vol_ident);
	uint64_t end;

	switch (tag_of(s)) {
	case TAGID_PARTITION:
		end = ((uint64_t)le32(s + offsetof(partition_desc_t, start_loc)) +
			      le32(s + offsetof(partition_desc_t, part_len))) *
		      SECTOR;
		if (end > v->size)
			v->size = end;
		break;
	case TAGID_PRI_VOL:
		if (!*v->label && *name == 8) /* one byte for each character */
			copy_label(v->label, sizeof(v->label), name + 1, UDF_VOLID_SIZE - 2);
		break;
	default:
		break;
	}
}

static int look_for_udf(struct look *l)
{
	const unsigned char *s = sector(l, ANCHOR_AT);
	_cleanup_free_ unsigned char *extent = NULL;
	const unsigned char *where;

	if (!s || !has_nsr(l) || tag_of(s) != TAGID_ANCHOR)
		return 0;
	l->v->udf = true;
	where = s + offsetof(anchor_vol_desc_ptr_t, main_vol_desc_seq_ext);
	size_t size = le32(where + offsetof(udf_extent_ad_t, len)) / SECTOR;
	size = (size < DESCRIPTORS_MAX ? size : DESCRIPTORS_MAX) * SECTOR;
	if (size == 0)
		return 0;
	extent = aligned_alloc(VOLUME_ALIGN, (size / VOLUME_ALIGN + 1) * VOLUME_ALIGN);
	if (!extent)
		return -ENOMEM;
	ssize_t n = l->read(l->source, extent, size,
		(uint64_t)le32(where + offsetof(udf_extent_ad_t, loc)) * SECTOR);
	for (ssize_t at = 0; at + SECTOR <= n && tag_of(extent + at) != TAGID_TERM; at += SECTOR)
		take_udf(l->v, extent + at);
	return n < 0 ? (int)n : 0;
}

/* Of ISO 9660 its descriptors; those of UDF hold nothing of their own before the anchor's. */
static void make_id(const struct look *l)
{
	size_t from = DESCRIPTORS_AT * SECTOR;
	size_t to = l->v->iso9660 ? from + DESCRIPTORS_MAX * SECTOR : VOLUME_HEAD;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx c;

	if ((!l->v->iso9660 && !l->v->udf) || l->len <= from)
		return;
	sha256_init(&c);
	sha256_update(&c, (to < l->len ? to : l->len) - from, l->head + from);
	sha256_digest(&c, sizeof(digest), digest);
	text_hex(l->v->id, digest, (VOLUME_ID_SIZE - 1) / 2);
}

int volume_look(volume_read *read, void *source, struct volume *ret)
{
	_cleanup_free_ unsigned char *head = aligned_alloc(VOLUME_ALIGN, VOLUME_HEAD);
	struct look l = {.read = read, .source = source, .head = head, .v = ret};

	memset(ret, 0, sizeof(*ret));
	if (!head)
		return -ENOMEM;
	ssize_t n = read(source, head, VOLUME_HEAD, 0);
	if (n < 0)
		return (int)n;
	l.len = (size_t)n;
	look_for_iso9660(&l);
	int error = look_for_udf(&l);
	if (error == 0)
		make_id(&l);
	return error;
}

/* "ISO MD5SUM = <32 hex>;SKIPSECTORS = 15;..." in the application's area (isomd5sum's libcheck). */
bool volume_implanted(const struct volume *v, struct implanted *ret)
{
	static const char sum[] = "ISO MD5SUM = ", skip[] = "SKIPSECTORS = ";
	char text[IMPLANTED_SIZE + 1];
	const char *at;
	char *end;

	memcpy(text, v->pvd + IMPLANTED_AT % SECTOR, IMPLANTED_SIZE);
	text[IMPLANTED_SIZE] = '\0';
	at = strstr(text, sum);
	if (!at || strspn(at + strlen(sum), "0123456789abcdefABCDEF") != 32)
		return false;
	for (int i = 0; i < 32; i++)
		ret->md5[i] = (char)tolower((unsigned char)at[strlen(sum) + (size_t)i]);
	ret->md5[32] = '\0';
	at = strstr(text, skip);
	uint64_t size = iso9660_size(v->pvd);
	unsigned long skipped = at ? strtoul(at + strlen(skip), &end, 10) : 0;
	if (!at || end == at + strlen(skip) || skipped > size / SECTOR)
		return false;
	ret->size = size - skipped * SECTOR;
	return ret->size > IMPLANTED_AT + IMPLANTED_SIZE;
}
