/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/loader.h"

#include "common/fd.h"
#include "common/names.h"

#include <cap-ng.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_LIMIT  4000 /* bytes of a description */
#define LIST_LIMIT  256	 /* entries of a list of names */
#define VALUE_LIMIT 131072U /* bytes of an environment variable, as the kernel has it */

const struct node *scope_find(const struct scope *s, enum key_id id)
{
	for (size_t i = 0; i < s->n_found; i++)
		if (key_id(s->found[i].key) == id)
			return s->found[i].value;
	return NULL;
}

/* An alias without an anchor, a foreign tag: never what was meant, whatever should stand there. */
bool check_not_odd(struct loader *l, const char *what, const struct node *v)
{
	if (v->kind == NODE_UNKNOWN_ALIAS)
		return wrong(l, v,
			"%s: *%s refers to an anchor &%s, and there is none before it; if it is a "
			"text, put it in quotes: \"*%s\"",
			what, v->text, v->text, v->text);
	if (v->kind == NODE_TAGGED)
		return wrong(l, v,
			"%s: the tag %s means nothing here; if it is a text, put it in quotes",
			what, v->text);
	return true;
}

bool want_scalar(struct loader *l, const char *what, const struct node *v)
{
	if (!check_not_odd(l, what, v))
		return false;
	if (v->kind == NODE_LIST)
		return wrong(l, v, "%s takes one value, not a list", what);
	if (v->kind == NODE_MAP)
		return wrong(l, v,
			"%s takes one value, not a mapping; if the text has ': ' in it, put it in quotes",
			what);
	if (node_is_null(v))
		return wrong(l, v, "%s has no value", what);
	if (v->hash_after)
		warn_of(l, v,
			"%s: ' #' begins a comment, so the value ends at \"%s\"; put it in quotes if "
			"the rest belongs to it",
			what, v->text);
	return true;
}

bool want_map(struct loader *l, const char *what, const struct node *v)
{
	if (!check_not_odd(l, what, v))
		return false;
	if (v->kind == NODE_MAP)
		return true;
	if (node_is_null(v))
		return wrong(l, v, "%s has nothing in it; indent what belongs to it below it", what);
	if (v->kind == NODE_LIST)
		return wrong(l, v, "%s is a mapping of keys, not a list", what);
	return wrong(l, v, "%s is a mapping of keys, not the text \"%s\"", what, v->text);
}

bool want_list(struct loader *l, const char *what, const struct node *v)
{
	if (!check_not_odd(l, what, v))
		return false;
	if (v->kind == NODE_LIST)
		return true;
	if (node_is_null(v))
		return wrong(l, v, "%s has nothing in it; indent what belongs to it below it", what);
	return wrong(l, v, "%s is a list: begin each entry with '- '", what);
}

/* A value that may be one or a list of them: the Nth, or NULL behind the last. */
static const struct node *entry(const struct node *v, uint32_t i)
{
	if (v->kind == NODE_LIST)
		return i < v->n ? v->items[i] : NULL;
	return i == 0 ? v : NULL;
}

static uint32_t n_entries(const struct node *v)
{
	return v->kind == NODE_LIST ? v->n : 1;
}

char **unique_strings(struct loader *l, const char *const *strings, size_t n)
{
	const char **copy = calloc(n + 1, sizeof(*copy));
	const void *unique = NULL;

	if (copy) {
		if (n)
			memcpy(copy, strings, n * sizeof(*copy));
		unique = arena_unique(l->arena, copy, (n + 1) * sizeof(*copy));
	}
	free(copy);
	if (!unique)
		l->error = -ENOMEM;
	return (char **)(uintptr_t)unique;
}

/* ---- names and texts ---- */

static char *keep(struct loader *l, const char *s)
{
	char *kept = arena_string(l->arena, s);

	if (!kept)
		l->error = -ENOMEM;
	return kept;
}

