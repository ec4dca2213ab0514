/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values as canonical YAML, one line each, so that what is printed is read as the same.
 */
#include "config/print.h"

#include <cap-ng.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- scalars ---- */

static bool is_plain(const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   " _./@+-";
	size_t n = strlen(s);

	if (n == 0 || s[strspn(s, safe)] || s[n - 1] == ' ' || strchr(" -.@+", s[0]))
		return false;
	return strcasecmp(s, "null") != 0;
}

/* Code points that YAML does not take as they are, or takes for the end of a line. */
static bool is_unprintable(uint32_t c)
{
	return (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	       c == 0xfffe || c == 0xffff;
}

/* The code point at *S (valid UTF-8, as it came out of YAML), which moves behind it. */
static uint32_t next_char(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	uint32_t c = *p++;
	int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	c &= more == 3 ? 0x07 : more == 2 ? 0x0f : more == 1 ? 0x1f : 0x7f;
	while (more-- > 0 && (*p & 0xc0) == 0x80)
		c = c << 6 | (*p++ & 0x3f);
	*s = (const char *)p;
	return c;
}

void put_quoted(FILE *out, const char *s)
{
	fputc('"', out);
	while (*s) {
		const char *start = s;
		uint32_t c = next_char(&s);

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (int)c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c == '\t')
			fputs("\\t", out);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", (unsigned)c);
		else if (is_unprintable(c))
			fprintf(out, "\\u%04x", (unsigned)c);
		else
			fwrite(start, 1, (size_t)(s - start), out);
	}
	fputc('"', out);
}

void put_text(FILE *out, const char *s)
{
	if (is_plain(s))
		fputs(s, out);
	else
		put_quoted(out, s);
}

/* A text that a literal block shows as it is. */
static bool is_block(const char *s)
{
	size_t n = strlen(s);

	if (n < 2 || s[n - 1] != '\n' || s[n - 2] == '\n' || strchr(" \t\n", s[0]))
		return false;
	while (*s) {
		uint32_t c = next_char(&s);

		if ((c < 0x20 && c != '\n' && c != '\t') || is_unprintable(c))
			return false;
	}
	return true;
}

void put_script(FILE *out, const char *s, const char *indent)
{
	if (!is_block(s)) {
		put_quoted(out, s);
		fputc('\n', out);
		return;
	}
	fputs("|\n", out);
	while (*s) {
		size_t n = strcspn(s, "\n");

		if (n)
			fprintf(out, "%s%.*s", indent, (int)n, s);
		fputc('\n', out);
		s += n + 1;
	}
}

void put_list(FILE *out, char *const *strings)
{
	fputc('[', out);
	for (size_t i = 0; strings && strings[i]; i++) {
		if (i)
			fputs(", ", out);
		put_text(out, strings[i]);
	}
	fputc(']', out);
}

/* ---- values by type ---- */

static void put_triggers(FILE *out, uint32_t bits)
{
	bool both = (bits & TRIGGER_BIT(TRIGGER_DELETE)) && (bits & TRIGGER_BIT(TRIGGER_MOVE));

	fprintf(out, "[%s%s%s]", bits & TRIGGER_BIT(TRIGGER_DELETE) ? "delete" : "",
		both ? ", " : "", bits & TRIGGER_BIT(TRIGGER_MOVE) ? "move" : "");
}

static void put_caps(FILE *out, uint64_t bits)
{
	const char *separator = "";

	if (bits == all_capabilities()) {
		fputs("all", out);
		return;
	}
	fputc('[', out);
	for (unsigned i = 0; i <= CAP_LAST_CAP; i++) {
		const char *name = bits >> i & 1 ? capng_capability_to_name(i) : NULL;

		if (!name)
			continue;
		fprintf(out, "%sCAP_", separator);
		for (; *name; name++)
			fputc(*name >= 'a' && *name <= 'z' ? *name - 32 : *name, out);
		separator = ", ";
	}
	fputc(']', out);
}

static void put_groups(struct printer *p, FILE *out, const struct how *how)
{
	char buf[24];

	fputc('[', out);
	for (size_t i = 0; i < how->n_groups; i++) {
		fputs(i ? ", " : "", out);
		put_text(out, group_name(p->l, how->groups[i], buf));
	}
	fputc(']', out);
}

static void put_environment(struct printer *p, FILE *out, char *const *list)
{
	if (!list || !list[0]) {
		fputs("[]", out);
		return;
	}
	fputc('{', out);
	for (size_t i = 0; list[i]; i++) {
		size_t n = strcspn(list[i], "=");

		fprintf(out, "%s%.*s: ", i ? ", " : "", (int)n, list[i]);
		put_quoted(out, p->secrets ? list[i] + n + 1 : "...");
	}
	fputc('}', out);
}

