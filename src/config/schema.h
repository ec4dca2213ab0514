/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of keys (schema.def): what a key is called, where it may stand, what it holds, what
 * it is when nothing is said, and what it is for.  The parser, the suggestions, the canonical
 * print, the JSON Schema and the manual's table all come from it; nothing else knows a key's name.
 */
#ifndef FLAGMAN_CONFIG_SCHEMA_H
#define FLAGMAN_CONFIG_SCHEMA_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a key may stand. */
enum where {
	IN_DOCUMENT = 1 << 0,
	IN_GROUP = 1 << 1,
	IN_DIRECTORY = 1 << 2,
	IN_FILE = 1 << 3,
	IN_COMMAND = 1 << 4, /* the group's defaults for its actions */
	IN_ACTION = 1 << 5,
	IN_SERVICE = 1 << 6,
	IN_BURN = 1 << 7,
	IN_VERIFY = 1 << 8,
	IN_EJECT = 1 << 9,
	IN_DROP = 1 << 10,
	IN_LABELS = 1 << 11,
	IN_SETTINGS = 1 << 12, /* flagman.yaml */
	WHERE_END_ = 1 << 13,
};
#define WHERE_N 13

enum type {
	TYPE_NAME,        /* char *: name_problem() has nothing against it */
	TYPE_TEXT,        /* char *: words for people, lines allowed */
	TYPE_BOOL,        /* bool */
	TYPE_DURATION,    /* uint64_t us */
	TYPE_CONFIRM,     /* uint64_t us, "no" is 0 */
	TYPE_SIZE,        /* uint64_t bytes */
	TYPE_COUNT,       /* uint32_t */
	TYPE_NICE,        /* int */
	TYPE_MODE,        /* mode_t */
	TYPE_WORD,        /* an enum; key.words */
	TYPE_TRIGGERS,    /* uint32_t bits */
	TYPE_NAMES,       /* char **: lock names, trash folders, patterns */
	TYPE_PATH,        /* char *: absolute and clean */
	TYPE_WORKDIR,     /* char *: TYPE_PATH or ~ */
	TYPE_ENVFILE,     /* char *: TYPE_PATH, '-' before it: may be missing */
	TYPE_JOURNAL,     /* char *: TYPE_PATH or journal */
	TYPE_USER,        /* uid_t */
	TYPE_GROUP,       /* gid_t */
	TYPE_RUN_AS,      /* the user of a command: uid, gid, names */
	TYPE_RUN_GROUP,   /* the group of a command */
	TYPE_RUN_GROUPS,  /* its supplementary groups */
	TYPE_CAPS,        /* uint64_t bits */
	TYPE_CONTEXT,     /* char *: an SELinux context */
	TYPE_ENVIRONMENT, /* char **: NAME=value */
	TYPE_LIMIT_COUNT, /* struct rlimit; key.extra is the RLIMIT_ */
	TYPE_LIMIT_SIZE,
	TYPE_LIMIT_SECONDS,
	TYPE_LIMIT_USEC,
	TYPE_STATUSES, /* uint8_t[32] */
	TYPE_LABEL,    /* one word of `labels`; key.extra is the state */
	TYPE_LINE,     /* a command: string or list */
	TYPE_SCRIPT,
	TYPE_UNIT,    /* char *: a unit's name */
	TYPE_PROFILE, /* char *: an AppArmor profile's name */
	TYPE_DEVICE,  /* char *: /dev/sr0 or stdio:/path */
	TYPE_SPEED,   /* char *: max, min or a number */
	TYPE_TABLE,   /* a mapping; key.extra is the `where` of its keys */
	TYPE_GROUPS,  /* action-group: a mapping or a list of them */
	TYPE_ACTIONS,
	TYPE_ANY, /* action: wraps or heads an action */
	TYPE_N,
};

/* The struct that a key's offset counts in. */
enum home { HOME_NONE, HOME_DRAFT, HOME_GROUP, HOME_DROP, HOME_DISC, HOME_SETTINGS };

enum key_id {
#define KEY(id, ...) KEY_##id,
#include "config/schema.def"
#undef KEY
	KEY_N
};

struct key {
	const char *name;
	unsigned where; /* enum where, or-ed */
	enum type type;
	enum home home;
	size_t offset;
	const char *const *words; /* TYPE_WORD: NULL-terminated, in the enum's order */
	int extra;
	uint64_t low, high; /* of numbers, durations, sizes; high 0: no bound */
	bool never;         /* a duration may be "never", a size "none" */
	bool required;
	bool internal;        /* stands only in the file of last good versions */
	const char *fallback; /* the default, as YAML; NULL: none */
	const char *unless;   /* the default in words, where YAML can't say it */
	const char *text;     /* what it is for, one or two sentences */
};

extern const struct key schema[KEY_N];

/* What the place is called in messages: "an action", "`directory`". */
const char *where_name(enum where w);

const struct key *schema_find(enum where w, const char *name);

/* What NAME was probably meant to be in W: another spelling of a key or one typed wrongly; NULL. */
const struct key *schema_suggest(enum where w, const char *name);
/* The key that NAME, in whatever spelling, is elsewhere, and the first place where; NULL: nowhere.
 */
const struct key *schema_elsewhere(enum where w, const char *name, enum where *ret);
/* The word of the NULL-terminated WORDS that is nearest to WRONG, if it is near; NULL. */
const char *nearest_word(const char *const *words, const char *wrong);

/* Sets of keys, as bits. */
struct key_set {
	uint64_t bits[(KEY_N + 63) / 64];
};
static inline void key_set_add(struct key_set *s, enum key_id k)
{
	s->bits[k / 64] |= 1ULL << (k % 64);
}
static inline void key_set_remove(struct key_set *s, enum key_id k)
{
	s->bits[k / 64] &= ~(1ULL << (k % 64));
}
static inline bool key_set_has(const struct key_set *s, enum key_id k)
{
	return s->bits[k / 64] >> (k % 64) & 1;
}
static inline enum key_id key_id(const struct key *k)
{
	return (enum key_id)(k - schema);
}

#endif
