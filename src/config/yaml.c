/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/node.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct anchor {
	const char *name;
	const struct node *node;
};

/* Items of the lists and mappings that are not complete yet, in one stack. */
struct pending {
	const struct node *node;
};

struct yaml_reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	bool ended;
	const char *text;
	size_t len;
	bool has_hash;          /* " #" stands somewhere */
	const char *line_start; /* where line number LINE (from 0) begins */
	size_t line;
	size_t total; /* weight of all documents so far */
	struct config_arena *arena;
	struct anchor *anchors;
	size_t n_anchors, anchors_cap;
	struct pending *stack;
	size_t n_stack, stack_cap;
	enum yaml_limit limit; /* our own reason to stop */
};

struct yaml_reader *yaml_open(const char *text, size_t len, struct config_arena *arena)
{
	struct yaml_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	if (!yaml_parser_initialize(&r->parser)) {
		free(r);
		return NULL;
	}
	r->text = text;
	r->len = len;
	r->arena = arena;
	r->has_hash = memmem(text, len, " #", 2) != NULL;
	r->line_start = text;
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
	return r;
}

void yaml_close(struct yaml_reader *r)
{
	if (!r)
		return;
	if (r->has_event)
		yaml_event_delete(&r->event);
	yaml_parser_delete(&r->parser);
	free(r->anchors);
	free(r->stack);
	free(r);
}

bool node_is_null(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->plain &&
	       (n->n == 0 || strcmp(n->text, "~") == 0 || strcasecmp(n->text, "null") == 0);
}

static bool next_event(struct yaml_reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = yaml_parser_parse(&r->parser, &r->event);
	return r->has_event;
}

static bool stop(struct yaml_reader *r, enum yaml_limit why)
{
	r->limit = why;
	return false;
}

static void *grow(void *array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return array;
	p = reallocarray(array, more, size);
	if (p)
		*cap = more;
	return p;
}

static bool push(struct yaml_reader *r, const struct node *n)
{
	struct pending *p = grow(r->stack, &r->stack_cap, r->n_stack, sizeof(*p));

	if (!p)
		return stop(r, LIMIT_MEMORY);
	r->stack = p;
	p[r->n_stack++].node = n;
	return true;
}

static bool remember(struct yaml_reader *r, const char *name, const struct node *n)
{
	struct anchor *a;

	if (!name)
		return true;
	if (r->n_anchors >= YAML_ANCHORS_MAX)
		return stop(r, LIMIT_ANCHORS);
	a = grow(r->anchors, &r->anchors_cap, r->n_anchors, sizeof(*a));
	if (!a)
		return stop(r, LIMIT_MEMORY);
	r->anchors = a;
	a[r->n_anchors].name = arena_intern(r->arena, name, strlen(name));
	a[r->n_anchors++].node = n;
	return a[r->n_anchors - 1].name || stop(r, LIMIT_MEMORY);
}

static const struct node *recall(const struct yaml_reader *r, const char *name)
{
	for (size_t i = r->n_anchors; i-- > 0;)
		if (strcmp(r->anchors[i].name, name) == 0)
			return r->anchors[i].node;
	return NULL;
}

static struct node *new_node(struct yaml_reader *r, enum node_kind kind, const yaml_mark_t *at)
{
	struct node *n = arena_alloc(r->arena, sizeof(*n));

	if (!n) {
		stop(r, LIMIT_MEMORY);
		return NULL;
	}
	n->kind = kind;
	n->line = (unsigned)at->line + 1;
	n->column = (unsigned)at->column + 1;
	n->weight = 1;
	return n;
}

static bool set_text(struct yaml_reader *r, struct node *n, const char *s, size_t len)
{
	char *copy = arena_alloc(r->arena, len + 1);

	if (!copy)
		return stop(r, LIMIT_MEMORY);
	memcpy(copy, s, len);
	n->text = copy;
	n->n = (uint32_t)len;
	return true;
}

/*
 * Whether a comment follows that looks as if it was meant as text: " #5".  Marks count characters
 * and lines, so the place in the text is found from its line's beginning.  Lines only go forward.
 */
static bool hash_follows(struct yaml_reader *r, const yaml_mark_t *end)
{
	const char *limit = r->text + r->len, *p;

	if (!r->has_hash)
		return false;
	while (r->line < end->line) {
		p = memchr(r->line_start, '\n', (size_t)(limit - r->line_start));
		if (!p)
			return false;
		r->line_start = p + 1;
		r->line++;
	}
	p = r->line_start;
	for (size_t column = 0; column < end->column && p < limit; column++)
		do
			p++;
		while (p < limit && ((unsigned char)*p & 0xc0) == 0x80);
	if (limit - p < 3 || *p != ' ')
		return false;
	while (p < limit && *p == ' ')
		p++;
	return limit - p >= 2 && *p == '#' && (isalnum((unsigned char)p[1]) || p[1] == '{');
}

