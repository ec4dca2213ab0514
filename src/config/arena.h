/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of a configuration: blocks that are filled from the front and freed together, and a
 * table by which equal strings and equal structs are kept once.
 *
 * A server with ten thousand objects says the same few things ten thousand times; interned, they
 * cost a pointer each.  Nothing is freed by itself; arena_free() frees all.
 *
 * Running out of memory sticks: the call returns NULL, arena_failed() stays true, and the load that
 * owns the arena gives up as a whole.
 */
#ifndef FLAGMAN_CONFIG_ARENA_H
#define FLAGMAN_CONFIG_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct config_arena;

struct config_arena *arena_new(void);    /* NULL: out of memory */
void arena_free(struct config_arena *a); /* NULL is fine */
bool arena_failed(const struct config_arena *a);

/* SIZE zeroed bytes, aligned for anything. */
void *arena_alloc(struct config_arena *a, size_t size);
/* The one copy of these bytes, with a NUL behind; never to be written to. */
char *arena_intern(struct config_arena *a, const char *s, size_t len);
char *arena_string(struct config_arena *a, const char *s);
bool arena_has(const struct config_arena *a, const char *s);
/* The one copy of SIZE bytes at DATA, aligned for anything: structs, arrays of interned pointers.
 * Padding takes part in the comparison, so zero a struct before it is filled. */
const void *arena_unique(struct config_arena *a, const void *data, size_t size);

/* Empties it but keeps its first block: for what lives no longer than one document. */
void arena_reset(struct config_arena *a);
/* No more interning: frees the table, keeps the memory. */
void arena_seal(struct config_arena *a);
size_t arena_size(const struct config_arena *a); /* bytes handed out */

#endif
