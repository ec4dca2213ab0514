/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading words and numbers off a line of text, one after another.
 */
#ifndef FLAGMAN_EXECUTOR_SCAN_H
#define FLAGMAN_EXECUTOR_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal number at *TEXT, after blanks; *TEXT moves behind it.  False: there is none, or one
 * that does not fit. */
bool scan_number(const char **text, uint64_t *ret);
/* N of them into RET. */
bool scan_numbers(const char **text, uint64_t *ret, size_t n);
/* The blanks and a word at *TEXT are exactly WORD; *TEXT moves behind it. */
bool scan_word(const char **text, const char *word);
/* Moves *TEXT behind N words; false if there are fewer. */
bool scan_skip(const char **text, size_t n);

#endif
