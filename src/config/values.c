/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/values.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* systemd.time(7) */
static const struct unit time_units[] = {
	{"us", 1},
	{"usec", 1},
	{"\xc2\xb5s", 1},
	{"\xce\xbcs", 1},
	{"ms", 1000},
	{"msec", 1000},
	{"s", SECOND},
	{"sec", SECOND},
	{"second", SECOND},
	{"seconds", SECOND},
	{"m", MINUTE},
	{"min", MINUTE},
	{"minute", MINUTE},
	{"minutes", MINUTE},
	{"h", HOUR},
	{"hr", HOUR},
	{"hour", HOUR},
	{"hours", HOUR},
	{"d", DAY},
	{"day", DAY},
	{"days", DAY},
	{"w", 7 * DAY},
	{"week", 7 * DAY},
	{"weeks", 7 * DAY},
	{"M", 2629800 * SECOND},
	{"month", 2629800 * SECOND},
	{"months", 2629800 * SECOND},
	{"y", 31557600 * SECOND},
	{"year", 31557600 * SECOND},
	{"years", 31557600 * SECOND},
	{NULL, 0},
};

#define KIB 1024ULL
static const struct unit size_units[] = {
	{"B", 1},
	{"bytes", 1},
	{"byte", 1},
	{"K", KIB},
	{"KiB", KIB},
	{"M", KIB *KIB},
	{"MiB", KIB *KIB},
	{"G", KIB *KIB *KIB},
	{"GiB", KIB *KIB *KIB},
	{"T", KIB *KIB *KIB *KIB},
	{"TiB", KIB *KIB *KIB *KIB},
	{"kB", 1000},
	{"MB", 1000000},
	{"GB", 1000000000},
	{"TB", 1000000000000ULL},
	{NULL, 0},
};

static const struct unit *find_unit(const struct unit *units, const char *s, size_t len)
{
	for (const struct unit *u = units; u->name; u++)
		if (strlen(u->name) == len && strncmp(u->name, s, len) == 0)
			return u;
	return NULL;
}

