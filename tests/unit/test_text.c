/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utf8proc.h>

typedef int text_function(struct buf *out, const char *data, size_t len);

static void assert_becomes(text_function *function, const char *in, size_t len, const char *want)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(1 << 20);

	assert_int_equal(function(&b, in, len), 0);
	assert_string_equal(buf_str(&b), want);
	assert_int_equal(b.len, strlen(want));
}
#define PRINTABLE(in, want) assert_becomes(text_printable, in, sizeof(in) - 1, want)
#define OUTPUT(in, want)    assert_becomes(text_output, in, sizeof(in) - 1, want)

static void test_printable(void **state)
{
	(void)state;
	PRINTABLE("", "");
	PRINTABLE("Restart [Running 40%].txt", "Restart [Running 40%].txt");
	PRINTABLE("Caf\xC3\xA9 \xF0\x9F\x92\xBF", "Caf\xC3\xA9 \xF0\x9F\x92\xBF");
	PRINTABLE("a\nb\r\tc", "a\\x0Ab\\x0D\\x09c");
	PRINTABLE("nul\0here", "nul\\x00here");
	PRINTABLE("\x1B[31mred\x7F", "\\x1B[31mred\\x7F");
	PRINTABLE("\xFF\xC3", "\\xFF\\xC3");
	PRINTABLE("\xC0\xAF", "\\xC0\\xAF");
	PRINTABLE("\xED\xA0\x80", "\\xED\\xA0\\x80");
	PRINTABLE("\xC2\x9B"
		  "31m",
		"\\xC2\\x9B31m"); /* CSI, the one-character way */
	PRINTABLE("txt.\xE2\x80\xAE"
		  "exe",
		"txt.\\u{202E}exe");
	PRINTABLE("\xE2\x81\xA6\xE2\x81\xA9\xE2\x80\x8E\xE2\x80\x8F\xEF\xBB\xBF",
		"\\u{2066}\\u{2069}\\u{200E}\\u{200F}\\u{FEFF}");
	PRINTABLE("a\xE2\x80\xA8z", "a\\u{2028}z");
}

/* Persian and family emoji need joiners: these are not litter. */
static void test_joiners_stay(void **state)
{
	(void)state;
	PRINTABLE("\xD9\x85\xE2\x80\x8C\xD9\x85", "\xD9\x85\xE2\x80\x8C\xD9\x85");
	PRINTABLE("\xE2\x80\x8D", "\xE2\x80\x8D");
}

/* Our decoder against utf8proc's: every character there is, and every pair and many quadruples of
 * bytes. */
static void test_every_character(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(100);

	(void)state;
	for (utf8proc_int32_t c = 0; c <= 0x10FFFF; c++) {
		utf8proc_uint8_t bytes[4];
		size_t n;

		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		n = (size_t)utf8proc_encode_char(c, bytes);
		buf_reset(&b);
		assert_int_equal(text_printable(&b, (const char *)bytes, n), 0);
		if (b.data[0] == '\\' && c != '\\') {
			utf8proc_category_t k = utf8proc_category(c);

			assert_true(k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF ||
				    k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP ||
				    k == UTF8PROC_CATEGORY_CN);
		} else {
			assert_int_equal(b.len, n);
			assert_memory_equal(b.data, bytes, n);
			assert_int_not_equal(utf8proc_category(c), UTF8PROC_CATEGORY_CC);
		}
	}
}

static void check_bytes(const unsigned char *bytes, size_t len)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(100);
	utf8proc_int32_t c;
	utf8proc_ssize_t n = utf8proc_iterate(bytes, (utf8proc_ssize_t)len, &c);

	assert_int_equal(text_printable(&b, (const char *)bytes, len), 0);
	if (n < 0) {
		char want[5];

		snprintf(want, sizeof(want), "\\x%02X", bytes[0]);
		assert_memory_equal(b.data, want, 4);
	} else if (b.data[0] != '\\') {
		assert_memory_equal(b.data, bytes, (size_t)n);
	}
	for (size_t i = 0; i < b.len;) {
		n = utf8proc_iterate(
			(unsigned char *)b.data + i, (utf8proc_ssize_t)(b.len - i), &c);
		assert_true(n > 0);
		assert_true(c >= 0x20 && (c < 0x7F || c > 0x9F));
		i += (size_t)n;
	}
}

