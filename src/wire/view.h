/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the executor tells the agent of the configuration: one flat, sealed memory image.
 *
 * It has what the agent must show and match, and nothing that runs: names, groups, labels, times,
 * messages, and ids under a generation number.  The executor builds it (view_build() in
 * executor/), passes the memfd in EXEC_CONFIG, and forgets it; the agent maps it read-only.
 * Offsets are from the start of the image; a string is an offset to NUL-terminated UTF-8, 0 is no
 * string; a list is an offset to consecutive NUL-terminated strings that an empty one ends.
 *
 * An action's id is its index in actions[]; a board's (one object of one group: one directory) is
 * its index in boards[].  Ids mean something only together with the generation.
 */
#ifndef FLAGMAN_VIEW_H
#define FLAGMAN_VIEW_H

#include "common/states.h"

#include <stddef.h>
#include <stdint.h>

#define VIEW_MAGIC   0x77656966U /* "fiew" */
#define VIEW_VERSION 1
#define VIEW_NONE    UINT32_MAX
#define VIEW_MAX     (256U * 1024 * 1024)

struct view_header {
	uint32_t magic, version;
	uint64_t generation;
	uint32_t size; /* of the image */
	uint32_t n_bases, bases;
	uint32_t n_boards, boards;
	uint32_t n_actions, actions;
	uint32_t n_press, press;
	uint32_t n_drops, drops;
	uint32_t n_labels, labels;
	uint32_t history_runs;
	uint64_t history_age, history_size, reserve;
	uint32_t max_runs;
	uint32_t bases_away; /* former ones (below) that can't be reached, and are not listed */
};

/* directory.path: one for all boards that share it.  Staging is <path>/.flagman/staging.  A former
 * one has no board: what flagman has left there is to be taken away. */
struct view_base {
	uint32_t path;  /* string */
	uint32_t error; /* string: why it can't be used now, or 0 */
};

enum view_board_flags {
	VIEW_BOARD_PRESS_ONLY = 1,
	VIEW_BOARD_PREFIX = 2,    /* moniker: prefix */
	VIEW_BOARD_LAST_GOOD = 4, /* the file says something else now, with errors */
};

struct view_board {
	uint32_t object, group; /* strings; group "" (an offset to one) for the only one */
	uint32_t description;   /* string or 0 */
	uint32_t base;          /* index */
	uint32_t first_action, n_actions; /* consecutive in actions[] */
	uint32_t run_folder;              /* string or 0 */
	uint32_t trash;                   /* list */
	uint32_t labels;                  /* index or VIEW_NONE */
	uint32_t flags;
	uint32_t dir_gid; /* who may press */
	uint32_t file_uid, file_gid, file_mode;
	uint32_t error; /* string: why its directory can't be used (not adopted, ...), or 0 */
};

struct view_action {
	uint32_t name;          /* string */
	uint32_t description;   /* string or 0 */
	uint32_t board;         /* index */
	uint32_t press;         /* index */
	uint32_t drop;          /* index or VIEW_NONE */
	uint32_t misconfigured; /* string or 0 */
};

struct view_press {
	uint64_t hold, cooldown, result_delay, failed_delay, confirm, start_limit_interval,
		missed_at_most, timeout, output_limit; /* us, bytes; UINT64_MAX: never, none */
	uint32_t triggers;
	uint32_t start_limit_burst;
	uint32_t locks;                                      /* list */
	uint8_t serialise, when_busy, while_running, missed; /* the enums of config.h */
	uint8_t cancel_by_press;
	uint8_t pad[7]; /* to the end: no byte of the executor's memory slips in */
};

struct view_drop {
	uint32_t folder; /* string */
	uint32_t accept; /* list */
	uint64_t max_size, max_total, settle, keep_failed;
	uint32_t after; /* enum after */
	uint32_t pad;
};

struct view_labels {
	uint32_t label[STATE_MAX_]; /* strings or 0 */
};

/* How many values the small enums of config.h have: the image holds no others.  Wire does not know
 * config.h, so the executor asserts that these are right. */
enum view_limits {
	VIEW_SERIALISE_N = 3,
	VIEW_WHEN_BUSY_N = 2,
	VIEW_WHILE_RUNNING_N = 2,
	VIEW_MISSED_N = 2,
	VIEW_AFTER_N = 2,
};

/* Read side (wire/view.c). */
struct view {
	const struct view_header *h;
	const struct view_base *bases;
	const struct view_board *boards;
	const struct view_action *actions;
	const struct view_press *press;
	const struct view_drop *drops;
	const struct view_labels *labels;
	size_t size;
};

/* Maps FD (which stays the caller's).  Every offset, index, list and string is checked once, here,
 * so that nothing else has to; an image that is not sealed is refused (it could change, or shrink
 * under the mapping).  0, -EBADMSG, or -errno. */
int view_map(int fd, struct view **ret);
void view_unmap(struct view *v); /* NULL is fine */

static inline const char *view_str(const struct view *v, uint32_t offset)
{
	return offset ? (const char *)v->h + offset : NULL;
}
/* The next string of a list, NULL at its end: for (s = view_str(v, l); s && *s; s = view_next(s))
 */
const char *view_next(const char *s);

/*
 * Write side: the executor fills arrays and adds strings, then seals.  Strings are deduplicated.
 */
struct view_builder;
struct view_builder *view_builder_new(void);
void view_builder_free(struct view_builder *b);
uint32_t view_add_string(struct view_builder *b, const char *s); /* NULL: 0 */
/* NULL-terminated; NULL or no strings: 0.  Empty strings are left out. */
uint32_t view_add_list(struct view_builder *b, char *const *strings);
/* The arrays are copied; of COUNTS the offsets, magic, version and size are filled in here.  What
 * went wrong while adding is reported here too.  Returns a sealed memfd, or -errno. */
int view_finish(struct view_builder *b, const struct view_header *counts,
	const struct view_base *bases, const struct view_board *boards,
	const struct view_action *actions, const struct view_press *press,
	const struct view_drop *drops, const struct view_labels *labels);

#endif
