/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of a disc's record: what a command says, taken only as far as it fits. */
#include "unit.h"

#include "agent/disc.h"

#include <stdio.h>
#include <string.h>

#define SHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID  "0123456789abcdef0123456789abcdef"

static void test_whole(void **state)
{
	struct disc d;

	(void)state;
	assert_true(disc_parse("verb=burn\tverdict=not verified\tsha256=" SHA "\tlength=42\tid=" ID
			       "\tmedia=DVD+R\tproduct=MCC/004/0\tspeed=7"
			       "\tmore=x\timage=a = b.iso",
		&d));
	assert_string_equal(d.verb, "burn");
	assert_string_equal(d.verdict, "not verified");
	assert_string_equal(d.against, "");
	assert_string_equal(d.sha256, SHA);
	assert_string_equal(d.id, ID);
	assert_string_equal(d.media, "DVD+R");
	assert_string_equal(d.product, "MCC/004/0");
	assert_string_equal(d.image, "a = b.iso");
	assert_int_equal(d.length, 42);
	assert_int_equal(d.speed, 7);
}

static void test_what_is_none(void **state)
{
	static const char *const texts[] = {"", "\t\t", "verb", "verb=burn", "verdict=matches",
		"verb=burn\tverdict=perfect", "verb=eat\tverdict=matches",
		"verb=burn\tverdict=matches\tagainst=nothing", "xverb=burn\tverdict=matches",
		"verb=burnburnburnburnburnburn\tverdict=matches",
		"verb=burn\tverdict=matches\tlength=18446744073709551615"};
	struct disc d;

	(void)state;
	for (size_t i = 0; i < N_OF(texts); i++)
		assert_false(disc_parse(texts[i], &d));
}

static void test_what_does_not_fit(void **state)
{
	char text[900] = "verb=verify\tverdict=differs\tsha256=" SHA "a\tid=xyz\tmedia=";
	struct disc d;

	(void)state;
	memset(text + strlen(text), 'm', 100);
	assert_true(disc_parse(text, &d));
	assert_string_equal(d.sha256, "");
	assert_string_equal(d.id, "");
	assert_string_equal(d.media, "");
}

static void test_a_long_name_is_cut(void **state)
{
	char text[900] = "verb=burn\tverdict=matches\timage=x";
	struct disc d;

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "\xc3\xa4");
	assert_true(disc_parse(text, &d));
	assert_int_equal(strlen(d.image), sizeof(d.image) - 1); /* 1 + 2 * 127 */
	memmove(strstr(text, "x"), strstr(text, "x") + 1, 401);
	assert_true(disc_parse(text, &d));
	assert_int_equal(strlen(d.image), sizeof(d.image) - 2); /* whole characters */
}

static void test_words(void **state)
{
	struct disc d = {.verdict = "matches"};
	char words[128];

	(void)state;
	assert_string_equal(disc_verdict_words(&d, words, sizeof(words)), "matches");
	strcpy(d.against, "record");
	assert_string_equal(
		disc_verdict_words(&d, words, sizeof(words)), "matches (by the recorded SHA-256)");
}

static void test_result(void **state)
{
	struct disc d = {.verb = "burn",
		.verdict = "differs",
		.against = "image",
		.media = "CD-R",
		.sha256 = SHA,
		.length = 42};
	struct run r = {.id = 7,
		.state = STATE_FAILED,
		.end = {.kind = END_EXITED, .code = 1, .lasted = 5000000},
		.user = (char[]){"alice"},
		.why = (char[]){"the disc differs"},
		.payload = (char[]){"a\nb.iso"}};
	struct buf b = BUF_INIT(4096);

	(void)state;
	assert_int_equal(disc_result(&b, &r, &d, 0), 0);
	assert_string_equal(buf_str(&b), "a\\x0Ab.iso: the disc differs (exit status 1)\r\n"
					 "\r\n"
					 "Verdict   differs (byte for byte with the image)\r\n"
					 "Disc      CD-R\r\n"
					 "Length    42 bytes\r\n"
					 "SHA-256   " SHA "\r\n"
					 "By        alice\r\n"
					 "Took      5 s\r\n"
					 "Run       7\r\n");
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_a_long_name_is_cut),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