static void test_all_kinds_of_bytes(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned i = 0; i < 65536; i++)
		check_bytes((const unsigned char[]){i >> 8, i & 0xFF}, 2);
	for (unsigned i = 0; i < 300000; i++) {
		unsigned char bytes[5];

		for (size_t k = 0; k < sizeof(bytes); k++) {
			seed = seed * 1103515245 + 12345;
			bytes[k] = (unsigned char)(seed >> 16);
		}
		bytes[0] |= 0xC0;
		for (size_t k = 1; k < 4; k++)
			if (i & 1U << k)
				bytes[k] = (bytes[k] & 0x3F) | 0x80;
		check_bytes(bytes, sizeof(bytes));
	}
}

static void test_lines(void **state)
{
	(void)state;
	OUTPUT("", "");
	OUTPUT("one\ntwo\n", "one\r\ntwo\r\n");
	OUTPUT("one\r\ntwo\r\n", "one\r\ntwo\r\n");
	OUTPUT("no end", "no end");
	OUTPUT("a\tb", "a\tb");
	OUTPUT("\n\n", "\r\n\r\n");
	OUTPUT("a\0b\x01\x7F\b", "a\\x00b\\x01\\x7F\\x08");
	OUTPUT("Caf\xC3\xA9\xFF", "Caf\xC3\xA9\\xFF");
}

static void test_progress_lines(void **state)
{
	(void)state;
	OUTPUT("10%\r20%\r100%\ndone\n", "100%\r\ndone\r\n");
	OUTPUT("start\n10%\r20%", "start\r\n20%");
	OUTPUT("10%\r20%\r", "20%"); /* the last one is still seen */
	OUTPUT("10%\r\x1B[K20%\r\n", "20%\r\n");
	OUTPUT("10%\r\r\n", "10%\r\n");
	OUTPUT("\rx", "x");
	OUTPUT("Caf\xC3\xA9\r\xC3\xA9", "\xC3\xA9");
}

static void test_progress_does_not_eat_what_was_there(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(100);

	(void)state;
	buf_adds(&b, "head: ");
	assert_int_equal(text_output(&b, "1\r2\r3", 5), 0);
	assert_string_equal(buf_str(&b), "head: 3");
}

static void test_escape_sequences(void **state)
{
	(void)state;
	OUTPUT("\x1B[1;31mred\x1B[0m", "red");
	OUTPUT("\x1B[?25lx\x1B[2J\x1B[H", "x");
	OUTPUT("\x1B]0;title\ax", "x");
	OUTPUT("\x1B]8;;http://x\x1B\\link\x1B]8;;\x1B\\", "link");
	OUTPUT("\x1BP1$r0m\x1B\\x", "x");
	OUTPUT("\x1B(Bx\x1B=y\x1B"
	       "7z",
		"xyz");
	OUTPUT("\x1B[38:5:1mx\x1B[ q", "x");
	/* Cut off by the end of what there is. */
	OUTPUT("x\x1B", "x");
	OUTPUT("x\x1B[3", "x");
	OUTPUT("x\x1B]0;tit", "x");
	/* Not terminated: it must not swallow the following lines. */
	OUTPUT("\x1B]0;tit\nnext", "\r\nnext");
	/* No sequence at all: shown. */
	OUTPUT("\x1B[3\xFF"
	       "x",
		"\\x1B[3\\xFFx");
	OUTPUT("\x1B\x01", "\\x1B\\x01");
	OUTPUT("\x1B\0x", "\\x1B\\x00x");
	OUTPUT("\x1B\x1B[1mx", "\\x1Bx");
}

static void test_output_is_safe_whatever_it_is(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		static const char alphabet[] =
			"\x1B\x1B[]()PX^_;0123m\a\\\r\n\t\x80\xC3\xA9xyz\x9B\xE2";
		_cleanup_(buf_done) struct buf b = BUF_INIT(1000);
		char in[24];

		for (size_t k = 0; k < sizeof(in); k++) {
			seed = seed * 1103515245 + 12345;
			in[k] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		assert_int_equal(text_output(&b, in, (size_t)i % sizeof(in) + 1), 0);
		for (size_t k = 0; k < b.len; k++) {
			unsigned char c = (unsigned char)b.data[k];

			assert_true(c >= 0x20 || c == '\t' ||
				    (c == '\r' && b.data[k + 1] == '\n') ||
				    (c == '\n' && k > 0 && b.data[k - 1] == '\r'));
		}
	}
}

