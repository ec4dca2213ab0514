/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/token.h"

#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static const char digits[] = "0123456789abcdef";

struct token token_new(void)
{
	struct token t;
	ssize_t n;

	do {
		n = getrandom(t.b, sizeof(t.b), 0);
	} while (n < 0 && errno == EINTR);
	/* A guessable or repeated token would spend somebody else's press: better none at all. */
	if (n != sizeof(t.b))
		log_panic("getrandom gave no random bytes: %m");
	return t;
}

bool token_is_zero(const struct token *t)
{
	static const struct token zero;

	return token_equal(t, &zero);
}

bool token_equal(const struct token *a, const struct token *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

char *token_hex(const struct token *t, char *buf)
{
	for (size_t i = 0; i < sizeof(t->b); i++) {
		buf[2 * i] = digits[t->b[i] >> 4];
		buf[2 * i + 1] = digits[t->b[i] & 15];
	}
	buf[TOKEN_HEX] = '\0';
	return buf;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool token_parse(const char *hex, struct token *ret)
{
	struct token t;

	if (strnlen(hex, TOKEN_HEX + 1) != TOKEN_HEX)
		return false;
	for (size_t i = 0; i < sizeof(t.b); i++) {
		int high = digit_value(hex[2 * i]), low = digit_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		t.b[i] = (uint8_t)(high << 4 | low);
	}
	*ret = t;
	return true;
}
