/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML as a tree of plain nodes, one document at a time; yaml.c is the only file that knows
 *libyaml.
 *
 * Anchors, aliases and merge keys are resolved here.  An alias shares its node, so a tree may be a
 * graph; its weight is what it would be as a tree, and that is bounded (a "billion laughs" is
 * refused), as is its depth.  What is wrong with a value but is still YAML (a duplicate key, an
 * unknown alias, a tag) stays in the tree for the reader of that value to complain about: so it
 * harms one group, not the file.
 *
 *	struct yaml_reader *r = yaml_open(text, len, arena);
 *	while ((e = yaml_next(r, &node, &trouble)) > 0)
 *		... node ...; arena_reset(arena);
 *	e < 0: TROUBLE says where the text stops being YAML
 *	yaml_close(r);
 */
#ifndef FLAGMAN_CONFIG_NODE_H
#define FLAGMAN_CONFIG_NODE_H

#include "config/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YAML_DEPTH_MAX  24
#define YAML_WEIGHT_MAX 1000000U /* values in one document, aliases followed */
/* Both are looked through one by one; nothing here needs more. */
#define YAML_ANCHORS_MAX 1000     /* in one document */
#define YAML_MERGE_MAX   512      /* keys of a mapping that has << */
#define YAML_TOTAL_MAX   8000000U /* in all documents of a file */

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
	NODE_UNKNOWN_ALIAS, /* text is its name */
	NODE_TAGGED,        /* text is the tag */
};

struct node;
struct pair {
	const struct node *key, *value;
	bool merged; /* came by "<<": a key of the mapping's own goes before it */
};

struct node {
	enum node_kind kind;
	bool plain;            /* a scalar without quotes */
	bool hash_after;       /* a plain scalar with a '#' right behind its end: " #5" */
	unsigned line, column; /* from 1 */
	uint32_t n;            /* bytes of text, items, pairs */
	uint32_t weight;
	union {
		const char *text; /* NUL-terminated, no NUL within */
		const struct node *const *items;
		const struct pair *pairs;
	};
};

/* Bounds of ours, and what we do not take. */
enum yaml_limit {
	LIMIT_NONE,
	LIMIT_MEMORY,
	LIMIT_DEPTH,
	LIMIT_WEIGHT,
	LIMIT_TOTAL,
	LIMIT_ANCHORS,
	LIMIT_MERGES,
	LIMIT_NUL,
};

/* Where and why the text is no YAML, or none for us. */
struct yaml_trouble {
	enum yaml_limit limit; /* else: libyaml's words */
	unsigned line, column; /* from 1 */
	unsigned began_line;   /* where the thing that is wrong began; 0: unknown */
	unsigned began_column;
	const char *problem, *context; /* context may be NULL */
	size_t offset;                 /* in bytes, for what is no UTF-8 */
};

struct yaml_reader;

struct yaml_reader *yaml_open(const char *text, size_t len, struct config_arena *arena);
/* 1 and *RET; 0 at the end; -1 and *TROUBLE (strings of libyaml's, valid until yaml_close()). */
int yaml_next(struct yaml_reader *r, const struct node **ret, struct yaml_trouble *trouble);
void yaml_close(struct yaml_reader *r); /* NULL is fine */

/* "", ~, null without quotes: a key that has no value. */
bool node_is_null(const struct node *n);

#endif
