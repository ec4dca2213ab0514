/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/verify.h"

#include "disc/compare.h"
#include "disc/files.h"
#include "disc/records.h"
#include "disc/tray.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* What is known of the disc without its image. */
struct reference {
	struct burned burned[RECORDS_MAX]; /* shortest first: all are tried in one reading */
	size_t n, matched;
	struct sha256_ctx sha;
	size_t next; /* of BURNED that is not reached yet */
	bool matches;
	char sha256[65];
	struct implanted implanted;
	struct md5_ctx md5;
};

struct names {
	const struct drive *drive;
	const struct verification *v;
	const struct compare *c;
};

/* ", in /pool/x.deb" */
static const char *in_file(const struct names *n, uint64_t sector, char *buf, size_t size)
{
	char path[64], name[96];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", n->v->image ? n->v->image->fd : -1);
	files_at(n->v->image ? path : n->drive->path, sector, name, sizeof(name));
	snprintf(buf, size, "%s%s", *name ? ", in " : "", name);
	return buf;
}

static unsigned long long sectors(uint64_t bytes)
{
	return (bytes + SECTOR - 1) / SECTOR;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* "3 sectors are unreadable after 3 tries, the first is sector 17, in /x" */
static void say_unreadable(const struct names *n, char *buf, size_t size)
{
	const struct compare *c = n->c;
	char file[256];

	snprintf(buf, size,
		"%s%llu sector%s of the disc %s unreadable after %d tries, the first is sector "
		"%llu%s (%s)",
		c->gave_up ? "at least " : "", (unsigned long long)c->unreadable,
		plural(c->unreadable), c->unreadable == 1 ? "is" : "are", MEDIUM_RETRIES,
		(unsigned long long)c->first_unreadable,
		in_file(n, c->first_unreadable, file, sizeof(file)), strerror(c->error));
}

static int ends_early(const struct names *n, const char *what)
{
	const struct compare *c = n->c;

	/* A drive that says it has the sectors, and gives none, is not read. */
	if (n->c->end < n->c->medium->size && !n->c->medium->file)
		return verdict(DISC_UNREADABLE,
			"the disc is unreadable from sector %llu on: the drive gives nothing "
			"there, "
			"without an error",
			(unsigned long long)(c->end / SECTOR));
	return verdict(DISC_DIFFERS, "the disc differs from %s: it ends after %llu of %llu sectors",
		what, (unsigned long long)(c->end / SECTOR), sectors(c->length));
}

/* The comparison was not clean, in words; WHAT is what the disc should be. */
static int say_bad(const struct names *n, const char *what)
{
	const struct compare *c = n->c;
	char text[400], file[256];
	int gone = c->differing ? 0 : medium_gone(n->drive);

	if (gone)
		return gone;
	if (c->unreadable)
		say_unreadable(n, text, sizeof(text));
	if (!c->differing && c->unreadable)
		return verdict(DISC_UNREADABLE, "%s", text);
	if (!c->differing)
		return ends_early(n, what);
	int status = verdict(DISC_DIFFERS,
		"the disc differs from %s: %s%llu sector%s of %llu, the first is sector %llu%s",
		what, c->gave_up ? "at least " : "", (unsigned long long)c->differing,
		plural(c->differing), sectors(c->length), (unsigned long long)c->first_differing,
		in_file(n, c->first_differing, file, sizeof(file)));
	if (c->unreadable)
		verdict_add("; and %s", text);
	return status;
}

static int with_image(const struct drive *d, struct verification *v, struct medium *m)
{
	struct compare c = {
		.medium = m, .image = v->image, .length = v->image->size, .percent = v->percent};
	const struct names n = {d, v, &c};

	v->against = "image";
	v->length = c.length;
	int status = compare_run(&c);
	if (status)
		return status;
	if (!image_unchanged(v->image))
		return verdict(EX_NOINPUT, "%s was changed while it was compared", v->image->name);
	if (compare_result(&c) != DISC_OK)
		return say_bad(&n, v->image->name);
	return verdict(DISC_OK, "the disc matches %s, byte for byte", v->image->name);
}

/* Where a burned image ends, the digest so far is compared with its own. */
static void take_sha256(void *userdata, const unsigned char *data, size_t size, uint64_t offset)
{
	struct reference *r = userdata;

	while (r->next < r->n && !r->matches) {
		const struct burned *b = &r->burned[r->next];
		size_t part = b->length - offset < size ? (size_t)(b->length - offset) : size;
		sha256_update(&r->sha, part, data);
		data += part;
		size -= part;
		offset += part;
		if (offset < b->length)
			return;
		struct sha256_ctx at_end = r->sha;
		uint8_t digest[SHA256_DIGEST_SIZE];
		sha256_digest(&at_end, sizeof(digest), digest);
		text_hex(r->sha256, digest, sizeof(digest));
		r->matches = strcmp(r->sha256, b->sha256) == 0;
		r->matched = r->next++;
	}
}

static int with_record(
	const struct drive *d, struct verification *v, struct medium *m, struct reference *r)
{
	struct compare c = {.medium = m,
		.length = r->burned[r->n - 1].length,
		.take = take_sha256,
		.userdata = r,
		.percent = v->percent};
	const struct names n = {d, v, &c};
	char what[400];

	v->against = "record";
	sha256_init(&r->sha);
	int status = compare_run(&c);
	const struct burned *b = &r->burned[r->matches ? r->matched : r->n - 1];
	v->length = b->length;
	snprintf(v->name, sizeof(v->name), "%s", b->name);
	snprintf(what, sizeof(what), "%s as it was burned on %s", b->name, b->when);
	if (status)
		return status;
	if (r->matches) {
		snprintf(v->sha256, sizeof(v->sha256), "%s", r->sha256);
		return verdict(
			DISC_OK, "the disc matches %s, by the recorded SHA-256 and length", what);
	}
	if (c.unreadable || c.end < c.length)
		return say_bad(&n, what);
	snprintf(v->sha256, sizeof(v->sha256), "%s", r->sha256);
	return verdict(DISC_DIFFERS, "the disc differs from %s: its SHA-256 is another", what);
}

/* isomd5sum computes it with spaces where it is written. */
static void take_md5(void *userdata, const unsigned char *data, size_t size, uint64_t offset)
{
	struct reference *r = userdata;
	uint64_t hole = IMPLANTED_AT, end = IMPLANTED_AT + IMPLANTED_SIZE;
	uint8_t spaces[IMPLANTED_SIZE];

	memset(spaces, ' ', sizeof(spaces));
	while (size > 0) {
		bool inside = offset >= hole && offset < end;
		uint64_t until = offset < hole ? hole : inside ? end : UINT64_MAX;
		size_t part = until - offset < size ? (size_t)(until - offset) : size;
		md5_update(&r->md5, part, inside ? spaces : data);
		data += part;
		size -= part;
		offset += part;
	}
}

static int with_checksum(
	const struct drive *d, struct verification *v, struct medium *m, struct reference *r)
{
	struct compare c = {.medium = m,
		.length = r->implanted.size,
		.take = take_md5,
		.userdata = r,
		.percent = v->percent};
	const struct names n = {d, v, &c};
	uint8_t digest[MD5_DIGEST_SIZE];
	char text[2 * MD5_DIGEST_SIZE + 1];

	v->against = "checksum";
	v->length = c.length;
	md5_init(&r->md5);
	int status = compare_run(&c);
	if (status)
		return status;
	if (compare_result(&c) != DISC_OK)
		return say_bad(&n, "its image");
	md5_digest(&r->md5, sizeof(digest), digest);
	text_hex(text, digest, sizeof(digest));
	if (strcmp(text, r->implanted.md5) == 0)
		return verdict(DISC_OK, "the disc matches the checksum in its image (isomd5sum)");
	return verdict(DISC_DIFFERS, "the disc differs from the checksum in its image (isomd5sum)");
}

static ssize_t read_medium(void *source, void *to, size_t size, uint64_t offset)
{
	return medium_read_patiently(source, to, size, offset);
}

static int without_image(const struct drive *d, struct verification *v, struct medium *m)
{
	struct reference r = {.n = 0};
	struct volume volume;
	int error = volume_look(read_medium, m, &volume);

	if (error < 0) {
		int gone = medium_gone(d);
		return gone ? gone
			    : verdict(DISC_UNREADABLE,
				      "the disc is unreadable where it says what it holds: %s",
				      strerror(-error));
	}
	if (*volume.label)
		say_fact("Volume", "%s", volume.label);
	snprintf(v->id, sizeof(v->id), "%s", volume.id);
	r.n = records_find(v->options->records, volume.id, r.burned);
	if (r.n)
		return with_record(d, v, m, &r);
	if (volume_implanted(&volume, &r.implanted))
		return with_checksum(d, v, m, &r);
	return verdict(DISC_NOTHING, "there is nothing to compare with: %s",
		volume.size
			? "no burn of this disc is recorded here, and its image holds no checksum"
			: "the disc is blank, or has no file system that discs have");
}

int verify_disc(const struct drive *d, struct verification *v)
{
	struct medium m;
	int status = medium_open(d, true, &m);

	if (status == 0) {
		status = v->image ? with_image(d, v, &m) : without_image(d, v, &m);
		close_fd(m.fd);
	}
	v->verdict = status == DISC_OK           ? "matches"
		     : status == DISC_DIFFERS    ? "differs"
		     : status == DISC_UNREADABLE ? "unreadable"
						 : NULL;
	return status;
}

void verify_eject(const struct drive *d, bool kept)
{
	if (!kept)
		say_fact("Tray", "stays shut: the verdict could not be stored");
	else if (d->file || !tray_is_there(d->path))
		say_fact("Tray", "nothing to eject");
	else if (tray_open(d->path) == 0)
		say_fact("Tray", "open");
	else
		say_fact("Tray", "it did not open: take the disc out by hand");
}

static bool record_verification(const struct verification *v)
{
	const struct record r = {
		.verb = "verify",
		.verdict = v->verdict,
		.against = v->against,
		.sha256 = v->sha256,
		.length = v->length,
		.id = v->image ? v->image->volume.id : v->id,
		.image = v->image ? v->image->called : v->name,
	};

	return record_send(&r);
}

int verify_verb(const struct disc_options *o)
{
	_cleanup_drive_ struct drive d = {.lock = -1};
	struct verification v = {.options = o};
	struct image i = {.fd = -1};
	int status = o->image ? image_open(o, &i) : 0;

	if (o->image)
		v.image = &i;
	if (status == 0 && o->image)
		status = image_whole(&i, "compared");
	if (status == 0)
		status = drive_init(&d, o->device, false);
	if (status == 0)
		status = verify_disc(&d, &v);
	if (v.verdict) {
		bool kept = record_verification(&v);
		verdict_final();
		if (o->eject)
			verify_eject(&d, kept);
	}
	close_fd(i.fd);
	return status;
}
