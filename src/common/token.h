/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens: 128 random bits that make a press countable.  Each flag has one; a press spends it; the
 * name of the claim (<state>/runs/<token>) and of what was taken (<path>/.flagman/staging/<token>)
 * is its 32 lower-case hex digits.
 */
#ifndef FLAGMAN_TOKEN_H
#define FLAGMAN_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_HEX 32

struct token {
	uint8_t b[16];
};

struct token token_new(void); /* getrandom(2); dies if the kernel has none */
bool token_is_zero(const struct token *t);
bool token_equal(const struct token *a, const struct token *b);
/* BUF holds TOKEN_HEX + 1 bytes; returned. */
char *token_hex(const struct token *t, char *buf);
/* Exactly 32 lower-case hex digits, or false. */
bool token_parse(const char *hex, struct token *ret);

#endif
