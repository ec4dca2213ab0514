/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes of strangers as text for people: whatever they are, what comes out shows and hides nothing,
 * and is left alone when it goes in again. */
#include "fuzz.h"

#include "common/text.h"

typedef int converter(struct buf *out, const char *data, size_t len);

/* No control or format character but U+00AD and the few that scripts need (names of people). */
static bool shows_itself(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate(
			(const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(len - i), &c);

		if (n <= 0 || (c >= 0x7f && c <= 0x9f) || (c >= 0x202a && c <= 0x202e) ||
			(c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0xfeff ||
			c == 0x2028 || c == 0x2029)
			return false;
		i += (size_t)n;
	}
	return true;
}

static bool lines_end_alike(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((s[i] == '\n' && (i == 0 || s[i - 1] != '\r')) ||
			(s[i] == '\r' && (i + 1 == len || s[i + 1] != '\n')))
			return false;
	return true;
}

static void convert(converter *f, const uint8_t *data, size_t size, const char *keep)
{
	/* A byte becomes at most \xNN. */
	_cleanup_(buf_done) struct buf once = BUF_INIT(4 * size + 1);
	_cleanup_(buf_done) struct buf twice = BUF_INIT(4 * size + 1);
	_cleanup_(buf_done) struct buf narrow = BUF_INIT(size / 2 + 1);

	CHECK(f(&once, (const char *)data, size) == 0);
	CHECK(fuzz_is_text(buf_str(&once), once.len, keep));
	CHECK(shows_itself(buf_str(&once), once.len));
	CHECK(lines_end_alike(buf_str(&once), once.len));
	CHECK(f(&twice, buf_str(&once), once.len) == 0);
	CHECK(twice.len == once.len && strcmp(buf_str(&twice), buf_str(&once)) == 0);
	CHECK(f(&narrow, (const char *)data, size) <= 0 && narrow.len <= narrow.max);
}

static void numbers(uint64_t n)
{
	char words[64];

	CHECK(*text_duration(words, sizeof(words), n));
	CHECK(*text_size(words, sizeof(words), n));
	CHECK(*text_when(words, sizeof(words), (int64_t)n));
	CHECK(*text_rfc3339(words, sizeof(words), (int64_t)n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t n = 0;

	convert(text_printable, data, size, "");
	convert(text_output, data, size, "\t\r\n");
	if (size)
		memcpy(&n, data, size < sizeof(n) ? size : sizeof(n));
	numbers(n);
	return 0;
}
