/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "cli/json.h"
#include "common/fd.h"
#include "common/states.h"

#include <stdio.h>
#include <string.h>

#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* What json_print() writes, for the caller to free. */
static char *printed(struct json_object *value)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	json_print(value, false, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void check(const char *s, size_t len, const char *want)
{
	_cleanup_free_ char *text = printed(json_text(s, len));

	assert_string_equal(text, want);
}

static void test_text(void **state)
{
	(void)state;
	check("", 0, "\"\"\n");
	check("a/b\"\\", 5, "\"a/b\\\"\\\\\"\n");
	check("gr\xC3\xBC\xC3\x9F", 6, "\"gr\xC3\xBC\xC3\x9F\"\n");
	check("a\0b", 3, "\"a\\u0000b\"\n");
}

static void test_what_is_no_utf8_is_replaced(void **state)
{
	(void)state;
	check("\xFF", 1, "\"\xEF\xBF\xBD\"\n");
	check("a\xC3", 2, "\"a\xEF\xBF\xBD\"\n");
	check("\xC3\xBC", 1, "\"\xEF\xBF\xBD\"\n"); /* LEN is believed */
	check("\xED\xA0\x80z", 4, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\"\n");
}

static void test_what_a_terminal_might_obey_is_escaped(void **state)
{
	(void)state;
	check("\x1b[2J\a\x7f", 6, "\"\\u001b[2J\\u0007\\u007f\"\n");
	check("\xC2\x9B", 2, "\"\\u009b\"\n");     /* CSI, one character */
	check("\xE2\x80\xAE", 3, "\"\\u202e\"\n"); /* right-to-left override */
	check("\xE2\x81\xA6", 3, "\"\\u2066\"\n"); /* left-to-right isolate */
	check("\xEF\xBB\xBF", 3, "\"\\ufeff\"\n"); /* byte order mark */
	check("\xC2\xA0", 2, "\"\xC2\xA0\"\n");    /* a blank that does not break: harmless */
}

static void test_times(void **state)
{
	_cleanup_free_ char *a = printed(json_time(1700000000123456)), *b = printed(json_time(0));

	(void)state;
	assert_string_equal(a, "\"2023-11-14T22:13:20.123456Z\"\n");
	assert_string_equal(b, "null\n");
}

static void test_run(void **state)
{
	const struct control_run r = {.run = 18446744073709551615ULL,
		.object = "A",
		.group = "g",
		.action = "B",
		.token = "0123",
		.trigger = TRIGGER_DROP,
		.state = STATE_MISSED,
		.certainty = CERTAINTY_OWNER,
		.exit_status = 0,
		.signal = 0,
		.user = "u",
		.claimed = 1,
		.payload = "p",
		.payload_sha256 = SHA256};
	_cleanup_free_ char *text = printed(json_run(&r));

	(void)state;
	assert_string_equal(text,
		"{\"run\":18446744073709551615,\"token\":\"0123\",\"object\":\"A\",\"group\":\"g\","
		"\"action\":\"B\",\"trigger\":\"drop\",\"user\":\"u\",\"user-certainty\":\"owner\","
		"\"address\":null,\"state\":\"missed\",\"exit-status\":0,\"signal\":null,"
		"\"claimed\":\"1970-01-01T00:00:00.000001Z\",\"started\":null,\"ended\":null,"
		"\"payload\":\"p\"}\n");
}

static void test_action(void **state)
{
	const struct control_action a = {.object = "A",
		.action = "B",
		.state = STATE_RUNNING,
		.percent = 40,
		.file_name = "B [Running 40%].txt"};
	_cleanup_free_ char *text = printed(json_action(&a));

	(void)state;
	assert_string_equal(text,
		"{\"object\":\"A\",\"group\":null,\"action\":\"B\",\"description\":null,"
		"\"path\":null,\"file-name\":\"B [Running 40%].txt\",\"state\":\"running\","
		"\"percent\":40,\"since\":null,\"progress\":null,\"note\":null,\"run\":null}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_what_is_no_utf8_is_replaced),
		cmocka_unit_test(test_what_a_terminal_might_obey_is_escaped),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