static void test_full_buffer(void **state)
{
	_cleanup_(buf_done) struct buf a = BUF_INIT(3), b = BUF_INIT(3);

	(void)state;
	assert_int_equal(text_printable(&a, "12345", 5), -E2BIG);
	assert_int_equal(text_output(&b, "1\n\n2345", 7), -E2BIG);
}

static void assert_duration(uint64_t usec, const char *want)
{
	char buf[64];

	assert_string_equal(text_duration(buf, sizeof(buf), usec), want);
}

static void test_duration(void **state)
{
	const uint64_t s = USEC_PER_SEC;

	(void)state;
	assert_duration(0, "0 s");
	assert_duration(250, "250 us");
	assert_duration(350 * 1000, "350 ms");
	assert_duration(s, "1 s");
	assert_duration(2500 * 1000, "2.5 s");
	assert_duration(12 * s + 900000, "12 s");
	assert_duration(120 * s, "2 min");
	assert_duration(125 * s, "2 min 5 s");
	assert_duration(3600 * s, "1 h");
	assert_duration(3900 * s, "1 h 5 min");
	assert_duration(3659 * s, "1 h");
	assert_duration((3 * 86400 + 4 * 3600 + 59) * s, "3 d 4 h");
	assert_duration(400 * 86400 * s, "400 d");
	assert_duration(USEC_INFINITY, "never");
	assert_duration(USEC_INFINITY - 1, "213503982 d 8 h");
}

static void assert_size(uint64_t bytes, const char *want)
{
	char buf[64];

	assert_string_equal(text_size(buf, sizeof(buf), bytes), want);
}

static void test_size(void **state)
{
	(void)state;
	assert_size(0, "0 bytes");
	assert_size(1, "1 byte");
	assert_size(700, "700 bytes");
	assert_size(1024, "1 KiB");
	assert_size(1536 * 1024, "1.5 MiB");
	assert_size(500ULL << 20, "500 MiB");
	assert_size((1ULL << 20) - 1, "1023.9 KiB");
	assert_size(3ULL << 40, "3 TiB");
	assert_size(UINT64_MAX, "15.9 EiB");
}

static void test_times(void **state)
{
	const int64_t t = 1795266202123456;
	char buf[64];

	(void)state;
	assert_string_equal(text_rfc3339(buf, sizeof(buf), t), "2026-11-21T13:03:22.123456Z");
	assert_string_equal(text_rfc3339(buf, sizeof(buf), -1), "1969-12-31T23:59:59.999999Z");
	assert_string_equal(text_rfc3339(buf, sizeof(buf), 0), "1970-01-01T00:00:00.000000Z");
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_string_equal(text_when(buf, sizeof(buf), t), "2026-11-21 14:03:22 CET (+0100)");
	setenv("TZ", "<+0330>-3:30", 1);
	tzset();
	assert_string_equal(text_when(buf, sizeof(buf), t), "2026-11-21 16:33:22 +0330");
	setenv("TZ", "UTC0", 1);
	tzset();
	assert_string_equal(text_when(buf, sizeof(buf), t), "2026-11-21 13:03:22 UTC (+0000)");
}

static void test_clocks(void **state)
{
	uint64_t m = now_monotonic(), b = now_boottime();

	(void)state;
	assert_true(now_monotonic() >= m);
	assert_true(now_boottime() >= b);
	assert_true(b + USEC_PER_SEC >= m); /* it counts what monotonic does, and suspended time */
	assert_true(now_realtime() / (int64_t)USEC_PER_SEC - time(NULL) <= 1);
}

static void test_hex(void **state)
{
	const uint8_t bytes[] = {0, 0x1f, 0xa0, 0xff};
	char to[9] = "xxxxxxxx";

	(void)state;
	assert_ptr_equal(text_hex(to, bytes, sizeof(bytes)), to);
	assert_string_equal(to, "001fa0ff");
	assert_string_equal(text_hex(to, bytes, 0), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_joiners_stay),
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_all_kinds_of_bytes),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_progress_lines),
		cmocka_unit_test(test_progress_does_not_eat_what_was_there),
		cmocka_unit_test(test_escape_sequences),
		cmocka_unit_test(test_output_is_safe_whatever_it_is),
		cmocka_unit_test(test_full_buffer),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
