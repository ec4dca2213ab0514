/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values as people write them: durations and sizes with units, modes, and a command line as a shell
 * would split it.  Pure; the words for what is wrong are the caller's (read.c).
 */
#ifndef FLAGMAN_CONFIG_VALUES_H
#define FLAGMAN_CONFIG_VALUES_H

#include "common/buf.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SECOND 1000000ULL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

enum value_error {
	VALUE_OK,
	VALUE_NONE,     /* nothing that looks like one */
	VALUE_BARE,     /* a number without its unit */
	VALUE_UNIT,     /* an unknown unit */
	VALUE_TOO_BIG,  /* does not fit */
	VALUE_DECIMAL,  /* a mode without its leading zero */
	VALUE_SYMBOLIC, /* a symbolic mode with + or - */
};

/* "1h 30min", "500ms", "0", "never" (UINT64_MAX) to us. */
enum value_error parse_duration(const char *s, uint64_t *ret);
/* "500MiB", "9G", "0", "none" (UINT64_MAX) to bytes. */
enum value_error parse_size(const char *s, uint64_t *ret);
/* "0770", "02770", "0o770", "u=rwx,g=rwx,o=". */
enum value_error parse_mode(const char *s, mode_t *ret);
/* Decimal digits only, or a minus before them. */
enum value_error parse_number(const char *s, int64_t *ret);

/* The same, written so that it parses to the same. BUF is returned. */
char *format_duration(char *buf, size_t size, uint64_t usec);
char *format_size(char *buf, size_t size, uint64_t bytes);

/* What stopped the splitting of a command line. */
enum split_error {
	SPLIT_OK,
	SPLIT_EMPTY,
	SPLIT_QUOTE,     /* a quote that does not end */
	SPLIT_BACKSLASH, /* at the very end */
	SPLIT_SHELL,     /* something that only a shell does; *RET_AT is where it stands */
	SPLIT_VARIABLE,  /* $NAME, ${, $( */
	SPLIT_GLOB,      /* an unquoted * or ? */
	SPLIT_MEMORY,
};
/* The words of LINE, each followed by a NUL, appended to OUT; *RET_N how many.  Quotes and
 * backslashes as in sh(1); nothing is expanded, and what a shell would expand is an error. */
enum split_error split_line(const char *line, struct buf *out, size_t *ret_n, size_t *ret_at);

#endif
