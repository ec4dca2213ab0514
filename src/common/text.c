/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* How long a character is that begins with BYTE; 0: none does. */
static size_t utf8_length(unsigned char byte)
{
	if (byte < 0x80)
		return 1;
	if (byte < 0xC2)
		return 0; /* a later byte, or the beginning of an overlong one */
	if (byte < 0xE0)
		return 2;
	if (byte < 0xF0)
		return 3;
	return byte < 0xF5 ? 4 : 0;
}

/*
 * The character at P (LEN bytes, at least one) and its length; 0 when it is not valid UTF-8: cut
 * off, overlong, a surrogate, or above U+10FFFF.  libutf8proc could say so, but every process
 * logs, and the runner and the watcher should not map its tables for these lines.
 */
static size_t utf8_decode(const unsigned char *p, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = utf8_length(p[0]);
	uint32_t c;

	if (n == 0 || n > len)
		return 0;
	c = n == 1 ? p[0] : p[0] & (0x7FU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3F);
	}
	if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	*ret = c;
	return n;
}

/* Characters that show nothing and change what the others look like: a stranger's name or output
 * could pass for something else with them. */
static bool is_invisible(uint32_t c)
{
	static const uint32_t ranges[][2] = {
		{0x061C, 0x061C},   /* Arabic letter mark */
		{0x180E, 0x180E},   /* Mongolian vowel separator */
		{0x200B, 0x200B},   /* zero width space */
		{0x200E, 0x200F},   /* direction marks */
		{0x2028, 0x202E},   /* line, paragraph separator; embeddings, overrides */
		{0x2060, 0x206F},   /* word joiner, invisible operators, isolates */
		{0xFEFF, 0xFEFF},   /* byte order mark */
		{0xFFF9, 0xFFFB},   /* annotations */
		{0xE0000, 0xE007F}, /* tags */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0x9F);
}

/* Appends the character at P, made harmless; returns how many bytes it took. */
static size_t add_char(struct buf *out, const unsigned char *p, size_t len)
{
	uint32_t c = 0;
	size_t n = utf8_decode(p, len, &c);

	if (n == 0) {
		buf_addf(out, "\\x%02X", p[0]);
		return 1;
	}
	if (is_control(c)) {
		for (size_t i = 0; i < n; i++)
			buf_addf(out, "\\x%02X", p[i]);
	} else if (is_invisible(c)) {
		buf_addf(out, "\\u{%04X}", (unsigned)c);
	} else {
		buf_add(out, p, n);
	}
	return n;
}

/* How many bytes at P are plain ASCII: the common case, copied as a whole. */
static size_t plain_run(const unsigned char *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] >= 0x20 && p[n] < 0x7F)
		n++;
	return n;
}

int text_printable(struct buf *out, const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data, *end = p + len;

	while (p < end && !out->error) {
		size_t n = plain_run(p, (size_t)(end - p));

		if (n)
			buf_add(out, p, n);
		else
			n = add_char(out, p, (size_t)(end - p));
		p += n;
	}
	return out->error;
}

/* After ESC: the length of a control string (OSC, DCS, ...) to its BEL or ESC \.  One that does not
 * end on its line ends with it, so that it can't swallow what follows. */
static size_t skip_string(const unsigned char *p, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		if (p[i] == '\a')
			return i + 1;
		if (p[i] == '\n')
			return i;
		if (p[i] == 0x1B && i + 1 < len && p[i + 1] == '\\')
			return i + 2;
	}
	return len;
}

/* The length of the escape sequence at P (an ESC), or 0 if it is none (ECMA-48, section 5). */
static size_t skip_escape(const unsigned char *p, size_t len)
{
	size_t i = 1;

	if (len == 1)
		return 1;
	if (strchr("]PX^_", p[1]) && p[1])
		return 1 + skip_string(p + 1, len - 1);
	if (p[1] == '[') {
		i = 2;
		while (i < len && p[i] >= 0x30 && p[i] <= 0x3F)
			i++;
	}
	while (i < len && p[i] >= 0x20 && p[i] <= 0x2F)
		i++;
	if (i == len)
		return len; /* cut off by the end of the data */
	return p[i] >= (p[1] == '[' ? 0x40 : 0x30) && p[i] <= 0x7E ? i + 1 : 0;
}

static void truncate_to(struct buf *out, size_t len)
{
	if (out->len > len) {
		out->len = len;
		out->data[len] = '\0';
	}
}

