/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small pure parts of the executor: cgroup paths, access lists, remembered file systems, ends. */
#include "executor/base.h"
#include "executor/cgroup.h"
#include "executor/claims.h"
#include "executor/follower.h"
#include "executor/ntacl.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char mounts[] =
	"22 1 0:20 / /proc rw - proc proc rw\n"
	"30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

static void check_cgroup(const char *cgroup, const char *mountinfo, const char *expected)
{
	char path[128];

	assert_int_equal(cgroup_locate(cgroup, mountinfo, path, sizeof(path)), 0);
	assert_string_equal(path, expected);
}

static void test_cgroup_paths(void **state)
{
	char path[128];

	(void)state;
	check_cgroup("0::/system.slice/flagmand.service\n", mounts,
		"/sys/fs/cgroup/system.slice/flagmand.service");
	check_cgroup("0::/\n", mounts, "/sys/fs/cgroup");
	check_cgroup("9:memory:/x\n1:name=systemd:/y\n0::/a b\n",
		"30 1 0:26 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n",
		"/sys/fs/cgroup/unified/a b");
	/* A container sees its own part of the hierarchy, or none of ours. */
	check_cgroup("0::/box/inner\n", "30 1 0:26 /box /cg rw - cgroup2 none rw\n", "/cg/inner");
	assert_int_equal(cgroup_locate("0::/boxes/inner\n",
				 "30 1 0:26 /box /cg rw - cgroup2 none rw\n", path, sizeof(path)),
		-ENOENT);
	assert_int_equal(cgroup_locate("4:memory:/x\n", mounts, path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup_locate("0::/x\n", "30 1 0:26 / /c rw - cgroup none rw\n", path,
				 sizeof(path)),
		-ENOENT);
	assert_int_equal(cgroup_locate("", "", path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup_locate("0::/system.slice\n", mounts, path, 10), -ENAMETOOLONG);
}

/* What Samba's own ndr_pack() makes of version 1 and
 * O:S-1-22-1-1000 G:S-1-22-2-1001 D:P(A;OICI;FA;;;S-1-22-1-1000)(A;OICI;FA;;;SY)
 * (A;;0x001200e9;;;S-1-22-2-1001)(A;OIIO;0x00120089;;;S-1-22-2-1001), but that FA is 0x1f01ff and
 * the list's revision is 2, as with clients. */
static void test_the_access_list(void **state)
{
	static const char golden[] =
		"0100010000000200010004901c0000002c000000000000003c00000001020000000000160100"
		"0000e8030000010200000000001602000000e9030000020064000400000000031800ff011f00"
		"010200000000001601000000e803000000031400ff011f000101000000000005120000000000"
		"1800e9001200010200000000001602000000e90300000009180089001200010200000000001"
		"602000000e9030000";
	uint8_t value[NTACL_MAX];
	char hex[2 * NTACL_MAX + 1] = "";
	size_t len = ntacl_encode(value, 1000, 1001);

	(void)state;
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", value[i]);
	assert_string_equal(hex, golden);
}

static void test_another_file_system(void **state)
{
	const struct base_memory known = {.id = {1, 2, 3}, .fsid = 4};
	struct base_memory now = known;

	(void)state;
	assert_false(base_is_other(&known, &now));
	now.id.dev = 9; /* renumbered */
	assert_false(base_is_other(&known, &now));
	now.fsid = 9;
	assert_false(base_is_other(&known, &now));
	now.id.ino = 9;
	assert_true(base_is_other(&known, &now));
	now.fsid = 4; /* made anew in the same place */
	assert_false(base_is_other(&known, &now));
}

static void test_what_is_remembered(void **state)
{
	const struct base_memory a = {.id = {1, 2, UINT64_MAX}, .fsid = UINT64_MAX},
				 b = {.fsid = 7};
	char path[] = "/tmp/flagman-bases-XXXXXX";
	struct base_records r = {0};
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	base_records_load(dir, &r);
	assert_int_equal(r.n, 0);
	base_remember(&r, "/srv/a b", &a);
	base_remember(&r, "/srv", &b);
	base_remember(&r, "/srv", &b);
	assert_int_equal(base_records_save(dir, &r), 0);
	base_records_done(&r);
	base_records_load(dir, &r);
	assert_int_equal(r.n, 2);
	assert_false(r.changed);
	assert_memory_equal(base_recall(&r, "/srv/a b"), &a, sizeof(a));
	assert_memory_equal(base_recall(&r, "/srv"), &b, sizeof(b));
	assert_null(base_recall(&r, "/"));
	base_records_done(&r);
	unlinkat(dir, "bases", 0);
	close(dir);
	rmdir(path);
}

static void test_ends(void **state)
{
	const uint8_t success[32] = {1 | 1 << 3};
	struct run_end end = {.kind = END_EXITED};

	(void)state;
	claim_finish_end(&end, STOP_NONE, success);
	assert_true(end.success);
	end.code = 3;
	claim_finish_end(&end, STOP_NONE, success);
	assert_true(end.success);
	claim_finish_end(&end, STOP_CANCEL, success);
	assert_false(end.success);
	assert_int_equal(end.stop, STOP_CANCEL);
	end.code = 4;
	claim_finish_end(&end, STOP_NONE, success);
	assert_false(end.success);
	end.code = -1; /* no such bit */
	claim_finish_end(&end, STOP_NONE, success);
	assert_false(end.success);
	end = (struct run_end){.kind = END_SIGNALED};
	claim_finish_end(&end, STOP_NONE, success);
	assert_false(end.success);
}

/* A FIFO without a writer is over, from the first look on; with one it is not. */
static void test_alive(void **state)
{
	char path[] = "/tmp/flagman-alive-XXXXXX", fifo[64];
	int reader, writer;

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(fifo, sizeof(fifo), "%s/alive", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_false(claim_is_alive(reader));
	writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(claim_is_alive(reader));
	assert_int_equal(write(writer, "xx", 2), 2);
	assert_true(claim_is_alive(reader));
	assert_int_equal(write(writer, "x", 1), 1);
	close(writer);
	assert_false(claim_is_alive(reader));
	close(reader);
	unlink(fifo);
	rmdir(path);
}

static void check_argv(const char *source, const char *expected)
{
	const char *argv[FOLLOWER_ARGV_MAX];
	char line[512] = "";

	follower_argv(source, argv);
	for (size_t i = 0; argv[i]; i++) {
		assert_true(i + 1 < FOLLOWER_ARGV_MAX);
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s[%s]", i ? " " : "",
			argv[i]);
	}
	assert_string_equal(line, expected);
}

static void test_what_follows_a_log(void **state)
{
	(void)state;
	check_argv("journal",
		"[/usr/bin/journalctl] [--follow] [--quiet] [--lines=0] [--output=cat] "
		"[--identifier=smbd_audit] [_SYSTEMD_UNIT=smbd.service] "
		"[_SYSTEMD_UNIT=smb.service] [_SYSTEMD_UNIT=samba-ad-dc.service] "
		"[_SYSTEMD_UNIT=samba.service]");
	check_argv("/var/log/samba/log.smbd",
		"[/usr/bin/tail] [--quiet] [-n] [0] [-F] [--] [/var/log/samba/log.smbd]");
	check_argv("/srv/a log", "[/usr/bin/tail] [--quiet] [-n] [0] [-F] [--] [/srv/a log]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroup_paths),
		cmocka_unit_test(test_the_access_list),
		cmocka_unit_test(test_another_file_system),
		cmocka_unit_test(test_what_is_remembered),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_alive),
		cmocka_unit_test(test_what_follows_a_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
