/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/disc.h"

#include "agent/content_parts.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN 10

static bool is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") == n && s[n] == '\0';
}

/* A value that does not fit is not taken; only the image's name may be cut. */
static void take(char *to, size_t size, const char *value, size_t n)
{
	if (n < size) {
		memcpy(to, value, n);
		to[n] = '\0';
	}
}

static void take_image(char *to, size_t size, const char *value, size_t n)
{
	if (n >= size)
		for (n = size - 1; n > 0 && ((unsigned char)value[n] & 0xc0) == 0x80;)
			n--; /* whole characters */
	take(to, size, value, n);
}

static void take_pair(struct disc *d, const char *key, const char *value, size_t n)
{
	const struct {
		const char *key;
		char *to;
		size_t size;
	} texts[] = {
		{"verb", d->verb, sizeof(d->verb)},
		{"verdict", d->verdict, sizeof(d->verdict)},
		{"against", d->against, sizeof(d->against)},
		{"sha256", d->sha256, sizeof(d->sha256)},
		{"id", d->id, sizeof(d->id)},
		{"media", d->media, sizeof(d->media)},
		{"product", d->product, sizeof(d->product)},
	};
	size_t k = (size_t)(value - key) - 1;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strlen(texts[i].key) == k && strncmp(key, texts[i].key, k) == 0)
			take(texts[i].to, texts[i].size, value, n);
	if (k == strlen("image") && strncmp(key, "image", k) == 0)
		take_image(d->image, sizeof(d->image), value, n);
	if (k == strlen("length") && strncmp(key, "length", k) == 0)
		d->length = strtoull(value, NULL, 10);
	if (k == strlen("speed") && strncmp(key, "speed", k) == 0)
		d->speed = strtoull(value, NULL, 10);
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

bool disc_parse(const char *text, struct disc *ret)
{
	static const char *const verbs[] = {"burn", "verify", NULL};
	static const char *const verdicts[] = {
		"matches", "differs", "unreadable", "not verified", "spoiled", "simulated", NULL};
	static const char *const against[] = {"", "image", "record", "checksum", NULL};

	*ret = (struct disc){.run = 0};
	while (*text) {
		size_t n = strcspn(text, "\t");
		const char *equals = memchr(text, '=', n);
		if (equals)
			take_pair(ret, text, equals + 1, n - (size_t)(equals + 1 - text));
		text += n + (text[n] == '\t');
	}
	if (!is_hex(ret->sha256, 64))
		*ret->sha256 = '\0';
	if (!is_hex(ret->id, 32))
		*ret->id = '\0';
	if (ret->length > INT64_MAX || ret->speed > INT64_MAX)
		return false;
	return is_one_of(ret->verb, verbs) && is_one_of(ret->verdict, verdicts) &&
	       is_one_of(ret->against, against);
}

char *disc_verdict_words(const struct disc *d, char *buf, size_t size)
{
	const char *what = strcmp(d->against, "image") == 0      ? " (byte for byte with the image)"
			   : strcmp(d->against, "record") == 0   ? " (by the recorded SHA-256)"
			   : strcmp(d->against, "checksum") == 0 ? " (by the image's own checksum)"
								 : "";

	snprintf(buf, size, "%s%s", d->verdict, what);
	return buf;
}

static void line(struct buf *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_addf(out, "%-*s", COLUMN, name);
	part_printable(out, value);
	part_end(out);
}

static void time_line(struct buf *out, const char *name, int64_t when)
{
	if (!when)
		return;
	buf_addf(out, "%-*s", COLUMN, name);
	part_when(out, when);
	part_end(out);
}

static void disc_lines(struct buf *out, const struct disc *d)
{
	char words[128], size[64];

	disc_verdict_words(d, words, sizeof(words));
	line(out, "Verdict", words);
	line(out, "Disc", d->media);
	line(out, "Maker", d->product);
	line(out, "Disc id", d->id);
	if (d->speed)
		buf_addf(out, "%-*s%s/s\r\n", COLUMN, "Speed",
			text_size(size, sizeof(size), d->speed));
	buf_addf(out, "%-*s%llu bytes\r\n", COLUMN, "Length", (unsigned long long)d->length);
	line(out, "SHA-256", d->sha256);
}

int disc_result(struct buf *out, const struct run *r, const struct disc *d, uint64_t timeout)
{
	char words[512], duration[64];
	struct buf who = BUF_INIT(4096);

	part_printable(out, r->payload);
	buf_adds(out, ": ");
	part_printable(out, run_result_words(r, timeout, words, sizeof(words)));
	buf_adds(out, "\r\n\r\n");
	part_person(&who, r);
	disc_lines(out, d);
	line(out, "By", buf_str(&who));
	time_line(out, "Started", r->end.started);
	time_line(out, "Ended", r->end.ended);
	line(out, "Took", text_duration(duration, sizeof(duration), r->end.lasted));
	buf_addf(out, "%-*s%llu\r\n", COLUMN, "Run", (unsigned long long)r->id);
	buf_done(&who);
	return out->error;
}