/* In NFC; NULL (without words) when it can't be. */
static char *keep_nfc(struct loader *l, const char *s)
{
	_cleanup_free_ char *nfc = NULL;
	const unsigned char *p = (const unsigned char *)s;

	while (*p && *p < 0x80)
		p++;
	if (!*p) /* ASCII is its own NFC */
		return keep(l, s);
	return name_normalise(s, &nfc) < 0 ? NULL : keep(l, nfc);
}

static bool read_name(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	const char *problem;

	if (!want_scalar(l, k->name, v))
		return false;
	/* Ten thousand objects have three names of actions between them. */
	problem = arena_has(l->names, v->text) ? NULL : name_problem(v->text);
	if (problem)
		return wrong(l, v, "%s: \"%s\" %s", k->name, v->text, problem);
	arena_string(l->names, v->text);
	*(char **)slot = keep_nfc(l, v->text);
	return *(char **)slot != NULL;
}

static bool has_control(const char *s, bool lines)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 && !(lines && (*s == '\n' || *s == '\t')))
			return true;
	return strchr(s, 0x7f) != NULL;
}

static bool read_text_value(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	char *s;

	if (!want_scalar(l, k->name, v))
		return false;
	if (v->n > TEXT_LIMIT)
		return wrong(l, v, "%s is longer than %d bytes", k->name, TEXT_LIMIT);
	if (has_control(v->text, true))
		return wrong(l, v, "%s has control characters in it", k->name);
	s = keep_nfc(l, v->text);
	if (s)
		*(char **)slot = s;
	return s != NULL;
}

static bool read_label(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (!want_scalar(l, k->name, v))
		return false;
	if (v->n > NAME_LABEL_MAX)
		return wrong(l, v, "the label \"%s\" is longer than %d bytes", v->text, NAME_LABEL_MAX);
	if (v->n == 0 || v->text[0] == ' ' || v->text[v->n - 1] == ' ')
		return wrong(l, v, "the label \"%s\" is empty or begins or ends with a space", v->text);
	if (has_control(v->text, false) || v->text[strcspn(v->text, "[]/\\:?*|<>\"")])
		return wrong(l, v,
			"the label \"%s\" has one of [ ] / \\ : ? * | < > \" or a control character in "
			"it, which a file's name can't show",
			v->text);
	((char **)slot)[k->extra] = keep_nfc(l, v->text);
	return true;
}

/* ---- plain values ---- */

static bool read_bool(struct loader *l, const struct key *k, const struct node *v, void *slot)
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
static bool wrong_units(struct loader *l, const struct key *k, const struct node *v,
	enum value_error e, bool size)
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

static bool read_duration(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

static bool read_confirm(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (v->kind == NODE_SCALAR && (strcasecmp(v->text, "no") == 0 ||
					      strcasecmp(v->text, "false") == 0)) {
		*(uint64_t *)slot = 0;
		return true;
	}
	if (v->kind == NODE_SCALAR && (strcasecmp(v->text, "yes") == 0 ||
					      strcasecmp(v->text, "true") == 0))
		return wrong(l, v, "%s: say how long the second press may take: 30s", k->name);
	return read_duration(l, k, v, slot);
}

static bool read_size(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

static bool read_count(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

static bool read_nice(struct loader *l, const struct key *k, const struct node *v, void *slot)
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
			"%s: %s is what some programs write for 0%lo; write a mode with a leading 0: 0%lo",
			k->name, v->text, strtoul(v->text, NULL, 10), strtoul(v->text, NULL, 10));
	return wrong(l, v, "%s: \"%s\" is no mode; write it like 0770, 0o770 or u=rwx,g=rwx,o=",
		k->name, v->text);
}

static bool read_mode(struct loader *l, const struct key *k, const struct node *v, void *slot)
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
			"%s: \"%s\" changes a mode, and there is none yet; use = as in u=rwx,g=rwx,o=",
			k->name, v->text);
	if (e != VALUE_OK)
		return wrong(l, v, "%s: \"%s\" is no mode; write it like 0770, 0o770 or u=rwx,g=rwx,o=",
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
		int r = snprintf(buf + n, size - n, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ",
			words[i]);
		if (r < 0)
			break;
		n += (size_t)r;
	}
	return buf;
}

