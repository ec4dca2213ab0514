/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Windows access list of a press-only directory. */
#include "executor/ntacl.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define ATTRIBUTE "security.NTACL"

enum {
	SD_DACL_PRESENT = 0x0004,
	SD_DACL_PROTECTED = 0x1000,
	SD_SELF_RELATIVE = 0x8000,
	ACE_OBJECT_INHERIT = 0x01,
	ACE_CONTAINER_INHERIT = 0x02,
	ACE_INHERIT_ONLY = 0x08,
	/* list, read attributes, traverse, DELETE_CHILD; neither ADD_FILE nor ADD_SUBDIRECTORY */
	ACCESS_PRESS = 0x001200e9,
	ACCESS_READ = 0x00120089,
	ACCESS_FULL = 0x001f01ff,
	AUTHORITY_NT = 5,
	AUTHORITY_UNIX = 22,
	UNIX_USER = 1,
	UNIX_GROUP = 2,
	LOCAL_SYSTEM = 18,
};

struct out {
	uint8_t *data;
	size_t len;
};

static void put8(struct out *o, unsigned v)
{
	o->data[o->len++] = (uint8_t)v;
}

static void put16(struct out *o, unsigned v)
{
	put8(o, v & 0xff);
	put8(o, v >> 8);
}

static void put32(struct out *o, uint32_t v)
{
	put16(o, v & 0xffff);
	put16(o, v >> 16);
}

static void patch16(struct out *o, size_t at, size_t v)
{
	o->data[at] = (uint8_t)v;
	o->data[at + 1] = (uint8_t)(v >> 8);
}

static void patch32(struct out *o, size_t at, size_t v)
{
	patch16(o, at, v & 0xffff);
	patch16(o, at + 2, v >> 16);
}

/* S-1-AUTHORITY-SUB..., the authority in 48 bits, big-endian */
static void put_sid(struct out *o, unsigned authority, const uint32_t *sub, unsigned n)
{
	put8(o, 1);
	put8(o, n);
	put32(o, 0);
	put8(o, 0);
	put8(o, authority);
	for (unsigned i = 0; i < n; i++)
		put32(o, sub[i]);
}

static void put_unix_sid(struct out *o, uint32_t kind, uint32_t id)
{
	put_sid(o, AUTHORITY_UNIX, (uint32_t[]){kind, id}, 2);
}

/* Begins an allowing entry; end_ace() after the SID. */
static size_t begin_ace(struct out *o, unsigned flags, uint32_t access)
{
	size_t at = o->len;

	put8(o, 0);
	put8(o, flags);
	put16(o, 0);
	put32(o, access);
	return at;
}

static void end_ace(struct out *o, size_t at)
{
	patch16(o, at + 2, o->len - at);
}

static void put_dacl(struct out *o, uid_t owner, gid_t group)
{
	static const uint32_t local_system[] = {LOCAL_SYSTEM};
	unsigned all = ACE_OBJECT_INHERIT | ACE_CONTAINER_INHERIT;
	size_t start = o->len, ace;

	put16(o, 2); /* ACL revision */
	put16(o, 0);
	put32(o, 4); /* entries */
	ace = begin_ace(o, all, ACCESS_FULL);
	put_unix_sid(o, UNIX_USER, owner);
	end_ace(o, ace);
	ace = begin_ace(o, all, ACCESS_FULL);
	put_sid(o, AUTHORITY_NT, local_system, 1);
	end_ace(o, ace);
	ace = begin_ace(o, 0, ACCESS_PRESS);
	put_unix_sid(o, UNIX_GROUP, group);
	end_ace(o, ace);
	ace = begin_ace(o, ACE_OBJECT_INHERIT | ACE_INHERIT_ONLY, ACCESS_READ);
	put_unix_sid(o, UNIX_GROUP, group);
	end_ace(o, ace);
	patch16(o, start + 2, o->len - start);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written to, through O */
size_t ntacl_encode(uint8_t buf[NTACL_MAX], uid_t owner, gid_t group)
{
	struct out o = {.data = buf};
	size_t sd;

	put16(&o, 1); /* version, and once more as the discriminant of the union */
	put16(&o, 1);
	put32(&o, 0x00020000); /* a pointer that is not NULL */
	sd = o.len;
	put8(&o, 1); /* security descriptor, revision */
	put8(&o, 0);
	put16(&o, SD_DACL_PRESENT | SD_DACL_PROTECTED | SD_SELF_RELATIVE);
	for (int i = 0; i < 4; i++)
		put32(&o, 0);       /* offsets of owner, group, SACL (none), DACL */
	patch32(&o, sd + 4, o.len); /* from the start of it all, not of the descriptor */
	put_unix_sid(&o, UNIX_USER, owner);
	patch32(&o, sd + 8, o.len);
	put_unix_sid(&o, UNIX_GROUP, group);
	patch32(&o, sd + 16, o.len);
	put_dacl(&o, owner, group);
	return o.len;
}

int ntacl_set(int dir, uid_t owner, gid_t group)
{
	uint8_t want[NTACL_MAX], have[NTACL_MAX];
	size_t len = ntacl_encode(want, owner, group);
	ssize_t n = fgetxattr(dir, ATTRIBUTE, have, sizeof(have));

	if (n == (ssize_t)len && !memcmp(want, have, len))
		return 0;
	return fsetxattr(dir, ATTRIBUTE, want, len, 0) < 0 ? -errno : 0;
}