static struct node *scalar(struct yaml_reader *r)
{
	const yaml_event_t *e = &r->event;
	struct node *n = new_node(r, NODE_SCALAR, &e->start_mark);

	if (!n)
		return NULL;
	if (memchr(e->data.scalar.value, '\0', e->data.scalar.length)) {
		stop(r, LIMIT_NUL);
		return NULL;
	}
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->hash_after = n->plain && e->data.scalar.length > 0 && hash_follows(r, &e->end_mark);
	return set_text(r, n, (const char *)e->data.scalar.value, e->data.scalar.length) ? n : NULL;
}

/* The standard's own tags ("!!str") say nothing new; any other means a program's private type. */
static const char *foreign_tag(const yaml_event_t *e)
{
	const yaml_char_t *tag = e->type == YAML_SCALAR_EVENT           ? e->data.scalar.tag
				 : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.tag
									: e->data.mapping_start.tag;
	const char *s = (const char *)tag;

	return s && strcmp(s, "!") != 0 && strncmp(s, "tag:yaml.org,2002:", 18) != 0 ? s : NULL;
}

static bool is_merge(const struct node *key)
{
	return key->kind == NODE_SCALAR && key->plain && strcmp(key->text, "<<") == 0;
}

/* What "<<" may bring in: a mapping, or a list of them. */
static bool mergeable(const struct node *v)
{
	if (v->kind == NODE_MAP)
		return true;
	if (v->kind != NODE_LIST)
		return false;
	for (uint32_t i = 0; i < v->n; i++)
		if (v->items[i]->kind != NODE_MAP)
			return false;
	return true;
}

static size_t merge_size(const struct node *v)
{
	size_t n = 0;

	if (v->kind == NODE_MAP)
		return v->n;
	for (uint32_t i = 0; i < v->n; i++)
		n += v->items[i]->n;
	return n;
}

static bool has_key(const struct pair *pairs, size_t n, const struct node *key)
{
	for (size_t i = 0; i < n; i++)
		if (pairs[i].key->kind == NODE_SCALAR && key->kind == NODE_SCALAR &&
			strcmp(pairs[i].key->text, key->text) == 0)
			return true;
	return false;
}

static size_t merge_one(struct pair *pairs, size_t n, const struct node *map)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (!has_key(pairs, n, map->pairs[i].key)) {
			pairs[n] = map->pairs[i];
			pairs[n++].merged = true;
		}
	return n;
}

/* The pairs of a mapping from the stack's upper part, "<<" resolved: own keys win, then earlier. */
static bool set_pairs(struct yaml_reader *r, struct node *map, size_t bottom)
{
	size_t n_own = (r->n_stack - bottom) / 2, room = n_own, n = 0;
	struct pair *pairs;

	for (size_t i = bottom; i < r->n_stack; i += 2)
		if (is_merge(r->stack[i].node) && mergeable(r->stack[i + 1].node))
			room += merge_size(r->stack[i + 1].node);
	if (room > n_own && room > YAML_MERGE_MAX)
		return stop(r, LIMIT_MERGES);
	pairs = arena_alloc(r->arena, room * sizeof(*pairs));
	if (!pairs)
		return stop(r, LIMIT_MEMORY);
	for (size_t i = bottom; i < r->n_stack; i += 2)
		if (!is_merge(r->stack[i].node) || !mergeable(r->stack[i + 1].node))
			pairs[n++] = (struct pair){r->stack[i].node, r->stack[i + 1].node, false};
	for (size_t i = bottom; i < r->n_stack; i += 2) {
		const struct node *v = r->stack[i + 1].node;

		if (!is_merge(r->stack[i].node) || !mergeable(v))
			continue;
		if (v->kind == NODE_MAP)
			n = merge_one(pairs, n, v);
		else
			for (uint32_t j = 0; j < v->n; j++)
				n = merge_one(pairs, n, v->items[j]);
	}
	map->pairs = pairs;
	map->n = (uint32_t)n;
	return true;
}

static bool set_items(struct yaml_reader *r, struct node *list, size_t bottom)
{
	size_t n = r->n_stack - bottom;
	const struct node **items = arena_alloc(r->arena, n * sizeof(const struct node *));

	if (!items)
		return stop(r, LIMIT_MEMORY);
	for (size_t i = 0; i < n; i++)
		items[i] = r->stack[bottom + i].node;
	list->items = items;
	list->n = (uint32_t)n;
	return true;
}

static const struct node *value(struct yaml_reader *r, unsigned depth);

