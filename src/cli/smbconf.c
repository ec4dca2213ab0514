/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/smbconf.h"

#include "cli/program.h"
#include "common/buf.h"
#include "common/fd.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX (16U * 1024 * 1024)

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

static int add_section(struct smbconf *c, const char *name)
{
	struct smbconf_section *p =
		reallocarray(c->sections, c->n_sections + 1, sizeof(*c->sections));

	if (!p)
		return -ENOMEM;
	c->sections = p;
	p += c->n_sections;
	*p = (struct smbconf_section){.name = strdup(name)};
	if (!p->name)
		return -ENOMEM;
	c->n_sections++;
	return 0;
}

static int add_setting(struct smbconf_section *s, const char *key, const char *value)
{
	struct smbconf_setting *p = reallocarray(s->settings, s->n_settings + 1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	s->settings = p;
	p += s->n_settings++;
	*p = (struct smbconf_setting){.key = strdup(key), .value = strdup(value)};
	return p->key && p->value ? 0 : -ENOMEM;
}

static int parse_line(struct smbconf *c, char *line)
{
	char *equals, *end;

	line = trim(line);
	if (*line == '[' && (end = strrchr(line, ']'))) {
		*end = '\0';
		return add_section(c, line + 1);
	}
	equals = strchr(line, '=');
	if (!*line || *line == '#' || *line == ';' || !equals || !c->n_sections)
		return 0;
	*equals = '\0';
	return add_setting(&c->sections[c->n_sections - 1], trim(line), trim(equals + 1));
}

int smbconf_parse(const char *text, struct smbconf *ret)
{
	_cleanup_free_ char *copy = strdup(text);
	struct smbconf c = {0};
	int r = copy ? 0 : -ENOMEM;

	for (char *line, *rest = copy; r == 0 && (line = strsep(&rest, "\n"));)
		r = parse_line(&c, line);
	if (r < 0) {
		smbconf_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void smbconf_done(struct smbconf *c)
{
	for (size_t i = 0; i < c->n_sections; i++) {
		for (size_t k = 0; k < c->sections[i].n_settings; k++) {
			free(c->sections[i].settings[k].key);
			free(c->sections[i].settings[k].value);
		}
		free(c->sections[i].settings);
		free(c->sections[i].name);
	}
	free(c->sections);
	*c = (struct smbconf){0};
}

static const char *find(const struct smbconf_section *s, const char *key)
{
	for (size_t i = 0; i < s->n_settings; i++)
		if (strcasecmp(s->settings[i].key, key) == 0)
			return s->settings[i].value;
	return NULL;
}

const char *smbconf_get(const struct smbconf *c, const struct smbconf_section *s, const char *key)
{
	const char *v = find(s, key);

	for (size_t i = 0; !v && i < c->n_sections; i++)
		if (strcasecmp(c->sections[i].name, "global") == 0)
			v = find(&c->sections[i], key);
	return v ? v : "";
}

bool smbconf_yes(const struct smbconf *c, const struct smbconf_section *s, const char *key)
{
	return strcasecmp(smbconf_get(c, s, key), "yes") == 0;
}

/* Is ITEM in LIST, whose items the characters of PARTED_BY part? */
static bool has_item(const char *list, const char *parted_by, const char *item)
{
	size_t n;

	for (; *list; list += n + (list[n] != '\0')) {
		n = strcspn(list, parted_by);
		if (n == strlen(item) && strncasecmp(list, item, n) == 0)
			return true;
	}
	return false;
}

bool smbconf_has_word(
	const struct smbconf *c, const struct smbconf_section *s, const char *key, const char *word)
{
	return has_item(smbconf_get(c, s, key), " \t,", word);
}

bool smbconf_has_pattern(const struct smbconf *c, const struct smbconf_section *s, const char *key,
	const char *pattern)
{
	return has_item(smbconf_get(c, s, key), "/", pattern);
}

/* Bytes of PATH that DIR covers; 0: it does not. */
static size_t covers(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	if (n == 0 || strncmp(dir, path, n) != 0)
		return 0;
	return n == 1 || path[n] == '\0' || path[n] == '/' ? n : 0;
}

const struct smbconf_section *smbconf_cover(const struct smbconf *c, const char *path)
{
	const struct smbconf_section *best = NULL;
	size_t best_length = 0, n;

	for (size_t i = 0; i < c->n_sections; i++) {
		const char *dir = find(&c->sections[i], "path");

		n = dir ? covers(dir, path) : 0;
		if (n > best_length && strcasecmp(c->sections[i].name, "global") != 0) {
			best = &c->sections[i];
			best_length = n;
		}
	}
	return best;
}

bool smbconf_same_path(const struct smbconf_section *a, const struct smbconf_section *b)
{
	const char *x = find(a, "path"), *y = find(b, "path");

	return x && y && covers(x, y) && covers(y, x);
}

bool smbconf_may_cover(const struct smbconf_section *s, const char *path)
{
	const char *dir = find(s, "path"), *macro = dir ? strchr(dir, '%') : NULL;

	/* What begins with one is a home, or is known to nobody. */
	return macro && macro > dir + 1 && strncmp(dir, path, (size_t)(macro - dir)) == 0;
}

int smbconf_run(const char *file, struct smbconf *ret)
{
	char program[] = "testparm", s[] = "-s", v[] = "-v", prompt[] = "--suppress-prompt";
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	_cleanup_free_ char *copy = file ? strdup(file) : NULL;
	char *argv[] = {program, s, v, prompt, copy, NULL};
	int r, status = 0;

	r = program_run(argv, false, &text, &status);
	if (r < 0)
		return r;
	/* It is not content where a directory of smbd's is missing, say, but has read the file. */
	if (status != 0 && !strstr(buf_str(&text), "[global]"))
		return -EINVAL;
	return smbconf_parse(buf_str(&text), ret);
}
