/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values that are texts: names, labels, lists of them, paths, names of units and drives.
 */
#include "config/read.h"

#include "common/fd.h"
#include "common/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *keep(struct loader *l, const char *s)
{
	char *kept = arena_string(l->arena, s);

	if (!kept)
		l->error = -ENOMEM;
	return kept;
}

/* In NFC; NULL (without words) when it can't be. */
char *keep_nfc(struct loader *l, const char *s)
{
	_cleanup_free_ char *nfc = NULL;
	const unsigned char *p = (const unsigned char *)s;

	while (*p && *p < 0x80)
		p++;
	if (!*p) /* ASCII is its own NFC */
		return keep(l, s);
	return name_normalise(s, &nfc) < 0 ? NULL : keep(l, nfc);
}

bool read_name(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

bool read_text_value(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

bool read_label(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (!want_scalar(l, k->name, v))
		return false;
	if (v->n > NAME_LABEL_MAX)
		return wrong(
			l, v, "the label \"%s\" is longer than %d bytes", v->text, NAME_LABEL_MAX);
	if (v->n == 0 || v->text[0] == ' ' || v->text[v->n - 1] == ' ')
		return wrong(
			l, v, "the label \"%s\" is empty or begins or ends with a space", v->text);
	if (has_control(v->text, false) || v->text[strcspn(v->text, "[]/\\:?*|<>\"")])
		return wrong(l, v,
			"the label \"%s\" has one of [ ] / \\ : ? * | < > \" or a control "
			"character in it, which a file's name can't show",
			v->text);
	((char **)slot)[k->extra] = keep_nfc(l, v->text);
	return true;
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
		wrong(l, v,
			"%s: an entry is empty, longer than 255 bytes or has control characters",
			k->name);
		return NULL;
	}
	if (key_id(k) != KEY_LOCKS && strchr(v->text, '/')) {
		wrong(l, v, "%s: \"%s\" has a / in it; a name or pattern of names is meant",
			k->name, v->text);
		return NULL;
	}
	return keep_nfc(l, v->text);
}

bool read_names(struct loader *l, const struct key *k, const struct node *v, void *slot)
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
				return wrong(l, entry(v, i), "%s: \"%s\" stands there twice",
					k->name, s);
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

static bool check_path(
	struct loader *l, const struct key *k, const struct node *v, const char *path)
{
	if (path[0] != '/')
		return wrong(l, v, "%s: \"%s\" is not absolute: begin it with /", k->name, v->text);
	if (!is_clean(path))
		return wrong(l, v,
			"%s: \"%s\" is not clean: no //, no . or .. in it, no / at its end",
			k->name, v->text);
	if (strlen(path) >= 2048 || has_control(path, false))
		return wrong(l, v, "%s is too long or has control characters in it", k->name);
	return true;
}

bool read_path(struct loader *l, const struct key *k, const struct node *v, void *slot)
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
bool read_workdir(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (v->kind == NODE_SCALAR && strcmp(v->text, "~") == 0)
		return (*(char **)slot = keep(l, "~")) != NULL;
	return read_path(l, k, v, slot);
}

bool read_journal(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (!want_scalar(l, k->name, v))
		return false;
	if (strcmp(v->text, "journal") == 0)
		return (*(char **)slot = keep(l, v->text)) != NULL;
	if (v->text[0] != '/')
		return wrong(l, v, "%s: \"%s\" is neither journal nor the path of a log", k->name,
			v->text);
	return read_path(l, k, v, slot);
}

/* ---- drives, services and profiles ---- */

bool read_device(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

bool read_speed(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	int64_t speed;

	if (!want_scalar(l, k->name, v))
		return false;
	if (strcmp(v->text, "max") != 0 && strcmp(v->text, "min") != 0 &&
		(parse_number(v->text, &speed) != VALUE_OK || speed < 1 || speed > 100))
		return wrong(
			l, v, "speed: \"%s\" is not max, min or a number from 1 to 100", v->text);
	return (*(char **)slot = keep(l, v->text)) != NULL;
}

bool read_unit(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (!want_scalar(l, k->name, v))
		return false;
	if (v->n == 0 || v->n > 255 || v->text[0] == '-' || v->text[0] == '.' ||
		v->text[strspn(v->text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			":-_.\\@")])
		return wrong(l, v, "%s: \"%s\" is no name of a service", k->name, v->text);
	*(char **)slot = keep(l, v->text);
	return *(char **)slot != NULL;
}

/* Not what systemd.exec(5) has with a - before it: a command that runs wider than was meant. */
bool read_profile(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (!want_scalar(l, k->name, v))
		return false;
	if (v->n == 0 || v->n > 255 || v->text[0] == '-')
		return wrong(l, v, "%s: \"%s\" is empty, longer than 255 bytes or begins with -",
			k->name, v->text);
	for (const char *s = v->text; *s; s++)
		if (*s <= ' ' || *s > '~')
			return wrong(l, v, "%s: \"%s\" has a space or a letter beyond ASCII in it",
				k->name, v->text);
	return (*(char **)slot = keep(l, v->text)) != NULL;
}