int text_output(struct buf *out, const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data, *end = p + len;
	size_t line = out->len; /* where the current line begins */
	bool afresh = false;    /* after a CR: the next character begins the line again */

	while (p < end && !out->error) {
		size_t left = (size_t)(end - p), n;

		if (*p == '\r') {
			afresh = true;
			p++;
			continue;
		}
		if (*p == '\n') {
			buf_add(out, "\r\n", 2);
			line = out->len;
			afresh = false;
			p++;
			continue;
		}
		n = *p == 0x1B ? skip_escape(p, left) : 0;
		if (n) {
			p += n;
			continue;
		}
		if (afresh)
			truncate_to(out, line);
		afresh = false;
		n = plain_run(p, left);
		if (n == 0 && *p == '\t')
			n = 1;
		if (n)
			buf_add(out, p, n);
		else
			n = add_char(out, p, left);
		p += n;
	}
	return out->error;
}

char *text_hex(char *to, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
	to[2 * n] = '\0';
	return to;
}

char *text_duration(char *buf, size_t size, uint64_t usec)
{
	uint64_t s = usec / USEC_PER_SEC;

	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};

	if (usec == USEC_INFINITY) {
		snprintf(buf, size, "never");
	} else if (usec == 0) {
		snprintf(buf, size, "0 s");
	} else if (usec < 1000) {
		snprintf(buf, size, "%u us", (unsigned)usec);
	} else if (s == 0) {
		snprintf(buf, size, "%u ms", (unsigned)(usec / 1000));
	} else if (s < 10 && usec % USEC_PER_SEC >= 100000) {
		snprintf(buf, size, "%u.%u s", (unsigned)s,
			(unsigned)(usec % USEC_PER_SEC / 100000));
	} else {
		size_t i = 0;
		uint64_t rest;

		while (s < units[i].seconds)
			i++;
		rest = units[i].seconds > 1 ? s % units[i].seconds / units[i + 1].seconds : 0;
		if (rest)
			snprintf(buf, size, "%ju %s %ju %s", (uintmax_t)(s / units[i].seconds),
				units[i].name, (uintmax_t)rest, units[i + 1].name);
		else
			snprintf(buf, size, "%ju %s", (uintmax_t)(s / units[i].seconds),
				units[i].name);
	}
	return buf;
}

char *text_size(char *buf, size_t size, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t unit = 1024;
	size_t i = 0;
	unsigned tenth;

	if (bytes < unit) {
		snprintf(buf, size, "%u byte%s", (unsigned)bytes, bytes == 1 ? "" : "s");
		return buf;
	}
	while (i + 1 < sizeof(units) - 1 && bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	tenth = (unsigned)(bytes % unit * 10 / unit);
	if (tenth)
		snprintf(buf, size, "%u.%u %ciB", (unsigned)(bytes / unit), tenth, units[i]);
	else
		snprintf(buf, size, "%u %ciB", (unsigned)(bytes / unit), units[i]);
	return buf;
}

/* Seconds, and the microseconds left (never negative). */
static time_t split_time(int64_t us, unsigned *ret_us)
{
	int64_t s = us / (int64_t)USEC_PER_SEC, rest = us % (int64_t)USEC_PER_SEC;

	if (rest < 0) {
		rest += (int64_t)USEC_PER_SEC;
		s--;
	}
	*ret_us = (unsigned)rest;
	return (time_t)s;
}

char *text_when(char *buf, size_t size, int64_t realtime_us)
{
	struct tm tm = {0};
	char zone[64];
	unsigned us;
	time_t t = split_time(realtime_us, &us);

	localtime_r(&t, &tm);
	/* Many zones have no letters of their own: "+03 (+0300)" would say it twice. */
	if (strftime(zone, sizeof(zone), "%Z", &tm) == 0 || zone[0] == '+' || zone[0] == '-')
		strftime(zone, sizeof(zone), "%z", &tm);
	else
		strftime(zone, sizeof(zone), "%Z (%z)", &tm);
	snprintf(buf, size, "%04d-%02d-%02d %02d:%02d:%02d %s", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, zone);
	return buf;
}

char *text_rfc3339(char *buf, size_t size, int64_t realtime_us)
{
	struct tm tm = {0};
	unsigned us;
	time_t t = split_time(realtime_us, &us);

	gmtime_r(&t, &tm);
	snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, us);
	return buf;
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

int64_t now_realtime(void)
{
	return (int64_t)now(CLOCK_REALTIME);
}

uint64_t now_boottime(void)
{
	return now(CLOCK_BOOTTIME);
}

uint64_t now_monotonic(void)
{
	return now(CLOCK_MONOTONIC);
}
