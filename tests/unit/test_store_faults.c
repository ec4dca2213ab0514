/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk, a crash or a full file system does to the store.  SQLite is the real one; only
 * fdatasync(2) is counted, and made to fail, on its way to the kernel.
 */
#include "store_fixture.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct {
	unsigned wal, other;
	int fail; /* so many of the next ones */
} syncs;

/* Stands before libc's for libsqlite3, too. */
int fdatasync(int fd)
{
	char link[64], path[256] = "";

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof path - 1) > 4 &&
		strcmp(path + strlen(path) - 4, "-wal") == 0)
		syncs.wal++;
	else
		syncs.other++;
	if (syncs.fail > 0) {
		syncs.fail--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void forget_syncs(void)
{
	syncs.wal = syncs.other = 0;
	syncs.fail = 0;
}

static void plain_commit_does_not_sync(void **state)
{
	struct fixture *f = *state;
	struct stored_flag in = flag_of("Apache", "Restart", 1);

	assert_int_equal(store_put_flag(f->s, &in), 0);
	assert_int_equal(store_commit_durable(f->s), 0);
	forget_syncs();
	for (int i = 0; i < 50; i++) {
		assert_int_equal(store_begin(f->s), 0);
		in.since = i;
		assert_int_equal(store_put_flag(f->s, &in), 0);
		assert_int_equal(store_commit(f->s), 0);
	}
	assert_int_equal(syncs.wal + syncs.other, 0);
}

static void durable_commit_syncs_what_went_before(void **state)
{
	struct fixture *f = *state;

	forget_syncs();
	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	assert_int_equal(syncs.wal, 0);
	assert_int_equal(store_begin(f->s), 0); /* an empty transaction behind an unsynced commit */
	assert_int_equal(store_commit_durable(f->s), 0);
	assert_int_equal(syncs.wal, 1);
	assert_int_equal(store_commit_durable(f->s), 0); /* nothing new */
	assert_int_equal(syncs.wal, 1);
	assert_int_equal(store_begin(f->s), 0);
	put_run(f->s, 2, "Apache", "Restart", STATE_DONE);
	assert_int_equal(store_commit_durable(f->s), 0);
	assert_int_equal(syncs.wal, 2);
}

static void in_another_process(const char *path, void (*work)(struct store *s))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = NULL;
		bool damaged;
		if (store_open(path, &s, &damaged) == 0)
			work(s);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void die_in_a_turn(struct store *s)
{
	struct run r = run_of(1, "Apache", "Restart", STATE_RUNNING);

	if (store_begin(s) == 0 && store_put_run(s, &r) == 0 && store_commit(s) == 0) {
		r = run_of(2, "Apache", "Stop", STATE_RUNNING);
		if (store_begin(s) == 0 && store_put_run(s, &r) == 0)
			kill(getpid(), SIGKILL);
	}
}

static void killed_process_leaves_whole_turns(void **state)
{
	struct fixture *f = *state;

	f->s = store_close(f->s);
	in_another_process(f->path, die_in_a_turn);
	reopen(f, false);
	assert_int_equal(runs_in(f->s), 1);
	assert_int_equal(store_last_run_id(f->s), 1);
	/* its commit was not synced: the first durable one here has to */
	forget_syncs();
	assert_int_equal(store_commit_durable(f->s), 0);
	assert_int_equal(syncs.wal, 1);
}

static void failed_sync_is_not_believed_later(void **state)
{
	struct fixture *f = *state;

	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	forget_syncs();
	syncs.fail = 1;
	assert_int_equal(store_commit_durable(f->s), -EIO);
	/* A second fsync of the same pages would "succeed"; the data base itself must be synced. */
	forget_syncs();
	syncs.fail = 100;
	assert_int_equal(store_commit_durable(f->s), -EIO);
	forget_syncs();
	assert_int_equal(store_commit_durable(f->s), 0);
	assert_true(syncs.other >= 1);
	assert_int_equal(runs_in(f->s), 1);
}

/* --- damage --- */

static void path_of(const struct fixture *f, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", f->dir, name);
}

static void overwrite(const struct fixture *f, const char *name, off_t offset, size_t len)
{
	char path[128];
	_cleanup_free_ char *noise = malloc(len);

	path_of(f, name, path, sizeof path);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	memset(noise, 0xa5, len);
	assert_int_equal(pwrite(fd, noise, len, offset), len);
}

static void fill(struct store *s, unsigned objects)
{
	char object[64];

	assert_int_equal(store_begin(s), 0);
	for (unsigned i = 0; i < objects; i++) {
		static const char *const actions[] = {"Restart", "Start", "Stop"};

		snprintf(object, sizeof object, "Object number %05u", i);
		for (size_t j = 0; j < 3; j++) {
			struct stored_flag in = flag_of(object, actions[j], 3 * i + j);
			assert_int_equal(store_put_flag(s, &in), 0);
		}
	}
	assert_int_equal(store_commit(s), 0);
}

static char found[256];

static void find_damaged(const char *path)
{
	if (strstr(path, ".damaged-") && !strstr(path, "-wal"))
		snprintf(found, sizeof found, "%s", path);
}

static void assert_put_aside(const struct fixture *f)
{
	found[0] = '\0';
	each_file(f->dir, find_damaged);
	assert_true(found[0]);
	assert_int_equal(flags_in(f->s), 0);
	fill(f->s, 2);
	assert_int_equal(flags_in(f->s), 6);
}

static void noise_is_put_aside(void **state)
{
	struct fixture *f = *state;

	fill(f->s, 10);
	f->s = store_close(f->s);
	overwrite(f, "flagman.db", 0, 8192);
	reopen(f, true);
	assert_put_aside(f);
	reopen(f, false);
	assert_int_equal(flags_in(f->s), 6);
}

static void short_file_is_put_aside(void **state)
{
	struct fixture *f = *state;
	char path[128];

	fill(f->s, 1000);
	f->s = store_close(f->s);
	path_of(f, "flagman.db", path, sizeof path);
	assert_int_equal(truncate(path, 100 * 1024), 0);
	reopen(f, true);
	assert_put_aside(f);
}

static void damage_within_is_found_by_the_next_start(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;

	fill(f->s, 1000);
	f->s = store_close(f->s);
	overwrite(f, "flagman.db", (off_t)40 * 4096, (size_t)20 * 4096);
	reopen(f, false);
	assert_int_equal(store_each_flag(f->s, count_flag, &n), -EUCLEAN);
	assert_true(n < 3000);
	reopen(f, true);
	assert_put_aside(f);
	reopen(f, false);
}

static void needless_suspicion_costs_nothing(void **state)
{
	struct fixture *f = *state;
	char path[128];

	fill(f->s, 10);
	f->s = store_close(f->s);
	overwrite(f, "flagman.db.suspect", 0, 1);
	reopen(f, false);
	assert_int_equal(flags_in(f->s), 30);
	path_of(f, "flagman.db.suspect", path, sizeof path);
	assert_int_equal(access(path, F_OK), -1);
}

static void noise_in_the_wal_is_ignored(void **state)
{
	struct fixture *f = *state;

	fill(f->s, 10);
	f->s = store_close(f->s); /* all of it is in the data base now */
	overwrite(f, "flagman.db-wal", 0, 50000);
	reopen(f, false);
	assert_int_equal(flags_in(f->s), 30);
	fill(f->s, 20);
	reopen(f, false);
	assert_int_equal(flags_in(f->s), 60);
}

/* --- where nothing can be written --- */

static void expect_refusal(struct fixture *f, int error)
{
	bool damaged;
	int r = store_open(f->path, &f->s, &damaged);

	if (r != error)
		fail_msg("%d instead of %d: %s", r, error, store_error(NULL));
	assert_null(f->s);
	assert_true(store_error(NULL)[0]);
}

static void directory_without_permission(void **state)
{
	struct fixture *f = *state;
	bool root = geteuid() == 0;
	char path[128];

	fill(f->s, 10);
	f->s = store_close(f->s);
	path_of(f, "flagman.db", path, sizeof path);
	if (root) {
		assert_int_equal(chown(f->dir, 65534, 65534), 0);
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(chmod(f->dir, 0500), 0);
	expect_refusal(f, -EACCES);
	assert_int_equal(chmod(f->dir, 0700), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(chmod(f->dir, 0500), 0);
	expect_refusal(f, -EACCES);
	assert_int_equal(chmod(f->dir, 0700), 0);
	if (root)
		assert_int_equal(seteuid(0), 0);
	reopen(f, false);
}

static void missing_directory(void **state)
{
	struct fixture *f = *state;
	bool damaged;
	struct store *s = NULL;

	(void)f;
	assert_int_equal(store_open("/nonexistent/flagman/flagman.db", &s, &damaged), -ENOENT);
	assert_null(s);
}

static bool write_map(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Mounts of our own; an ordinary user gets them in a user name space, where there may be one. */
static bool own_mounts(void)
{
	char uids[32], gids[32];

	if (geteuid() == 0)
		return unshare(CLONE_NEWNS) == 0;
	snprintf(uids, sizeof uids, "0 %u 1", (unsigned)geteuid());
	snprintf(gids, sizeof gids, "0 %u 1", (unsigned)getegid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       write_map("/proc/self/setgroups", "deny") && write_map("/proc/self/uid_map", uids) &&
	       write_map("/proc/self/gid_map", gids);
}

/* A small tmpfs over the fixture's directory, seen by this process alone. */
static void mount_small(struct fixture *f, const char *options)
{
	if (!own_mounts())
		skip(); /* the limit of a file's size stands in for it: see below */
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	f->s = store_close(f->s);
	assert_int_equal(mount("none", f->dir, "tmpfs", 0, options), 0);
}

static void read_only_mount(void **state)
{
	struct fixture *f = *state;

	mount_small(f, "size=4m,mode=0700");
	reopen(f, false);
	fill(f->s, 10);
	f->s = store_close(f->s);
	assert_int_equal(mount("none", f->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	expect_refusal(f, -EROFS);
	assert_int_equal(mount("none", f->dir, NULL, MS_REMOUNT, NULL), 0);
	reopen(f, false);
	assert_int_equal(flags_in(f->s), 30);
	f->s = store_close(f->s);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
}

/* With no room left: a turn that fails leaves nothing of itself, and what was there stays. */
static void write_until_full(struct store *s)
{
	struct buf big = BUF_INIT(4 << 20);
	int r = 0;

	for (int i = 0; i < 1 << 20; i++)
		buf_addc(&big, 'x');
	assert_int_equal(store_begin(s), 0);
	put_run(s, 1000, "Apache", "Restart", STATE_DONE); /* fits, and must go with the rest */
	for (uint64_t i = 1000; r == 0 && i < 1100; i++)
		r = store_put_output(s, i, &big, NULL, 0);
	buf_done(&big);
	if (r < 0) { /* or the commit is the first to find out */
		struct run after = run_of(1001, "Apache", "Stop", STATE_DONE);
		assert_int_equal(r, -ENOSPC);
		assert_int_equal(store_put_run(s, &after), -ENOSPC);
		assert_int_equal(store_begin(s), -ENOSPC);
	}
	assert_int_equal(store_commit(s), -ENOSPC);
	assert_true(store_error(s)[0]);
	assert_false(store_dirty(s));
	assert_int_equal(runs_in(s), 1);
	assert_int_equal(flags_in(s), 30);
}

static void write_again(struct fixture *f)
{
	assert_int_equal(store_begin(f->s), 0);
	put_run(f->s, 2, "Apache", "Restart", STATE_DONE);
	assert_int_equal(store_commit_durable(f->s), 0);
	assert_int_equal(runs_in(f->s), 2);
	reopen(f, false);
	assert_int_equal(runs_in(f->s), 2);
}

static void full_disk(void **state)
{
	struct fixture *f = *state;
	char path[128], page[4096] = {0};

	mount_small(f, "size=3m,mode=0700");
	reopen(f, false);
	fill(f->s, 10);
	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	write_until_full(f->s);

	path_of(f, "filler", path, sizeof path);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, page, sizeof page) > 0)
		;
	/* Full to the last byte: it can still be opened and read, for the flags must be known. */
	reopen(f, false);
	assert_int_equal(flags_in(f->s), 30);
	assert_int_equal(runs_in(f->s), 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	write_again(f);
	f->s = store_close(f->s);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
}

static void limited_file_size(void **state)
{
	struct fixture *f = *state;
	struct rlimit was, small;

	fill(f->s, 10);
	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 2 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	write_until_full(f->s);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	write_again(f);
}

/* DESIGN section 5: 20 MiB for 30,000 flags, all processes; the store's part is to be small. */
static void many_flags_take_little_memory(void **state)
{
	struct fixture *f = *state;

	f->s = store_close(f->s);
	size_t before = mallinfo2().uordblks;
	reopen(f, false);
	fill(f->s, 10000);
	assert_int_equal(flags_in(f->s), 30000);
	assert_true(mallinfo2().uordblks < before + 400 * 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_commit_does_not_sync),
		TEST(durable_commit_syncs_what_went_before),
		TEST(killed_process_leaves_whole_turns),
		TEST(failed_sync_is_not_believed_later),
		TEST(noise_is_put_aside),
		TEST(short_file_is_put_aside),
		TEST(damage_within_is_found_by_the_next_start),
		TEST(needless_suspicion_costs_nothing),
		TEST(noise_in_the_wal_is_ignored),
		TEST(directory_without_permission),
		TEST(missing_directory),
		TEST(read_only_mount),
		TEST(full_disk),
		TEST(limited_file_size),
		TEST(many_flags_take_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
