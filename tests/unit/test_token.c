/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/token.h"

#include <string.h>

static void test_hex_leads_back(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct token t = token_new(), back;
		char hex[TOKEN_HEX + 1];

		assert_ptr_equal(token_hex(&t, hex), hex);
		assert_int_equal(strspn(hex, "0123456789abcdef"), TOKEN_HEX);
		assert_int_equal(hex[TOKEN_HEX], '\0');
		assert_true(token_parse(hex, &back));
		assert_true(token_equal(&t, &back));
	}
}

static void test_digits_are_in_order(void **state)
{
	struct token t;

	(void)state;
	assert_true(token_parse("000102030405060708090a0b0c0d0eff", &t));
	for (int i = 0; i < 15; i++)
		assert_int_equal(t.b[i], i);
	assert_int_equal(t.b[15], 0xFF);
}

static void test_tokens_differ(void **state)
{
	struct token seen[64];

	(void)state;
	for (size_t i = 0; i < N_OF(seen); i++) {
		seen[i] = token_new();
		assert_false(token_is_zero(&seen[i]));
		for (size_t k = 0; k < i; k++)
			assert_false(token_equal(&seen[i], &seen[k]));
	}
}

static void test_zero(void **state)
{
	struct token t = {{0}};

	(void)state;
	assert_true(token_is_zero(&t));
	t.b[15] = 1;
	assert_false(token_is_zero(&t));
}

static void test_what_is_no_token(void **state)
{
	static const char *const wrong[] = {
		"",
		"0",
		"000102030405060708090a0b0c0d0e0",   /* 31 */
		"000102030405060708090a0b0c0d0e0f0", /* 33 */
		"000102030405060708090A0b0c0d0e0f",  /* upper case: two names for one token */
		"000102030405060708090g0b0c0d0e0f",
		" 00102030405060708090a0b0c0d0e0f",
		"../.././../../../../../../../etc",
		"0x0102030405060708090a0b0c0d0e0f",
		"00010203-0405-0607-0809-0a0b0c0d0e0f",
	};
	struct token t = {{42}};

	(void)state;
	for (size_t i = 0; i < N_OF(wrong); i++) {
		assert_false(token_parse(wrong[i], &t));
		assert_int_equal(t.b[0], 42);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex_leads_back),
		cmocka_unit_test(test_digits_are_in_order),
		cmocka_unit_test(test_tokens_differ),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_what_is_no_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