static void put_limit_value(FILE *out, enum type type, rlim_t v)
{
	char buf[80];

	if (v == RLIM_INFINITY)
		fputs("infinity", out);
	else if (type == TYPE_LIMIT_SIZE)
		fputs(format_size(buf, sizeof(buf), v), out);
	else if (type == TYPE_LIMIT_COUNT)
		fprintf(out, "%" PRIu64, (uint64_t)v);
	else
		fputs(format_duration(
			      buf, sizeof(buf), type == TYPE_LIMIT_SECONDS ? v * SECOND : v),
			out);
}

static void put_limit(FILE *out, enum type type, const struct rlimit *limit)
{
	fputc('"', out);
	put_limit_value(out, type, limit->rlim_cur);
	fputc(':', out);
	put_limit_value(out, type, limit->rlim_max);
	fputc('"', out);
}

static void put_statuses(FILE *out, const uint8_t *bits)
{
	const char *separator = "";

	fputc('[', out);
	for (unsigned i = 0; i < 256; i++)
		if (bits[i / 8] >> (i % 8) & 1) {
			fprintf(out, "%s%u", separator, i);
			separator = ", ";
		}
	fputc(']', out);
}

static void put_number(FILE *out, const struct key *k, const char *slot)
{
	char buf[80];

	switch (k->type) {
	case TYPE_BOOL:
		fputs(*(const bool *)slot ? "yes" : "no", out);
		break;
	case TYPE_CONFIRM:
	case TYPE_DURATION: {
		uint64_t usec = *(const uint64_t *)(const void *)slot;

		fputs(k->type == TYPE_CONFIRM && usec == 0
				? "no"
				: format_duration(buf, sizeof(buf), usec),
			out);
		break;
	}
	case TYPE_SIZE:
		fputs(format_size(buf, sizeof(buf), *(const uint64_t *)(const void *)slot), out);
		break;
	case TYPE_COUNT:
		fprintf(out, "%" PRIu32, *(const uint32_t *)(const void *)slot);
		break;
	case TYPE_NICE:
		fprintf(out, "%d", *(const int *)(const void *)slot);
		break;
	case TYPE_MODE:
		fprintf(out, "0%03o", (unsigned)*(const mode_t *)(const void *)slot);
		break;
	default: /* TYPE_WORD */
		fputs(k->words[*(const unsigned *)(const void *)slot], out);
		break;
	}
}

/* The value at SLOT; HOW where it is one of a command's. */
void put_value(
	struct printer *p, FILE *out, const struct key *k, const char *slot, const struct how *how)
{
	char buf[24];

	switch (k->type) {
	case TYPE_BOOL:
	case TYPE_DURATION:
	case TYPE_CONFIRM:
	case TYPE_SIZE:
	case TYPE_COUNT:
	case TYPE_NICE:
	case TYPE_MODE:
	case TYPE_WORD:
		put_number(out, k, slot);
		break;
	case TYPE_TRIGGERS:
		put_triggers(out, *(const uint32_t *)(const void *)slot);
		break;
	case TYPE_NAMES:
		put_list(out, *(char **const *)(const void *)slot);
		break;
	case TYPE_USER:
		put_text(out, user_name(p->l, *(const uid_t *)(const void *)slot, buf));
		break;
	case TYPE_GROUP:
	case TYPE_RUN_GROUP:
		put_text(out, group_name(p->l, *(const gid_t *)(const void *)slot, buf));
		break;
	case TYPE_RUN_AS:
		put_text(out, how->user_name);
		break;
	case TYPE_RUN_GROUPS:
		put_groups(p, out, how);
		break;
	case TYPE_CAPS:
		put_caps(out, *(const uint64_t *)(const void *)slot);
		break;
	case TYPE_ENVIRONMENT:
		put_environment(p, out, *(char **const *)(const void *)slot);
		break;
	case TYPE_LIMIT_COUNT:
	case TYPE_LIMIT_SIZE:
	case TYPE_LIMIT_SECONDS:
	case TYPE_LIMIT_USEC:
		put_limit(out, k->type, (const struct rlimit *)(const void *)slot);
		break;
	case TYPE_STATUSES:
		put_statuses(out, (const uint8_t *)slot);
		break;
	default:
		put_text(out, *(char *const *)(const void *)slot);
		break;
	}
}