static const char *skip_space(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* "2.5" times FACTOR, the fraction to six digits; moves *S behind it. */
static enum value_error scaled(const char *digits, size_t n_whole, const char *fraction,
	size_t n_fraction, uint64_t factor, uint64_t *ret)
{
	uint64_t whole = 0, part = 0, scale = 1;

	for (size_t i = 0; i < n_whole; i++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
			__builtin_add_overflow(whole, (uint64_t)(digits[i] - '0'), &whole))
			return VALUE_TOO_BIG;
	for (size_t i = 0; i < n_fraction && i < 6; i++) {
		part = part * 10 + (uint64_t)(fraction[i] - '0');
		scale *= 10;
	}
	if (__builtin_mul_overflow(whole, factor, &whole) ||
		__builtin_mul_overflow(part, factor, &part) ||
		__builtin_add_overflow(whole, part / scale, ret))
		return VALUE_TOO_BIG;
	return VALUE_OK;
}

static bool is_unit_char(char c)
{
	return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* A sum of numbers with units.  MANY: more than one is allowed. */
static enum value_error parse_units(
	const char *s, const struct unit *units, bool many, uint64_t *ret)
{
	uint64_t sum = 0;
	size_t terms = 0;

	for (s = skip_space(s); *s; terms++) {
		const char *digits = s, *fraction, *unit;
		size_t n_whole = strspn(s, "0123456789"), n_fraction = 0, n_unit = 0;
		const struct unit *u;
		uint64_t term;
		enum value_error e;

		if (n_whole == 0 || (terms && !many))
			return VALUE_NONE;
		s += n_whole;
		fraction = s;
		if (*s == '.') {
			fraction = s + 1;
			n_fraction = strspn(fraction, "0123456789");
			if (n_fraction == 0)
				return VALUE_NONE;
			s = fraction + n_fraction;
		}
		unit = skip_space(s);
		while (is_unit_char(unit[n_unit]))
			n_unit++;
		if (n_unit == 0)
			return *unit == '\0' || isdigit((unsigned char)*unit) ? VALUE_BARE
									      : VALUE_NONE;
		u = find_unit(units, unit, n_unit);
		if (!u)
			return VALUE_UNIT;
		e = scaled(digits, n_whole, fraction, n_fraction, u->factor, &term);
		if (e != VALUE_OK)
			return e;
		if (__builtin_add_overflow(sum, term, &sum) || sum == UINT64_MAX)
			return VALUE_TOO_BIG;
		s = skip_space(unit + n_unit);
	}
	if (terms == 0)
		return VALUE_NONE;
	*ret = sum;
	return VALUE_OK;
}

static bool is_zero(const char *s)
{
	return strcmp(s, "0") == 0;
}

enum value_error parse_duration(const char *s, uint64_t *ret)
{
	if (strcmp(s, "never") == 0 || strcmp(s, "infinity") == 0)
		*ret = UINT64_MAX;
	else if (is_zero(s))
		*ret = 0;
	else
		return parse_units(s, time_units, true, ret);
	return VALUE_OK;
}

enum value_error parse_size(const char *s, uint64_t *ret)
{
	if (strcmp(s, "none") == 0 || strcmp(s, "infinity") == 0)
		*ret = UINT64_MAX;
	else if (is_zero(s))
		*ret = 0;
	else
		return parse_units(s, size_units, false, ret);
	return VALUE_OK;
}

enum value_error parse_number(const char *s, int64_t *ret)
{
	char *end;
	long long v;

	if (!isdigit((unsigned char)s[0]) && !(s[0] == '-' && isdigit((unsigned char)s[1])))
		return VALUE_NONE;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end)
		return VALUE_NONE;
	if (errno)
		return VALUE_TOO_BIG;
	*ret = v;
	return VALUE_OK;
}

static mode_t permission_bits(const char *perms, size_t n, mode_t who)
{
	mode_t m = 0;

	for (size_t i = 0; i < n; i++) {
		if (perms[i] == 'r')
			m |= who & 0444;
		else if (perms[i] == 'w')
			m |= who & 0222;
		else if (perms[i] == 'x')
			m |= who & 0111;
		else if (perms[i] == 's')
			m |= (who & 0700 ? S_ISUID : 0) | (who & 0070 ? S_ISGID : 0);
		else
			m |= S_ISVTX;
	}
	return m;
}

/* u=rwx,g=rwxs,o= */
static enum value_error parse_symbolic(const char *s, mode_t *ret)
{
	mode_t mode = 0;

	for (;;) {
		mode_t who = 0;
		size_t n = strspn(s, "ugoa");

		for (size_t i = 0; i < n; i++)
			who |= s[i] == 'u' ? 0700 : s[i] == 'g' ? 0070 : s[i] == 'o' ? 0007 : 0777;
		s += n;
		if (n && (*s == '+' || *s == '-'))
			return VALUE_SYMBOLIC;
		if (n == 0 || *s++ != '=')
			return VALUE_NONE;
		n = strspn(s, "rwxst");
		mode |= permission_bits(s, n, who);
		s += n;
		if (*s == '\0')
			break;
		if (*s++ != ',')
			return VALUE_NONE;
	}
	*ret = mode;
	return VALUE_OK;
}

enum value_error parse_mode(const char *s, mode_t *ret)
{
	size_t n;

	if (s[0] && strchr("ugoa", s[0]))
		return parse_symbolic(s, ret);
	if (s[0] == '0' && (s[1] == 'o' || s[1] == 'O'))
		s += 2;
	else if (s[0] >= '1' && s[0] <= '9' && s[strspn(s, "0123456789")] == '\0')
		return VALUE_DECIMAL;
	else if (s[0] != '0')
		return VALUE_NONE;
	n = strspn(s, "01234567");
	if (n < 3 || n > 5 || s[n])
		return VALUE_NONE;
	if (strtoul(s, NULL, 8) > 07777)
		return VALUE_NONE;
	*ret = (mode_t)strtoul(s, NULL, 8);
	return VALUE_OK;
}

char *format_duration(char *buf, size_t size, uint64_t usec)
{
	static const struct unit units[] = {
		{"d", DAY},
		{"h", HOUR},
		{"min", MINUTE},
		{"s", SECOND},
		{"ms", 1000},
		{"us", 1},
	};
	size_t n = 0;

	if (usec == UINT64_MAX || usec == 0) {
		snprintf(buf, size, "%s", usec ? "never" : "0");
		return buf;
	}
	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t count = usec / units[i].factor;
		int r;

		/* Nobody writes 1 min for 60 s here: only what does not divide is split up. */
		if (count == 0)
			continue;
		usec %= units[i].factor;
		r = snprintf(
			buf + n, size - n, "%s%" PRIu64 "%s", n ? " " : "", count, units[i].name);
		if (r < 0 || (size_t)r >= size - n)
			break;
		n += (size_t)r;
	}
	return buf;
}

