/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values that are numbers of some kind: durations, sizes, counts, modes, words of a list, limits.
 */
#include "config/read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool read_bool(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	static const char *const words[] = {"no", "yes", "false", "true"};

	if (!want_scalar(l, k->name, v))
		return false;
	for (size_t i = 0; i < 4; i++)
		if (strcasecmp(v->text, words[i]) == 0) {
			*(bool *)slot = i % 2;
			return true;
		}
	return wrong(l, v, "%s is yes or no, not \"%s\"", k->name, v->text);
}

/* What was written for a duration or a size, when it is none. */
static bool wrong_units(
	struct loader *l, const struct key *k, const struct node *v, enum value_error e, bool size)
{
	if (e == VALUE_BARE && size)
		return wrong(l, v, "%s: %s of what? Write the unit: %sMiB, %sKiB or %sB", k->name,
			v->text, v->text, v->text, v->text);
	if (e == VALUE_BARE)
		return wrong(l, v, "%s: %s of what? Write the unit: %ss, %smin or %sms", k->name,
			v->text, v->text, v->text, v->text);
	if (e == VALUE_TOO_BIG)
		return wrong(l, v, "%s: \"%s\" is too large", k->name, v->text);
	if (size)
		return wrong(l, v, "%s: \"%s\" is no size; write it like 500MiB or 9GiB%s", k->name,
			v->text, k->never ? ", or none" : "");
	return wrong(l, v, "%s: \"%s\" is no duration; write it like 500ms, 10s or 1h 30min%s",
		k->name, v->text, k->never ? ", or never" : "");
}

static bool in_range(struct loader *l, const struct key *k, const struct node *v, uint64_t x,
	char *format(char *, size_t, uint64_t))
{
	char text[64];

	if (x == UINT64_MAX && format) {
		if (k->never)
			return true;
		return wrong(l, v, "%s can't be \"%s\"", k->name, v->text);
	}
	if (x < k->low) {
		snprintf(text, sizeof(text), "%" PRIu64, k->low);
		return wrong(l, v, "%s: %s is too little; the least is %s", k->name, v->text,
			format ? format(text, sizeof(text), k->low) : text);
	}
	if (k->high && x > k->high) {
		snprintf(text, sizeof(text), "%" PRIu64, k->high);
		return wrong(l, v, "%s: %s is too much; the most is %s", k->name, v->text,
			format ? format(text, sizeof(text), k->high) : text);
	}
	return true;
}

bool read_duration(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	enum value_error e;
	uint64_t x;

	if (!want_scalar(l, k->name, v))
		return false;
	e = parse_duration(v->text, &x);
	if (e != VALUE_OK)
		return wrong_units(l, k, v, e, false);
	if (!in_range(l, k, v, x, format_duration))
		return false;
	*(uint64_t *)slot = x;
	return true;
}

bool read_confirm(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (v->kind == NODE_SCALAR &&
		(strcasecmp(v->text, "no") == 0 || strcasecmp(v->text, "false") == 0)) {
		*(uint64_t *)slot = 0;
		return true;
	}
	if (v->kind == NODE_SCALAR &&
		(strcasecmp(v->text, "yes") == 0 || strcasecmp(v->text, "true") == 0))
		return wrong(l, v, "%s: say how long the second press may take: 30s", k->name);
	return read_duration(l, k, v, slot);
}

bool read_size(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	enum value_error e;
	uint64_t x;

	if (!want_scalar(l, k->name, v))
		return false;
	e = parse_size(v->text, &x);
	if (e != VALUE_OK)
		return wrong_units(l, k, v, e, true);
	if (!in_range(l, k, v, x, format_size))
		return false;
	*(uint64_t *)slot = x;
	return true;
}

static bool read_number(struct loader *l, const struct key *k, const struct node *v, int64_t *ret)
{
	enum value_error e;

	if (!want_scalar(l, k->name, v))
		return false;
	e = parse_number(v->text, ret);
	if (e == VALUE_TOO_BIG)
		return wrong(l, v, "%s: \"%s\" is too large", k->name, v->text);
	if (e != VALUE_OK)
		return wrong(l, v, "%s: \"%s\" is not a whole number", k->name, v->text);
	return true;
}

bool read_count(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	int64_t x;

	if (!read_number(l, k, v, &x))
		return false;
	if (x < 0)
		return wrong(l, v, "%s: \"%s\" is negative", k->name, v->text);
	if (!in_range(l, k, v, (uint64_t)x, NULL))
		return false;
	*(uint32_t *)slot = (uint32_t)x;
	return true;
}

bool read_nice(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	int64_t x;

	if (!read_number(l, k, v, &x))
		return false;
	if (x < -20 || x > 19)
		return wrong(l, v, "%s: %s is not between -20 and 19", k->name, v->text);
	*(int *)slot = (int)x;
	return true;
}

/* A mode that somebody could mean: the owner may read and write, others no more than it. */
static bool is_likely(unsigned long mode)
{
	unsigned long u = mode >> 6 & 7, g = mode >> 3 & 7, o = mode & 7;

	return (u & 6) == 6 && (g & ~u) == 0 && (o & ~g) == 0 && mode <= 03777;
}

