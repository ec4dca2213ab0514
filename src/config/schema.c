/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/schema.h"

#include "config/loader.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *const access_words[] = {"group", "press-only", NULL};
static const char *const moniker_words[] = {"suffix", "prefix", NULL};
static const char *const verb_words[] = {"restart", "start", "stop", "reload", NULL};
static const char *const serialise_words[] = {"object", "group", "none", NULL};
static const char *const when_busy_words[] = {"block", "queue", NULL};
static const char *const while_running_words[] = {"mark", "hide", NULL};
static const char *const missed_words[] = {"show", "run", NULL};
static const char *const leftovers_words[] = {"leave", "kill", "wait", NULL};
static const char *const via_words[] = {"direct", "sudo", NULL};
static const char *const after_words[] = {"return", "delete", NULL};

const struct key schema[KEY_N] = {
/* clang-format off */
#define KEY(id, ...) [KEY_##id] = {__VA_ARGS__},
#include "config/schema.def"
#undef KEY
	/* clang-format on */
};

const char *where_name(enum where w)
{
	switch (w) {
	case IN_DOCUMENT:
		return "a snippet";
	case IN_GROUP:
		return "action-group";
	case IN_DIRECTORY:
		return "directory";
	case IN_FILE:
		return "file";
	case IN_COMMAND:
		return "the group's command";
	case IN_ACTION:
		return "an action";
	case IN_SERVICE:
		return "service";
	case IN_BURN:
		return "burn";
	case IN_VERIFY:
		return "verify";
	case IN_EJECT:
		return "eject";
	case IN_DROP:
		return "drop";
	case IN_LABELS:
		return "labels";
	case IN_SETTINGS:
		return "flagman.yaml";
	default:
		return "?";
	}
}

/*
 * Lookups by name, once for each key of each action: a table by hash, filled at the first use.
 */
#define INDEX_SIZE 512
static uint8_t by_name[INDEX_SIZE]; /* key number + 1; 0: free */
static bool indexed;
_Static_assert(KEY_N < 255 && KEY_N * 2 < INDEX_SIZE, "the index must stay sparse");

static unsigned hash_name(const char *name)
{
	unsigned h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h % INDEX_SIZE;
}

static void fill_index(void)
{
	for (unsigned k = 0; k < KEY_N; k++) {
		unsigned i = hash_name(schema[k].name);

		while (by_name[i])
			i = (i + 1) % INDEX_SIZE;
		by_name[i] = (uint8_t)(k + 1);
	}
	indexed = true;
}

const struct key *schema_find(enum where w, const char *name)
{
	if (!indexed)
		fill_index();
	for (unsigned i = hash_name(name); by_name[i]; i = (i + 1) % INDEX_SIZE) {
		const struct key *k = &schema[by_name[i] - 1];

		if ((k->where & w) && strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

/* runFolder, run_folder, RUN-FOLDER: without its dashes, in lower case. */
static void flatten(const char *in, char *out, size_t size)
{
	size_t n = 0;

	for (; *in && n + 1 < size; in++)
		if (*in != '-' && *in != '_' && *in != ' ')
			out[n++] = (char)tolower((unsigned char)*in);
	out[n] = '\0';
}

#define WORD_MAX 40

/* Damerau-Levenshtein distance (restricted) of two short words. */
static unsigned distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned d[3][WORD_MAX + 1];

	if (na > WORD_MAX || nb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= nb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *row = d[i % 3], *above = d[(i + 2) % 3], *two = d[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			row[j] = best;
		}
	}
	return d[na % 3][nb];
}

/* How far a typed word may be from the one that is suggested. */
static unsigned near_enough(const char *wrong)
{
	size_t n = strlen(wrong);

	return n < 4 ? 1 : n < 8 ? 2 : 3;
}

const struct key *schema_suggest(enum where w, const char *name)
{
	const struct key *best = NULL;
	unsigned best_distance = near_enough(name) + 1;
	char flat[WORD_MAX + 1], other[WORD_MAX + 1];

	flatten(name, flat, sizeof(flat));
	for (const struct key *k = schema; k < schema + KEY_N; k++) {
		unsigned d;

		if (!(k->where & w) || k->internal)
			continue;
		flatten(k->name, other, sizeof(other));
		d = distance(flat, other);
		if (d < best_distance) {
			best = k;
			best_distance = d;
		}
	}
	return best;
}

static const struct key *find_flat(enum where w, const char *flat)
{
	char other[WORD_MAX + 1];

	for (const struct key *k = schema; k < schema + KEY_N; k++) {
		if (!(k->where & w) || k->internal)
			continue;
		flatten(k->name, other, sizeof(other));
		if (strcmp(flat, other) == 0)
			return k;
	}
	return NULL;
}

const struct key *schema_elsewhere(enum where w, const char *name, enum where *ret)
{
	char flat[WORD_MAX + 1];

	flatten(name, flat, sizeof(flat));
	/* What can't be a default is a key of an action first. */
	for (unsigned bit = w == IN_COMMAND ? IN_ACTION : 1; bit < WHERE_END_; bit <<= 1) {
		const struct key *k = bit == (unsigned)w ? NULL : find_flat((enum where)bit, flat);

		if (k) {
			*ret = (enum where)bit;
			return k;
		}
	}
	return NULL;
}

const char *nearest_word(const char *const *words, const char *wrong)
{
	const char *best = NULL;
	unsigned best_distance = near_enough(wrong) + 1;
	char flat[WORD_MAX + 1], other[WORD_MAX + 1];

	flatten(wrong, flat, sizeof(flat));
	for (; *words; words++) {
		unsigned d;

		flatten(*words, other, sizeof(other));
		d = distance(flat, other);
		if (d < best_distance) {
			best = *words;
			best_distance = d;
		}
	}
	return best;
}
