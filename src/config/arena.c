/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef BLOCK_SIZE /* a test has small ones, so that each of them may fail */
#define BLOCK_SIZE (64U * 1024)
#endif
#define ALIGNMENT 8U

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(ALIGNMENT) char data[];
};

struct slot {
	const void *data;
	uint32_t len;
	uint32_t hash;
};

struct config_arena {
	struct block *blocks; /* the first is the one being filled */
	size_t handed_out;
	struct slot *slots; /* open addressing; a power of two */
	size_t n_slots, n_used;
	bool failed;
};

struct config_arena *arena_new(void)
{
	return calloc(1, sizeof(struct config_arena));
}

static void free_blocks(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

void arena_free(struct config_arena *a)
{
	if (!a)
		return;
	free_blocks(a->blocks);
	free(a->slots);
	free(a);
}

bool arena_failed(const struct config_arena *a)
{
	return a->failed;
}

void arena_reset(struct config_arena *a)
{
	free(a->slots);
	a->slots = NULL;
	a->n_slots = a->n_used = a->handed_out = 0;
	if (!a->blocks)
		return;
	free_blocks(a->blocks->next);
	a->blocks->next = NULL;
	memset(a->blocks->data, 0, a->blocks->used);
	a->blocks->used = 0;
}

void arena_seal(struct config_arena *a)
{
	free(a->slots);
	a->slots = NULL;
	a->n_slots = a->n_used = 0;
}

size_t arena_size(const struct config_arena *a)
{
	return a->handed_out;
}

static struct block *new_block(struct config_arena *a, size_t at_least)
{
	size_t size = at_least > BLOCK_SIZE - sizeof(struct block)
			      ? at_least
			      : BLOCK_SIZE - sizeof(struct block);
	struct block *b;

	if (size > SIZE_MAX - sizeof(*b) || !(b = calloc(1, sizeof(*b) + size))) {
		a->failed = true;
		return NULL;
	}
	b->size = size;
	/* A large block of its own goes behind the one that is being filled. */
	if (a->blocks && at_least > BLOCK_SIZE / 4) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b->next = a->blocks;
		a->blocks = b;
	}
	return b;
}

static void *take(struct config_arena *a, size_t size, size_t alignment)
{
	struct block *b = a->blocks;
	size_t start = b ? (b->used + alignment - 1) & ~(alignment - 1) : 0;

	if (!b || start > b->size || size > b->size - start) {
		b = new_block(a, size);
		if (!b)
			return NULL;
		start = 0;
	}
	b->used = start + size;
	a->handed_out += size;
	return b->data + start;
}

void *arena_alloc(struct config_arena *a, size_t size)
{
	return take(a, size ? size : 1, size >= ALIGNMENT ? ALIGNMENT : sizeof(void *));
}

/* Eight bytes at a time: whole structs are hashed, once for each action. */
static uint32_t hash_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325ULL ^ len, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, p, len);
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(h >> 32);
}

static bool grow_table(struct config_arena *a)
{
	size_t n = a->n_slots ? a->n_slots * 2 : 256;
	struct slot *slots = calloc(n, sizeof(*slots));

	if (!slots) {
		a->failed = true;
		return false;
	}
	for (size_t i = 0; i < a->n_slots; i++) {
		size_t j;

		if (!a->slots[i].data)
			continue;
		for (j = a->slots[i].hash & (n - 1); slots[j].data; j = (j + 1) & (n - 1))
			;
		slots[j] = a->slots[i];
	}
	free(a->slots);
	a->slots = slots;
	a->n_slots = n;
	return true;
}

static uint32_t hash_entry(const void *data, size_t len, bool terminated)
{
	/* Strings and structs share no slot: of the same bytes the hashes differ. */
	return hash_bytes(data, len) ^ (terminated ? 0x9e3779b9U : 0);
}

/* Its slot, or the free one where it would go; NULL: there is no table. */
static struct slot *find_slot(
	const struct config_arena *a, const void *data, size_t len, uint32_t hash)
{
	size_t i = hash & (a->n_slots - 1);

	if (!a->n_slots)
		return NULL;
	for (; a->slots[i].data; i = (i + 1) & (a->n_slots - 1))
		if (a->slots[i].hash == hash && a->slots[i].len == len &&
			memcmp(a->slots[i].data, data, len) == 0)
			break;
	return &a->slots[i];
}

static void *intern(struct config_arena *a, const void *data, size_t len, bool terminated)
{
	uint32_t hash = hash_entry(data, len, terminated);
	struct slot *slot;
	char *copy;

	if (len > UINT32_MAX || (a->n_used * 4 >= a->n_slots * 3 && !grow_table(a)))
		return NULL;
	slot = find_slot(a, data, len, hash);
	if (slot->data)
		return (void *)(uintptr_t)slot->data;
	copy = terminated ? take(a, len + 1, 1) : arena_alloc(a, len);
	if (!copy)
		return NULL;
	memcpy(copy, data, len);
	*slot = (struct slot){copy, (uint32_t)len, hash};
	a->n_used++;
	return copy;
}

bool arena_has(const struct config_arena *a, const char *s)
{
	size_t len = strlen(s);
	const struct slot *slot = find_slot(a, s, len, hash_entry(s, len, true));

	return slot && slot->data;
}

char *arena_intern(struct config_arena *a, const char *s, size_t len)
{
	return intern(a, s, len, true);
}

char *arena_string(struct config_arena *a, const char *s)
{
	return intern(a, s, strlen(s), true);
}

const void *arena_unique(struct config_arena *a, const void *data, size_t size)
{
	return intern(a, data, size, false);
}