/* The children of a list or mapping whose start is the current event. */
static bool children(struct yaml_reader *r, struct node *n, unsigned depth)
{
	yaml_event_type_t end =
		n->kind == NODE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	size_t bottom = r->n_stack;
	bool ok;

	if (depth >= YAML_DEPTH_MAX)
		return stop(r, LIMIT_DEPTH);
	for (;;) {
		const struct node *child;

		if (!next_event(r))
			return false;
		if (r->event.type == end)
			break;
		child = value(r, depth + 1);
		if (!child || !push(r, child))
			return false;
		n->weight += child->weight;
		if (n->weight > YAML_WEIGHT_MAX)
			return stop(r, LIMIT_WEIGHT);
	}
	ok = n->kind == NODE_MAP ? set_pairs(r, n, bottom) : set_items(r, n, bottom);
	r->n_stack = bottom;
	return ok;
}

static const struct node *alias(struct yaml_reader *r)
{
	const char *name = (const char *)r->event.data.alias.anchor;
	const struct node *known = recall(r, name);
	struct node *n;

	if (known)
		return known;
	n = new_node(r, NODE_UNKNOWN_ALIAS, &r->event.start_mark);
	return n && set_text(r, n, name, strlen(name)) ? n : NULL;
}

/* The value that the current event begins. */
static const struct node *value(struct yaml_reader *r, unsigned depth)
{
	const yaml_event_t *e = &r->event;
	const char *tag, *name;
	_Bool list = e->type == YAML_SEQUENCE_START_EVENT;
	struct node *n;

	if (e->type == YAML_ALIAS_EVENT)
		return alias(r);
	tag = foreign_tag(e);
	name = (const char *)(e->type == YAML_SCALAR_EVENT ? e->data.scalar.anchor
			      : list                       ? e->data.sequence_start.anchor
							   : e->data.mapping_start.anchor);
	/* The event goes with the first child: what is needed of it is copied now. */
	if (tag) {
		tag = arena_intern(r->arena, tag, strlen(tag));
		if (!tag) {
			stop(r, LIMIT_MEMORY);
			return NULL;
		}
	}
	if (name) {
		name = arena_intern(r->arena, name, strlen(name));
		if (!name) {
			stop(r, LIMIT_MEMORY);
			return NULL;
		}
	}
	if (e->type == YAML_SCALAR_EVENT) {
		n = scalar(r);
	} else {
		n = new_node(r, list ? NODE_LIST : NODE_MAP, &e->start_mark);
		if (n && !children(r, n, depth))
			n = NULL;
	}
	if (n && tag) {
		n->kind = NODE_TAGGED;
		n->text = tag;
		n->n = (uint32_t)strlen(tag);
	}
	/* Known from here on only: a value that contains itself finds no anchor. */
	return n && remember(r, name, n) ? n : NULL;
}

static int in_trouble(const struct yaml_reader *r, struct yaml_trouble *t)
{
	const yaml_parser_t *p = &r->parser;

	*t = (struct yaml_trouble){0};
	if (r->limit) {
		t->limit = r->limit;
		t->problem = "";
		t->line = (unsigned)r->event.start_mark.line + 1;
		t->column = (unsigned)r->event.start_mark.column + 1;
		return -1;
	}
	t->limit = p->problem ? LIMIT_NONE : LIMIT_MEMORY;
	t->problem = p->problem ? p->problem : "";
	t->context = p->context;
	t->offset = p->problem_offset;
	t->line = (unsigned)p->problem_mark.line + 1;
	t->column = (unsigned)p->problem_mark.column + 1;
	if (p->error == YAML_READER_ERROR)
		t->line = t->column = 0;
	if (p->context) {
		t->began_line = (unsigned)p->context_mark.line + 1;
		t->began_column = (unsigned)p->context_mark.column + 1;
	}
	return -1;
}

int yaml_next(struct yaml_reader *r, const struct node **ret, struct yaml_trouble *trouble)
{
	const struct node *n;

	if (r->ended)
		return 0;
	do {
		if (!next_event(r))
			return in_trouble(r, trouble);
		if (r->event.type == YAML_STREAM_END_EVENT) {
			r->ended = true;
			return 0;
		}
	} while (r->event.type != YAML_DOCUMENT_START_EVENT);
	r->n_anchors = r->n_stack = 0;
	if (!next_event(r))
		return in_trouble(r, trouble);
	n = value(r, 0);
	if (!n || !next_event(r)) /* the document's end */
		return in_trouble(r, trouble);
	r->total += n->weight;
	if (r->total > YAML_TOTAL_MAX) {
		stop(r, LIMIT_TOTAL);
		return in_trouble(r, trouble);
	}
	*ret = n;
	return 1;
}