static bool read_word(struct loader *l, const struct key *k, const struct node *v, void *slot)
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
		return wrong(l, v, "%s: \"%s\" is unknown; did you mean %s?", k->name, v->text, near);
	return wrong(l, v, "%s: \"%s\" is unknown; it is %s", k->name, v->text,
		list_words(k->words, all, sizeof(all)));
}

static bool read_triggers(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One entry of locks, trash-folders or accept. */
static char *read_list_name(struct loader *l, const struct key *k, const struct node *v)
{
	if (!want_scalar(l, k->name, v))
		return NULL;
	if (v->n == 0 || v->n > 255 || has_control(v->text, false)) {
		wrong(l, v, "%s: an entry is empty, longer than 255 bytes or has control characters",
			k->name);
		return NULL;
	}
	if (key_id(k) != KEY_LOCKS && strchr(v->text, '/')) {
		wrong(l, v, "%s: \"%s\" has a / in it; a name or pattern of names is meant", k->name,
			v->text);
		return NULL;
	}
	return keep_nfc(l, v->text);
}

static bool read_names(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	const char *strings[LIST_LIMIT];
	size_t n = 0;
	char **unique;

	if (!check_not_odd(l, k->name, v))
		return false;
	if (n_entries(v) > LIST_LIMIT)
		return wrong(l, v, "%s has more than %d entries", k->name, LIST_LIMIT);
	for (uint32_t i = 0; i < n_entries(v); i++) {
		const char *s = read_list_name(l, k, entry(v, i));

		if (!s)
			return false;
		for (size_t j = 0; j < n; j++)
			if (strcmp(strings[j], s) == 0)
				return wrong(l, entry(v, i), "%s: \"%s\" stands there twice", k->name, s);
		strings[n++] = s;
	}
	if (n == 0 && key_id(k) == KEY_DROP_ACCEPT)
		return wrong(l, v, "%s is empty: nothing could be dropped", k->name);
	if (key_id(k) == KEY_LOCKS)
		qsort(strings, n, sizeof(*strings), compare_strings);
	unique = unique_strings(l, strings, n);
	if (unique)
		*(char ***)slot = unique;
	return unique != NULL;
}

/* ---- paths ---- */

/* Absolute, without empty parts, "." and "..", without a slash at its end. */
static bool is_clean(const char *path)
{
	for (const char *p = path; *p == '/';) {
		size_t n = strcspn(++p, "/");

		if (n == 0)
			return p[-1] == '/' && p == path + 1 && !*p; /* "/" itself */
		if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
	}
	return path[0] == '/';
}

static bool check_path(struct loader *l, const struct key *k, const struct node *v, const char *path)
{
	if (path[0] != '/')
		return wrong(l, v, "%s: \"%s\" is not absolute: begin it with /", k->name, v->text);
	if (!is_clean(path))
		return wrong(l, v, "%s: \"%s\" is not clean: no //, no . or .. in it, no / at its end",
			k->name, v->text);
	if (strlen(path) >= 2048 || has_control(path, false))
		return wrong(l, v, "%s is too long or has control characters in it", k->name);
	return true;
}

static bool read_path(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	const char *path = v->text;

	if (!want_scalar(l, k->name, v))
		return false;
	if (k->type == TYPE_WORKDIR && strcmp(path, "~") == 0)
		return (*(char **)slot = keep(l, path)) != NULL;
	if (k->type == TYPE_ENVFILE && path[0] == '-')
		path++;
	return check_path(l, k, v, path) && (*(char **)slot = keep(l, v->text)) != NULL;
}

/* ~ without quotes is YAML's null, and here the home. */
static bool read_workdir(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (v->kind == NODE_SCALAR && strcmp(v->text, "~") == 0)
		return (*(char **)slot = keep(l, "~")) != NULL;
	return read_path(l, k, v, slot);
}

/* ---- what systemd.exec(5) knows ---- */

static const char *nearest_capability(const char *wrong_name)
{
	const char *names[CAP_LAST_CAP + 2];

	for (unsigned i = 0; i <= CAP_LAST_CAP; i++)
		names[i] = capng_capability_to_name(i);
	names[CAP_LAST_CAP + 1] = NULL;
	return nearest_word(names, wrong_name);
}

static bool read_capability(struct loader *l, const struct key *k, const struct node *v,
	const char *word, uint64_t *bits)
{
	const char *name = strncasecmp(word, "cap_", 4) == 0 ? word + 4 : word, *near;
	int number = capng_name_to_capability(name);

	if (number >= 0 && number < 64) {
		*bits |= 1ULL << number;
		return true;
	}
	near = nearest_capability(name);
	if (near) {
		char upper[32];
		size_t i;

		for (i = 0; near[i] && i < sizeof(upper) - 1; i++)
			upper[i] = (char)toupper((unsigned char)near[i]);
		upper[i] = '\0';
		return wrong(l, v, "%s: the capability \"%s\" is unknown; did you mean CAP_%s?",
			k->name, word, upper);
	}
	return wrong(l, v, "%s: the capability \"%s\" is unknown; see capabilities(7)", k->name, word);
}

uint64_t all_capabilities(void)
{
	return CAP_LAST_CAP >= 63 ? UINT64_MAX : (1ULL << (CAP_LAST_CAP + 1)) - 1;
}

/* "CAP_CHOWN CAP_KILL", the same as a list, or with ~ before the first: all but these. */
static bool read_caps(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	uint64_t bits = 0;
	bool inverted = false, ok = check_not_odd(l, k->name, v);

	for (uint32_t i = 0; ok && i < n_entries(v); i++) {
		const struct node *e = entry(v, i);
		char text[1024], *save = NULL, *word;

		if (!want_scalar(l, k->name, e))
			return false;
		snprintf(text, sizeof(text), "%s", e->text);
		word = text;
		if (i == 0 && *word == '~') {
			inverted = true;
			word++;
		}
		if (strcasecmp(word, "none") == 0 && n_entries(v) == 1)
			break;
		if (strcasecmp(word, "all") == 0 && n_entries(v) == 1) {
			bits = all_capabilities();
			break;
		}
		for (word = strtok_r(word, " ,\t\n", &save); word;
			word = strtok_r(NULL, " ,\t\n", &save))
			ok = read_capability(l, k, e, word, &bits) && ok;
	}
	if (ok)
		*(uint64_t *)slot = inverted ? all_capabilities() & ~bits : bits;
	return ok;
}

static bool limit_value(struct loader *l, const struct key *k, const struct node *v,
	const char *word, rlim_t *ret)
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
			return wrong(l, v, "%s: \"%s\" is not a whole number, nor infinity", k->name,
				word);
		*ret = (rlim_t)number;
		return true;
	}
	e = k->type == TYPE_LIMIT_SIZE ? parse_size(word, &x) : parse_duration(word, &x);
	if (e != VALUE_OK)
		return wrong_units(l, k, v, e, k->type == TYPE_LIMIT_SIZE);
	*ret = x == UINT64_MAX ? RLIM_INFINITY : k->type == TYPE_LIMIT_SECONDS ? x / SECOND : x;
	return true;
}