char *format_size(char *buf, size_t size, uint64_t bytes)
{
	static const struct unit units[] = {
		{"TiB", KIB * KIB * KIB * KIB},
		{"GiB", KIB * KIB * KIB},
		{"MiB", KIB * KIB},
		{"KiB", KIB},
		{"B", 1},
	};
	size_t i = 0;

	if (bytes == UINT64_MAX || bytes == 0) {
		snprintf(buf, size, "%s", bytes ? "none" : "0");
		return buf;
	}
	while (bytes % units[i].factor)
		i++;
	snprintf(buf, size, "%" PRIu64 "%s", bytes / units[i].factor, units[i].name);
	return buf;
}

/* What an unquoted character would make a shell do; also $ in double quotes. */
static enum split_error shell_meaning(const char *p, bool at_word)
{
	if (strchr("&|;<>()`\n", *p))
		return SPLIT_SHELL;
	if (*p == '$' && (isalpha((unsigned char)p[1]) || strchr("_{(@*#?", p[1])) && p[1])
		return SPLIT_VARIABLE;
	if (*p == '*' || *p == '?' || (*p == '~' && at_word))
		return SPLIT_GLOB;
	return SPLIT_OK;
}

/* One word at *P; stops behind it. */
static enum split_error split_word(const char **p, struct buf *out)
{
	char quote = 0;
	const char *s = *p, *start = *p;

	for (; *s && (quote || (*s != ' ' && *s != '\t' && *s != '\n')); s++) {
		enum split_error e = SPLIT_OK;

		*p = s;
		if (quote == '\'' ? *s == '\'' : quote == '"' ? *s == '"' : false) {
			quote = 0;
			continue;
		}
		if (!quote && (*s == '\'' || *s == '"')) {
			quote = *s;
			continue;
		}
		if (!quote)
			e = shell_meaning(s, s == start);
		else if (quote == '"' && (*s == '`' || *s == '$'))
			e = shell_meaning(s, false);
		if (e != SPLIT_OK)
			return e;
		if (*s == '\\' && quote != '\'' && (!quote || strchr("\"\\$`", s[1]))) {
			if (!s[1])
				return SPLIT_BACKSLASH;
			s++;
		}
		buf_addc(out, *s);
	}
	if (quote)
		return SPLIT_QUOTE;
	*p = s;
	buf_addc(out, '\0');
	return out->error ? SPLIT_MEMORY : SPLIT_OK;
}

enum split_error split_line(const char *line, struct buf *out, size_t *ret_n, size_t *ret_at)
{
	const char *p = line;
	size_t n = 0;

	for (;;) {
		enum split_error e;

		while (*p == ' ' || *p == '\t' ||
			(*p == '\n' && (n == 0 || p[strspn(p, " \t\n")] == '\0')))
			p++;
		if (!*p)
			break;
		e = *p == '\n' ? SPLIT_SHELL : split_word(&p, out);
		if (e != SPLIT_OK) {
			*ret_at = (size_t)(p - line);
			return e;
		}
		n++;
	}
	*ret_n = n;
	return n ? SPLIT_OK : SPLIT_EMPTY;
}
