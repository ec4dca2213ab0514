/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Capabilities and environment variables, as systemd.exec(5) has them.
 */
#include "config/read.h"

#include "common/fd.h"

#include <cap-ng.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

		for (i = 0; i < sizeof(upper) - 1 && near[i]; i++)
			upper[i] = (char)toupper((unsigned char)near[i]);
		upper[i] = '\0';
		return wrong(l, v, "%s: the capability \"%s\" is unknown; did you mean CAP_%s?",
			k->name, word, upper);
	}
	return wrong(
		l, v, "%s: the capability \"%s\" is unknown; see capabilities(7)", k->name, word);
}

uint64_t all_capabilities(void)
{
	return CAP_LAST_CAP >= 63 ? UINT64_MAX : (1ULL << (CAP_LAST_CAP + 1)) - 1;
}

/* "CAP_CHOWN CAP_KILL", the same as a list, or with ~ before the first: all but these. */
bool read_caps(struct loader *l, const struct key *k, const struct node *v, void *slot)
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

#define CONTEXT_MAX 512

/* Whatever the policy: three fields or four, of which the last may have colons of its own. */
static bool is_context(const char *text)
{
	unsigned fields = 1;

	for (const char *p = text; *p; p++) {
		bool last = p[1] == ':' || p[1] == '\0';

		if (*p == ':' && (p == text || last))
			return false;
		if (*p != ':' && !isalnum((unsigned char)*p) && !strchr("_.,-", *p))
			return false;
		fields += *p == ':';
	}
	return fields >= 3 && strlen(text) < CONTEXT_MAX;
}

bool read_context(struct loader *l, const struct key *k, const struct node *v, void *slot)
{
	if (!want_scalar(l, k->name, v))
		return false;
	if (!is_context(v->text))
		return wrong(l, v,
			"%s: \"%s\" is no context of SELinux; write it like "
			"system_u:system_r:httpd_t:s0",
			k->name, v->text);
	if (!config_hooks()->has_context(v->text))
		return wrong(l, v,
			"%s: SELinux's policy has no \"%s\"; is the module with that type "
			"installed (semodule -l)?",
			k->name, v->text);
	return (*(char **)slot = keep(l, v->text)) != NULL;
}

static bool check_variable(struct loader *l, const struct node *v, const char *name, size_t len)
{
	if (len == 0 || isdigit((unsigned char)name[0]))
		return wrong(
			l, v, "environment: \"%.*s\" is no name of a variable", (int)len, name);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return wrong(l, v, "environment: \"%.*s\" is no name of a variable",
				(int)len, name);
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
		return wrong(l, p->value, "environment: a variable is longer than %u bytes",
			VALUE_LIMIT);
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
					"environment: \"%s\" stands there twice",
					map->pairs[i].key->text);
	return true;
}

bool read_environment(struct loader *l, const struct key *k, const struct node *v, void *slot)
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