/* "1024", "1024:4096", "infinity" */
static bool read_limit(struct loader *l, const struct key *k, const struct node *v, void *slot,
	struct draft *d)
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
		return wrong(l, v, "%s: the soft limit %s is above the hard limit %s", k->name, text,
			hard);
	*(struct rlimit *)slot = limit;
	d->how.limits_set |= 1U << k->extra;
	return true;
}

static bool read_statuses(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

static bool check_variable(struct loader *l, const struct node *v, const char *name, size_t len)
{
	if (len == 0 || isdigit((unsigned char)name[0]))
		return wrong(l, v, "environment: \"%.*s\" is no name of a variable", (int)len, name);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return wrong(l, v, "environment: \"%.*s\" is no name of a variable", (int)len,
				name);
	if (strncmp(name, "FLAGMAN_", 8) == 0)
		return wrong(l, v, "environment: names that begin with FLAGMAN_ are flagman's own");
	return true;
}

/* Sets NAME=value in the list, in its old place if it was there. */
static bool put_variable(struct loader *l, const char **list, size_t *n, const struct node *v,
	const char *assignment)
{
	size_t len = strcspn(assignment, "=");
	size_t i = 0;

	while (i < *n && strncmp(list[i], assignment, len + 1) != 0)
		i++;
	if (i == LIST_LIMIT)
		return wrong(l, v, "environment has more than %d variables", LIST_LIMIT);
	list[i] = keep(l, assignment);
	if (i == *n)
		++*n;
	return list[i] != NULL;
}

static bool read_variable(struct loader *l, const struct node *v, const char **list, size_t *n)
{
	size_t len;

	if (!want_scalar(l, "environment", v))
		return false;
	len = strcspn(v->text, "=");
	if (!v->text[len])
		return wrong(l, v, "environment: write NAME=value, or a mapping of NAME: value");
	if (v->n > VALUE_LIMIT)
		return wrong(l, v, "environment: a variable is longer than %u bytes", VALUE_LIMIT);
	return check_variable(l, v, v->text, len) && put_variable(l, list, n, v, v->text);
}

static bool read_pair(struct loader *l, const struct pair *p, const char **list, size_t *n)
{
	_cleanup_free_ char *assignment = NULL;

	if (p->key->kind != NODE_SCALAR)
		return wrong(l, p->key, "environment: a name is a plain text");
	if (!check_variable(l, p->key, p->key->text, p->key->n) ||
		!check_not_odd(l, "environment", p->value))
		return false;
	if (p->value->kind != NODE_SCALAR)
		return wrong(l, p->value, "environment: the value of %s is one text", p->key->text);
	if (p->value->n > VALUE_LIMIT)
		return wrong(l, p->value, "environment: a variable is longer than %u bytes", VALUE_LIMIT);
	if (asprintf(&assignment, "%s=%s", p->key->text, p->value->text) < 0) {
		assignment = NULL;
		l->error = -ENOMEM;
		return false;
	}
	return put_variable(l, list, n, p->key, assignment);
}

/* Twice within one mapping; over an inherited value it is meant. */
static bool check_repeated(struct loader *l, const struct node *map)
{
	for (uint32_t i = 0; i < map->n; i++)
		for (uint32_t j = 0; j < i; j++)
			if (map->pairs[i].key->kind == NODE_SCALAR &&
				map->pairs[j].key->kind == NODE_SCALAR &&
				strcmp(map->pairs[i].key->text, map->pairs[j].key->text) == 0)
				return wrong(l, map->pairs[i].key,
					"environment: \"%s\" stands there twice", map->pairs[i].key->text);
	return true;
}

static bool read_environment(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	const char *list[LIST_LIMIT];
	size_t n = 0;
	char **old = *(char ***)slot;
	bool ok = check_not_odd(l, k->name, v);

	for (; old && old[n]; n++)
		list[n] = old[n];
	if (v->n > LIST_LIMIT && v->kind != NODE_SCALAR)
		return wrong(l, v, "environment has more than %d variables", LIST_LIMIT);
	if (ok && v->kind == NODE_MAP) {
		ok = check_repeated(l, v);
		for (uint32_t i = 0; i < v->n && (ok || n < LIST_LIMIT); i++)
			ok = read_pair(l, &v->pairs[i], list, &n) && ok;
	} else {
		for (uint32_t i = 0; ok && i < n_entries(v); i++)
			ok = read_variable(l, entry(v, i), list, &n);
	}
	if (!ok)
		return false;
	*(char ***)slot = unique_strings(l, list, n);
	return *(char ***)slot != NULL;
}

/* ---- discs ---- */

static bool read_device(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	const char *path = v->text;

	if (!want_scalar(l, k->name, v))
		return false;
	if (strncmp(path, "stdio:", 6) == 0)
		path += 6;
	else if (strncmp(path, "/dev/", 5) != 0)
		return wrong(l, v, "device: \"%s\" is no drive; write it like /dev/sr0", path);
	return check_path(l, k, v, path) && (*(char **)slot = keep(l, v->text)) != NULL;
}

static bool read_speed(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	int64_t speed;

	if (!want_scalar(l, k->name, v))
		return false;
	if (strcmp(v->text, "max") != 0 && strcmp(v->text, "min") != 0 &&
		(parse_number(v->text, &speed) != VALUE_OK || speed < 1 || speed > 100))
		return wrong(l, v, "speed: \"%s\" is not max, min or a number from 1 to 100", v->text);
	return (*(char **)slot = keep(l, v->text)) != NULL;
}

static bool read_unit(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (!want_scalar(l, k->name, v))
		return false;
	if (v->n == 0 || v->n > 255 || v->text[0] == '-' || v->text[0] == '.' ||
		v->text[strspn(v->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
					":-_.\\@")])
		return wrong(l, v, "%s: \"%s\" is no name of a service", k->name, v->text);
	*(char **)slot = keep(l, v->text);
	return *(char **)slot != NULL;
}

/* ---- drop ---- */

static bool read_drop(struct loader *l, const struct node *v, struct draft *d)
{
	struct drop drop;
	struct key_set set = {0};
	struct scope s = {.drop = &drop, .set = &set};
	size_t before = l->errors;

	memset(&drop, 0, sizeof(drop));
	if (d->drop)
		memcpy(&drop, d->drop, sizeof(drop));
	else
		memcpy(&drop, l->defaults.drop, sizeof(drop));
	if (!want_map(l, "drop", v))
		return false;
	read_table(l, v, IN_DROP, &s);
	if (drop.folder)
		key_set_add(&set, KEY_DROP_FOLDER);
	if (drop.accept)
		key_set_add(&set, KEY_DROP_ACCEPT);
	if (l->errors == before)
		require_keys(l, v, IN_DROP, &set);
	if (l->errors != before)
		return false;
	d->drop = arena_unique(l->arena, &drop, sizeof(drop));
	return d->drop != NULL;
}

/* ---- any of them ---- */

typedef bool reader(struct loader *l, const struct key *k, const struct node *v, void *slot);

static reader *const readers[TYPE_N] = {
	[TYPE_NAME] = read_name,
	[TYPE_TEXT] = read_text_value,
	[TYPE_BOOL] = read_bool,
	[TYPE_DURATION] = read_duration,
	[TYPE_CONFIRM] = read_confirm,
	[TYPE_SIZE] = read_size,
	[TYPE_COUNT] = read_count,
	[TYPE_NICE] = read_nice,
	[TYPE_MODE] = read_mode,
	[TYPE_WORD] = read_word,
	[TYPE_TRIGGERS] = read_triggers,
	[TYPE_NAMES] = read_names,
	[TYPE_PATH] = read_path,
	[TYPE_WORKDIR] = read_workdir,
	[TYPE_ENVFILE] = read_path,
	[TYPE_CAPS] = read_caps,
	[TYPE_ENVIRONMENT] = read_environment,
	[TYPE_STATUSES] = read_statuses,
	[TYPE_UNIT] = read_unit,
	[TYPE_DEVICE] = read_device,
	[TYPE_SPEED] = read_speed,
};

static char *home_of(const struct key *k, struct scope *s)
{
	switch (k->home) {
	case HOME_DRAFT:
		return (char *)s->draft;
	case HOME_GROUP:
		return (char *)s->group;
	case HOME_DROP:
		return (char *)s->drop;
	case HOME_DISC:
		return (char *)s->disc;
	case HOME_SETTINGS:
		return (char *)s->settings;
	default:
		return NULL;
	}
}

bool read_value(struct loader *l, const struct key *k, const struct node *v, struct scope *s)
{
	char *slot;

	if (k->type == TYPE_LABEL)
		return read_label(l, k, v, s->labels);
	if (k->home == HOME_NONE || s->plain)
		return readers[k->type](l, k, v, s->plain);
	slot = home_of(k, s) + k->offset;
	switch (k->type) {
	case TYPE_USER:
		return read_user(l, k, v, (uid_t *)(void *)slot);
	case TYPE_GROUP:
		return read_group(l, k, v, (gid_t *)(void *)slot);
	case TYPE_RUN_AS:
		return read_run_as(l, v, s->draft);
	case TYPE_RUN_GROUP:
		return read_group(l, k, v, &s->draft->how.gid);
	case TYPE_RUN_GROUPS:
		return read_run_groups(l, k, v, s->draft);
	case TYPE_LIMIT_COUNT:
	case TYPE_LIMIT_SIZE:
	case TYPE_LIMIT_SECONDS:
	case TYPE_LIMIT_USEC:
		return read_limit(l, k, v, slot, s->draft);
	case TYPE_TABLE:
		return read_drop(l, v, s->draft);
	default:
		return readers[k->type](l, k, v, slot);
	}
}

static bool unknown_key(struct loader *l, enum where w, const struct node *at)
{
	enum where there = 0;
	const struct key *elsewhere = schema_elsewhere(w, at->text, &there);
	const struct key *near = schema_suggest(w, at->text);

	if (near && (!elsewhere || strcmp(elsewhere->name, at->text) != 0))
		return wrong(l, at, "unknown key \"%s\" in %s; did you mean %s?", at->text,
			where_name(w), near->name);
	if (elsewhere)
		return wrong(l, at, "%s does not stand in %s but in %s", elsewhere->name,
			where_name(w), where_name(there));
	if (strcmp(at->text, "<<") == 0)
		return wrong(l, at, "<< merges a mapping, or a list of mappings; this is none");
	return wrong(l, at, "unknown key \"%s\" in %s", at->text, where_name(w));
}

static bool repeated_key(struct loader *l, const struct node *map, const struct node *at)
{
	unsigned first = at->line;

	for (uint32_t i = 0; i < map->n; i++)
		if (map->pairs[i].key->kind == NODE_SCALAR &&
			strcmp(map->pairs[i].key->text, at->text) == 0) {
			first = map->pairs[i].key->line;
			break;
		}
	return wrong(l, at, "%s stands here twice; the first is in line %u", at->text, first);
}

static bool read_key(struct loader *l, const struct node *map, const struct pair *p, enum where w,
	struct key_set *seen, struct scope *s)
{
	const struct key *k;

	if (p->key->kind != NODE_SCALAR)
		return check_not_odd(l, where_name(w), p->key) &&
		       wrong(l, p->key, "a key in %s is a plain text", where_name(w));
	k = schema_find(w, p->key->text);
	if (!k || (k->internal && !l->reading_old))
		return unknown_key(l, w, p->key);
	if (key_set_has(seen, key_id(k)))
		return repeated_key(l, map, p->key);
	key_set_add(seen, key_id(k));
	key_set_add(s->set, key_id(k));
	if (k->home == HOME_NONE && k->type != TYPE_LABEL) {
		s->found[s->n_found++] = (struct found){k, p->key, p->value};
		return true;
	}
	if (s->spots && k->home == HOME_GROUP)
		s->spots[key_id(k) - KEY_GROUP_NAME] = (struct spot){p->value->line, p->value->column};
	if (s->draft && k->home == HOME_DRAFT)
		key_set_add(&s->draft->set, key_id(k));
	if (read_value(l, k, p->value, s))
		return true;
	key_set_remove(s->set, key_id(k));
	return false;
}

bool read_table(struct loader *l, const struct node *map, enum where where, struct scope *s)
{
	struct key_set seen = {0};
	size_t before = l->errors;

	s->n_found = 0;
	for (uint32_t i = 0; i < map->n; i++)
		read_key(l, map, &map->pairs[i], where, &seen, s);
	return l->errors == before;
}

bool require_keys(struct loader *l, const struct node *at, enum where w, const struct key_set *set)
{
	bool ok = true;

	for (const struct key *k = schema; k < schema + KEY_N; k++)
		if ((k->where & w) && k->required && !key_set_has(set, key_id(k)))
			ok = wrong(l, at, "%s is missing in %s", k->name, where_name(w));
	return ok;
}
