/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who mounted it: lines of proc_pid_mountinfo(5). */
#include "unit.h"

#include "disc/busy.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DRIVE makedev(11, 0)

static const char *who_has(const char *line)
{
	static char who[256];
	char copy[4096];

	snprintf(copy, sizeof(copy), "%s", line);
	*who = '\0';
	return busy_read_mount(copy, DRIVE, who, sizeof(who)) ? who : NULL;
}

static void test_mounted(void **state)
{
	(void)state;
	assert_string_equal(who_has("36 25 11:0 / /mnt ro,relatime shared:1 - iso9660 /dev/sr0 ro"),
		"mounted on /mnt");
	assert_string_equal(
		who_has("36 25 11:0 / /media/a\\040b\\134c ro - iso9660 /dev/sr0 ro,nojoliet"),
		"mounted on /media/a b\\c");
	assert_string_equal(who_has("36 25 11:0 / /media/x ro - udf /dev/sr0 ro,uid=0,gid=0"),
		"mounted on /media/x, by root");
	assert_string_equal(
		who_has("36 25 11:0 / /media/x ro - udf /dev/sr0 ro,uid=3999999999,gid=0"),
		"mounted on /media/x, by uid 3999999999");
}

static void test_of_others(void **state)
{
	(void)state;
	assert_null(who_has("36 25 11:1 / /mnt ro - iso9660 /dev/sr1 ro"));
	assert_null(who_has("36 25 0:25 / /proc rw - proc proc rw"));
	assert_null(who_has(""));
	assert_null(who_has("36 25 11:0"));
	/* what stands in a mount point is no option */
	assert_string_equal(who_has("36 25 11:0 / /media/uid=0 ro - udf /dev/sr0 ro"),
		"mounted on /media/uid=0");
}

static void test_a_mount_point_without_end(void **state)
{
	char line[3000] = "36 25 11:0 / /";

	(void)state;
	memset(line + strlen(line), 'x', 2000);
	strcat(line, " ro - udf /dev/sr0 ro,uid=0");
	assert_true(strlen(who_has(line)) < 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounted),
		cmocka_unit_test(test_of_others),
		cmocka_unit_test(test_a_mount_point_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
