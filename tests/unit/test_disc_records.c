/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was burned before: a file that a weaker process writes. */
#include "unit.h"

#include "disc/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID    "0123456789abcdef0123456789abcdef"
#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct burned found[RECORDS_MAX];

static size_t find(const char *text)
{
	char path[] = "/tmp/flagman-records-XXXXXX";
	int fd = mkstemp(path);
	size_t n;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	n = records_find(path, ID, found);
	unlink(path);
	return n;
}

static void test_found(void **state)
{
	(void)state;
	assert_int_equal(find(ID "\t20\t" SHA_A "\tyesterday\ta b.iso\n"
				 "x\t10\t" SHA_B "\tyesterday\tother.iso\n" ID "\t10\t" SHA_B
				 "\ttoday\tc.iso\n"),
		2);
	assert_int_equal(found[0].length, 10); /* shortest first */
	assert_string_equal(found[0].sha256, SHA_B);
	assert_string_equal(found[0].name, "c.iso");
	assert_string_equal(found[0].when, "today");
	assert_int_equal(found[1].length, 20);
	assert_string_equal(found[1].name, "a b.iso");
}

static void test_what_is_none(void **state)
{
	static const char *const lines[] = {"", "\n", ID "\n", ID "\t\t\t\t\n",
		ID "\t0\t" SHA_A "\tt\tn\n", ID "\t-1\t" SHA_A "\tt\tn\n",
		ID "\t1x\t" SHA_A "\tt\tn\n", ID "\t1\tAA\tt\tn\n", ID "\t1\t" SHA_A "a\tt\tn\n",
		ID "\t1\t" SHA_A "\tt\n", "\t1\t" SHA_A "\tt\tn\n",
		ID "\t1\tXaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\tt\tn\n"};

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++)
		assert_int_equal(find(lines[i]), 0);
	assert_int_equal(records_find(NULL, ID, found), 0);
	assert_int_equal(records_find("/nonexistent", ID, found), 0);
}

/* A line of no end is passed over, whatever is in it, and takes no memory; what follows counts. */
static void test_a_long_line(void **state)
{
	static char text[64 * 1024];
	const char *const record = ID "\t1\t" SHA_A "\tt\tn\n";

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	/* where a piece may begin */
	for (size_t at = 1023; at + strlen(record) < sizeof(text); at += 1023)
		memcpy(text + at, record, strlen(record) - 1);
	assert_int_equal(find(text), 0);
	strcpy(text + 60000, "\n");
	strcpy(text + 60001, record);
	assert_int_equal(find(text), 1);
}

static void test_the_same_again_is_one(void **state)
{
	char text[64 * 200] = "";

	(void)state;
	for (int i = 0; i < 40; i++)
		strcat(text, ID "\t1\t" SHA_A "\tt\tn\n");
	assert_int_equal(find(text), 1);
}

static void test_not_more_than_there_is_room_for(void **state)
{
	char text[64 * 200] = "", line[200];

	(void)state;
	for (int i = 1; i <= 40; i++) {
		snprintf(line, sizeof(line), ID "\t%d\t" SHA_A "\tt\tn\n", i);
		strcat(text, line);
	}
	assert_int_equal(find(text), RECORDS_MAX);
	assert_int_equal(found[RECORDS_MAX - 1].length, RECORDS_MAX); /* those that came first */
}

static void test_without_an_id(void **state)
{
	char path[] = "/tmp/flagman-records-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(write(fd, "\t1\t" SHA_A "\tt\tn\n", 72) > 0);
	close(fd);
	assert_int_equal(records_find(path, "", found), 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_a_long_line),
		cmocka_unit_test(test_the_same_again_is_one),
		cmocka_unit_test(test_not_more_than_there_is_room_for),
		cmocka_unit_test(test_without_an_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