/* 504 is what PyYAML writes for 0o770, and 770 what people write. */
static bool wrong_decimal_mode(struct loader *l, const struct key *k, const struct node *v)
{
	bool octal = v->text[strspn(v->text, "01234567")] == '\0';

	if (octal && is_likely(strtoul(v->text, NULL, 8)))
		return wrong(l, v, "%s: write a mode with a leading 0: 0%s", k->name, v->text);
	if (is_likely(strtoul(v->text, NULL, 10)))
		return wrong(l, v,
			"%s: %s is what some programs write for 0%lo; write a mode with a leading "
			"0: 0%lo",
			k->name, v->text, strtoul(v->text, NULL, 10), strtoul(v->text, NULL, 10));
	return wrong(l, v,
		"%s: \"%s\" is no mode; write it like 0770, 0o770 or u=rwx,g=rwx,o=", k->name,
		v->text);
}

bool read_mode(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	enum value_error e;
	mode_t mode;

	if (!want_scalar(l, k->name, v))
		return false;
	e = parse_mode(v->text, &mode);
	if (e == VALUE_DECIMAL)
		return wrong_decimal_mode(l, k, v);
	if (e == VALUE_SYMBOLIC)
		return wrong(l, v,
			"%s: \"%s\" changes a mode, and there is none yet; use = as in "
			"u=rwx,g=rwx,o=",
			k->name, v->text);
	if (e != VALUE_OK)
		return wrong(l, v,
			"%s: \"%s\" is no mode; write it like 0770, 0o770 or u=rwx,g=rwx,o=",
			k->name, v->text);
	if (k->high && mode > k->high)
		return wrong(l, v, "%s: %s is too much; the most is %04o", k->name, v->text,
			(unsigned)k->high);
	*(mode_t *)slot = mode;
	return true;
}

/* "a, b or c" */
static const char *list_words(const char *const *words, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; words[i] && n < size; i++) {
		int r = snprintf(buf + n, size - n, "%s%s",
			i == 0         ? ""
			: words[i + 1] ? ", "
				       : " or ",
			words[i]);
		if (r < 0)
			break;
		n += (size_t)r;
	}
	return buf;
}

bool read_word(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	const char *near;
	char all[160];

	if (!want_scalar(l, k->name, v))
		return false;
	for (int i = 0; k->words[i]; i++)
		if (strcmp(k->words[i], v->text) == 0) {
			*(int *)slot = i;
			return true;
		}
	near = nearest_word(k->words, v->text);
	if (near)
		return wrong(
			l, v, "%s: \"%s\" is unknown; did you mean %s?", k->name, v->text, near);
	return wrong(l, v, "%s: \"%s\" is unknown; it is %s", k->name, v->text,
		list_words(k->words, all, sizeof(all)));
}

bool read_triggers(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	static const char *const words[] = {"delete", "move", NULL};
	uint32_t bits = 0;
	bool ok = check_not_odd(l, k->name, v);
	const struct key word = {.name = k->name, .words = words};

	for (uint32_t i = 0; ok && i < n_entries(v); i++) {
		int which = 0;

		ok = read_word(l, &word, entry(v, i), &which);
		bits |= TRIGGER_BIT(which == 0 ? TRIGGER_DELETE : TRIGGER_MOVE);
	}
	if (ok)
		*(uint32_t *)slot = bits;
	return ok;
}

static bool limit_value(
	struct loader *l, const struct key *k, const struct node *v, const char *word, rlim_t *ret)
{
	enum value_error e;
	int64_t number;
	uint64_t x = 0;

	if (strcmp(word, "infinity") == 0) {
		*ret = RLIM_INFINITY;
		return true;
	}
	if (k->type == TYPE_LIMIT_COUNT) {
		e = parse_number(word, &number);
		if (e != VALUE_OK || number < 0)
			return wrong(l, v, "%s: \"%s\" is not a whole number, nor infinity",
				k->name, word);
		*ret = (rlim_t)number;
		return true;
	}
	e = k->type == TYPE_LIMIT_SIZE ? parse_size(word, &x) : parse_duration(word, &x);
	if (e != VALUE_OK)
		return wrong_units(l, k, v, e, k->type == TYPE_LIMIT_SIZE);
	*ret = x == UINT64_MAX                 ? RLIM_INFINITY
	       : k->type == TYPE_LIMIT_SECONDS ? x / SECOND + (x % SECOND != 0)
					       : x;
	return true;
}

/* "1024", "1024:4096", "infinity" */
bool read_limit(
	struct loader *l, const struct key *k, const struct node *v, void *slot, struct draft *d)
{
	struct rlimit limit;
	char text[128], *hard;

	if (!want_scalar(l, k->name, v))
		return false;
	snprintf(text, sizeof(text), "%s", v->text);
	hard = strchr(text, ':');
	if (hard)
		*hard++ = '\0';
	else
		hard = text;
	if (!limit_value(l, k, v, text, &limit.rlim_cur) ||
		!limit_value(l, k, v, hard, &limit.rlim_max))
		return false;
	if (limit.rlim_cur > limit.rlim_max)
		return wrong(l, v, "%s: the soft limit %s is above the hard limit %s", k->name,
			text, hard);
	*(struct rlimit *)slot = limit;
	d->how.limits_set |= 1U << k->extra;
	return true;
}

bool read_statuses(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	uint8_t bits[32] = {1};

	if (!check_not_odd(l, k->name, v))
		return false;
	for (uint32_t i = 0; i < n_entries(v); i++) {
		const struct node *e = entry(v, i);
		int64_t status;

		if (!read_number(l, k, e, &status))
			return false;
		if (status < 0 || status > 255)
			return wrong(l, e, "%s: %s is not between 0 and 255", k->name, e->text);
		bits[status / 8] |= (uint8_t)(1U << (status % 8));
	}
	memcpy(slot, bits, sizeof(bits));
	return true;
}
