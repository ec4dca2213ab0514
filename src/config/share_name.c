/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of sections.  Samba makes one share of two sections with one name, and whoever may
 * press in the one directory would then have the other.
 */
#include "config/share.h"

#include "common/fd.h"
#include "common/names.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a name is made of.  Each is taken where the one before it is no good, or another's too. */
enum making { MAKING_LAST_PART, MAKING_WHOLE_PATH, MAKING_NUMBERED, MAKING_MAX_ };

struct naming {
	struct share *share;
	enum making making;
	char *folded; /* owned; names are compared by it; NULL: has none */
};

#define NUMBER_LEN 9 /* "-" and eight digits */

/* FNV-1a: always the same for one path, whatever else there is. */
static uint32_t number_of(const char *path)
{
	uint32_t h = 2166136261U;

	for (const char *p = path; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619U;
	return h;
}

/* What ends a section's name, what Samba puts something in for, what Windows has in no share's
 * name.  A $ at the end would hide the share, and Samba has some of those (print$, IPC$). */
static char sayable(char c)
{
	if (c == '/')
		return '-';
	return strchr("[]%$\\\":|<>+=;,*?", c) ? '_' : c;
}

/* smbd takes "glo bal" for global, and what is said there holds for every share: in these words
 * blanks count as little as case (strwicmp(), tried with 4.17). */
static bool is_word(const char *name, const char *word)
{
	for (; *name; name++)
		if (*name != ' ' && tolower((unsigned char)*name) != *word++)
			return false;
	return *word == '\0';
}

static bool is_reserved(const char *name)
{
	static const char *const words[] = {"", "global", "globals", "homes", "printers"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_word(name, words[i]))
			return true;
	return false;
}

/* N bytes of S, less what would be a part of a character. */
static size_t cut(const char *s, size_t n)
{
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* False: there is no such name. */
static bool make_name(const struct naming *n)
{
	const char *path = n->share->path, *from = strrchr(path, '/') + 1;
	char *name = n->share->name;
	size_t max = SHARE_NAME_MAX, len;

	if (n->making == MAKING_WHOLE_PATH) {
		if (from == path + 1)
			return false; /* the same once more */
		from = path + 1;
	}
	len = strlen(from);
	if (n->making == MAKING_NUMBERED) {
		max -= NUMBER_LEN;
		len = len > max ? cut(from, max) : len;
	}
	if (len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		name[i] = sayable(from[i]);
	name[len] = '\0';
	if (*name == ' ') /* smbd would take it away; at the end no fit path has one */
		*name = '_';
	if (n->making == MAKING_NUMBERED)
		snprintf(name + len, NUMBER_LEN + 1, "-%08x", number_of(path));
	return !is_reserved(name);
}

/* Makes the name that N is at, or the first one after it that is any good. */
static int settle(struct naming *n)
{
	int r;

	free(n->folded);
	n->folded = NULL;
	while (n->making < MAKING_MAX_ && !make_name(n))
		n->making++;
	r = n->making < MAKING_MAX_ ? name_fold(n->share->name, &n->folded) : -EEXIST;
	if (r == -EEXIST || r == -EILSEQ) {
		n->share->unfit = "gets no name in smb.conf that is its alone";
		r = 0;
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct naming *x = a, *y = b;

	if (!x->folded || !y->folded)
		return !x->folded - !y->folded;
	return strcmp(x->folded, y->folded);
}

/* All that bear a name that another one bears go on to the next.  1: there were some; -ENOMEM. */
static int part(struct naming *list, size_t n)
{
	int found = 0;

	qsort(list, n, sizeof(*list), compare);
	for (size_t i = 0, next; i < n && list[i].folded; i = next) {
		for (next = i + 1; next < n && compare(&list[i], &list[next]) == 0;)
			next++;
		if (next == i + 1)
			continue;
		found = 1;
		for (size_t j = i; j < next; j++) {
			int r;

			list[j].making++;
			r = settle(&list[j]);
			if (r < 0)
				return r;
		}
	}
	return found;
}

int share_name(struct share *shares, size_t n)
{
	struct naming *list = calloc(n + 1, sizeof(*list));
	size_t n_list = 0;
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		if (!shares[i].unfit) {
			list[n_list].share = &shares[i];
			r = settle(&list[n_list++]);
		}
	if (r == 0)
		do
			r = part(list, n_list);
		while (r > 0);
	for (size_t i = 0; i < n_list; i++)
		free(list[i].folded);
	free(list);
	return r;
}
