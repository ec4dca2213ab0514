/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volume descriptors, as people make them and as nobody should: every number in them is a claim. */
#include "unit.h"

#include "disc/volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTORS 400

static unsigned char image[SECTORS * 2048];
static size_t length;
static int broken; /* errno of each read behind the head */

static ssize_t read_image(void *source, void *to, size_t size, uint64_t offset)
{
	(void)source;
	if (broken && offset > 0)
		return -broken;
	if (offset >= length)
		return 0;
	if (size > length - offset)
		size = length - offset;
	memcpy(to, image + offset, size);
	return (ssize_t)size;
}

static void le(size_t at, uint32_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		image[at + i] = (unsigned char)(value >> 8 * i);
}

static void put_iso9660(unsigned sector, uint32_t size)
{
	size_t at = sector * 2048U;

	image[at] = 1;
	memcpy(image + at + 1, "CD001\001", 6);
	memset(image + at + 40, ' ', 32);
	memcpy(image + at + 40, "A LABEL", 7);
	le(at + 80, size, 4);
	le(at + 128, 2048, 2);
	memset(image + at + 883, ' ', 512);
}

static void put_udf(uint32_t where, uint32_t bytes)
{
	memcpy(image + 17 * 2048 + 1, "NSR02", 5);
	le(256 * 2048, 2, 2);
	le(256 * 2048 + 16, bytes, 4);
	le(256 * 2048 + 20, where, 4);
}

static void put_partition(unsigned sector, uint32_t start, uint32_t size)
{
	le(sector * 2048, 5, 2);
	le(sector * 2048 + 188, start, 4);
	le(sector * 2048 + 192, size, 4);
}

static struct volume look(void)
{
	struct volume v;

	assert_int_equal(volume_look(read_image, NULL, &v), 0);
	return v;
}

static int set_up(void **state)
{
	(void)state;
	memset(image, 0, sizeof(image));
	length = sizeof(image);
	broken = 0;
	return 0;
}

static void test_nothing(void **state)
{
	struct volume v = look();

	(void)state;
	assert_false(v.iso9660 || v.udf);
	assert_int_equal(v.size, 0);
	assert_string_equal(v.id, "");
	for (length = 0; length < 40 * 2048; length += 1021)
		assert_int_equal(look().size, 0);
}

static void test_iso9660(void **state)
{
	(void)state;
	put_iso9660(16, 300);
	struct volume v = look();
	assert_true(v.iso9660 && !v.udf);
	assert_int_equal(v.size, 300 * 2048);
	assert_string_equal(v.label, "A LABEL");
	assert_int_equal(strlen(v.id), 32);
	image[16 * 2048 + 813]++; /* the date */
	assert_string_not_equal(look().id, v.id);
	image[16 * 2048 + 813]--;
	image[40 * 2048]++; /* what is in a file is not of the descriptors */
	assert_string_equal(look().id, v.id);
}

static void test_the_descriptor_comes_later(void **state)
{
	(void)state;
	memcpy(image + 16 * 2048 + 1, "CD001", 5); /* a boot record */
	put_iso9660(18, 300);
	assert_int_equal(look().size, 0); /* 17 ends the sequence */
	memcpy(image + 17 * 2048 + 1, "CD001", 5);
	assert_int_equal(look().size, 300 * 2048);
}

static void test_sizes_that_cannot_be(void **state)
{
	(void)state;
	put_iso9660(16, UINT32_MAX);
	le(16 * 2048 + 128, 0xffff, 2);
	assert_int_equal(look().size, (uint64_t)UINT32_MAX * 0xffff);
	le(16 * 2048 + 128, 0, 2);
	assert_int_equal(look().size, 0);
}

static void test_labels(void **state)
{
	(void)state;
	put_iso9660(16, 300);
	memcpy(image + 16 * 2048 + 40, "a\x1b[31m\xff\n\t \"$", 12);
	assert_string_equal(look().label, "a?[31m??? \"$");
	memset(image + 16 * 2048 + 40, 'x', 32);
	assert_int_equal(strlen(look().label), 32);
}

static void test_udf(void **state)
{
	(void)state;
	put_udf(32, 3 * 2048);
	put_partition(33, 257, 100);
	le(34 * 2048, 8, 2);
	put_partition(35, 257, 1000); /* behind the end */
	struct volume v = look();
	assert_true(v.udf && !v.iso9660);
	assert_int_equal(v.size, 357 * 2048);
	assert_int_equal(strlen(v.id), 32);
	put_iso9660(16, 300);
	assert_int_equal(look().size, 357 * 2048);
	put_iso9660(16, 390);
	assert_int_equal(look().size, 390 * 2048);
}

static void test_udf_that_lies(void **state)
{
	struct volume v;

	(void)state;
	put_udf(UINT32_MAX, UINT32_MAX);
	assert_int_equal(look().size, 0);
	put_udf(32, UINT32_MAX);
	put_partition(40, UINT32_MAX, UINT32_MAX);
	assert_int_equal(look().size, 2 * (uint64_t)UINT32_MAX * 2048);
	put_udf(32, 100);
	assert_int_equal(look().size, 0);
	put_udf(SECTORS - 1, 16 * 2048); /* half of it is not there */
	length = sizeof(image) - 1000;
	assert_int_equal(look().size, 0);
	broken = EIO;
	assert_int_equal(volume_look(read_image, NULL, &v), -EIO);
}

static bool implanted(const char *text, struct implanted *ret)
{
	memcpy(image + IMPLANTED_AT, text, strlen(text));
	struct volume v = look();
	return volume_implanted(&v, ret);
}

static void test_implanted(void **state)
{
	struct implanted i;

	(void)state;
	put_iso9660(16, 300);
	assert_false(implanted("", &i));
	assert_true(
		implanted("ISO MD5SUM = 0123456789ABCDEF0123456789abcdef;SKIPSECTORS = 15;", &i));
	assert_string_equal(i.md5, "0123456789abcdef0123456789abcdef");
	assert_int_equal(i.size, 285 * 2048);
	assert_false(
		implanted("ISO MD5SUM = 0123456789abcdef0123456789abcdeg;SKIPSECTORS = 15;", &i));
	assert_false(
		implanted("ISO MD5SUM = 0123456789abcdef0123456789abcdef;SKIPSECTORS = -1;", &i));
	assert_false(
		implanted("ISO MD5SUM = 0123456789abcdef0123456789abcdef;SKIPSECTORS = x;;", &i));
	assert_false(
		implanted("ISO MD5SUM = 0123456789abcdef0123456789abcdef;SKIPSECTORS = 299;", &i));
	assert_false(implanted(
		"ISO MD5SUM = 0123456789abcdef0123456789abcdef;SKIPSECTORS = 99999999999999999999;",
		&i));
}

static void test_implanted_up_to_the_edge(void **state)
{
	struct implanted i;
	struct volume v;

	(void)state;
	put_iso9660(16, 300);
	memset(image + IMPLANTED_AT, 'a', IMPLANTED_SIZE);
	memcpy(image + IMPLANTED_AT + IMPLANTED_SIZE - 20, "ISO MD5SUM = 0123456", 20);
	v = look();
	assert_false(volume_implanted(&v, &i));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),
		TEST(test_iso9660),
		TEST(test_the_descriptor_comes_later),
		TEST(test_sizes_that_cannot_be),
		TEST(test_labels),
		TEST(test_udf),
		TEST(test_udf_that_lies),
		TEST(test_implanted),
		TEST(test_implanted_up_to_the_edge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
