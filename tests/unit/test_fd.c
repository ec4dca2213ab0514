/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/fd.h"
#include "common/token.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/flagman-test-fd-XXXXXX";
static int dirfd_;

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int count_names(bool remove)
{
	_cleanup_close_ int fd = openat(dirfd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	fd = -1; /* closedir() has it */
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (remove && unlinkat(dirfd_, e->d_name, 0) < 0)
			unlinkat(dirfd_, e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
	return n;
}

static int empty(void **state)
{
	(void)state;
	count_names(true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(dirfd_);
	return rmdir(dir);
}

static int make(const char *name)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	close_fd(fd);
	fd = openat(dirfd_, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Where FD says it is, by statx's own number of links. */
static void assert_path(int fd, const char *name, bool deleted)
{
	char path[PATH_MAX], want[PATH_MAX];
	struct file_info info;
	bool is_deleted = !deleted;

	assert_int_equal(file_info_at(fd, "", &info), 0);
	assert_int_equal(fd_path(fd, info.nlink, path, sizeof(path), &is_deleted), 0);
	snprintf(want, sizeof(want), "%s/%s", dir, name);
	assert_string_equal(path, want);
	assert_int_equal(is_deleted, deleted);
}

static void test_path_follows_the_inode(void **state)
{
	_cleanup_close_ int fd = make("Restart.txt");

	(void)state;
	assert_path(fd, "Restart.txt", false);
	assert_int_equal(renameat(dirfd_, "Restart.txt", dirfd_, "RESTART.txt"), 0);
	assert_path(fd, "RESTART.txt", false);
	assert_int_equal(unlinkat(dirfd_, "RESTART.txt", 0), 0);
	assert_path(fd, "RESTART.txt", true);
}

static void test_renamed_over(void **state)
{
	_cleanup_close_ int fd = make("Restart.txt"), other = make("~new");

	(void)state;
	assert_int_equal(renameat(dirfd_, "~new", dirfd_, "Restart.txt"), 0);
	assert_path(fd, "Restart.txt", true);
	assert_path(other, "Restart.txt", false);
}

static void test_hard_link_kept_elsewhere(void **state)
{
	_cleanup_close_ int fd = make("Restart.txt");

	(void)state;
	assert_int_equal(linkat(dirfd_, "Restart.txt", dirfd_, "kept", 0), 0);
	assert_int_equal(unlinkat(dirfd_, "Restart.txt", 0), 0);
	assert_path(fd, "Restart.txt", true);
}

static void test_name_that_ends_like_the_kernels_words(void **state)
{
	_cleanup_close_ int fd = make("Restart.txt (deleted)");

	(void)state;
	assert_path(fd, "Restart.txt (deleted)", false);
	assert_int_equal(unlinkat(dirfd_, "Restart.txt (deleted)", 0), 0);
	assert_path(fd, "Restart.txt (deleted)", true);
}

/* Somebody puts a file of the name that the kernel's words would make. */
static void test_stranger_under_that_name(void **state)
{
	_cleanup_close_ int fd = make("Restart.txt"), other = make("Restart.txt (deleted)");

	(void)state;
	assert_int_equal(linkat(dirfd_, "Restart.txt", dirfd_, "kept", 0), 0);
	assert_int_equal(unlinkat(dirfd_, "Restart.txt", 0), 0);
	assert_path(fd, "Restart.txt", true);
	assert_path(other, "Restart.txt (deleted)", false);
}

static void test_path_without_room(void **state)
{
	_cleanup_close_ int fd = make("Restart.txt");
	char path[PATH_MAX];
	bool deleted = true;
	size_t len = strlen(dir) + strlen("/Restart.txt");

	(void)state;
	assert_int_equal(fd_path(fd, 1, path, len, &deleted), -ENAMETOOLONG);
	assert_int_equal(fd_path(fd, 1, path, 0, &deleted), -ENAMETOOLONG);
	assert_true(deleted); /* untouched */
	assert_int_equal(fd_path(fd, 1, path, len + 1, &deleted), 0);
	assert_int_equal(fd_path(-1, 1, path, sizeof(path), &deleted), -ENOENT);
}

static void test_info(void **state)
{
	_cleanup_close_ int fd = make("file");
	struct file_info a, b, link;

	(void)state;
	assert_int_equal(file_info_at(dirfd_, "file", &a), 0);
	assert_int_equal(file_info_at(fd, "", &b), 0);
	assert_true(file_id_equal(&a.id, &b.id));
	assert_true(S_ISREG(a.mode));
	assert_int_equal(a.mode & 07777 & ~0640, 0);
	assert_int_equal(a.nlink, 1);
	assert_int_equal(a.uid, geteuid());
	assert_int_equal(a.size, 0);
	assert_int_equal(symlinkat("file", dirfd_, "link"), 0);
	assert_int_equal(file_info_at(dirfd_, "link", &link), 0);
	assert_true(S_ISLNK(link.mode));
	assert_int_equal(file_info_at(dirfd_, "none", &a), -ENOENT);
	assert_true(file_id_equal(&a.id, &b.id)); /* untouched */
}

static void test_identity_outlives_a_rename_and_not_a_replacement(void **state)
{
	_cleanup_close_ int pinned = make("file"); /* its number is not given away meanwhile */
	struct file_info before, after;

	(void)state;
	assert_true(pinned >= 0);
	assert_int_equal(file_info_at(dirfd_, "file", &before), 0);
	assert_int_equal(renameat(dirfd_, "file", dirfd_, "file2"), 0);
	assert_int_equal(file_info_at(dirfd_, "file2", &after), 0);
	assert_true(file_id_equal(&before.id, &after.id));
	close_fd(make("file"));
	assert_int_equal(file_info_at(dirfd_, "file", &after), 0);
	assert_false(file_id_equal(&before.id, &after.id));
}

static void test_write_file(void **state)
{
	struct file_info info;
	char text[16];

	(void)state;
	assert_int_equal(write_file_at(dirfd_, "result", "one", 3, 0604), 0);
	assert_int_equal(write_file_at(dirfd_, "result", "two+", 4, 0604), 0);
	assert_int_equal(count_names(false), 1);
	assert_int_equal(file_info_at(dirfd_, "result", &info), 0);
	assert_int_equal(info.mode & 07777, 0604); /* whatever the umask */
	assert_int_equal(info.size, 4);

	_cleanup_close_ int fd = openat(dirfd_, "result", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread_all(fd, text, 4, 0), 0);
	assert_memory_equal(text, "two+", 4);
	assert_int_equal(pread_all(fd, text, 5, 0), -EIO);
	assert_int_equal(pread_all(fd, text, 2, 2), 0);
	assert_memory_equal(text, "o+", 2);
}

static void test_write_file_that_fails_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(dirfd_, "result", 0700), 0);
	assert_int_equal(write_file_at(dirfd_, "result", "x", 1, 0600), -EISDIR);
	assert_int_equal(count_names(false), 1);
	assert_int_equal(write_file_at(-1, "result", "x", 1, 0600), -EBADF);
}

static void test_write_all(void **state)
{
	int p[2];
	char text[8];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write_all(p[1], "abcd", 4), 0);
	assert_int_equal(read(p[0], text, sizeof(text)), 4);
	assert_int_equal(write_all(p[0], "abcd", 4), -EBADF);
	close_fd(p[0]);
	close_fd(p[1]);
}

static void test_close_keeps_errno(void **state)
{
	(void)state;
	errno = ENOSPC;
	close_fd(1 << 20);
	close_fd(-1);
	assert_int_equal(errno, ENOSPC);
}

static void test_steal(void **state)
{
	_cleanup_free_ char *s = strdup("x");
	char *p = s;
	int fd = 7;

	(void)state;
	assert_int_equal(steal_fd(&fd), 7);
	assert_int_equal(fd, -1);
	assert_ptr_equal(steal_ptr(&s), p);
	assert_null(s);
	free(p);
}

static void test_close_from(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int a = dup2(0, 100), b = dup2(0, 200);

		close_from(150);
		_exit(a == 100 && b == 200 && fcntl(100, F_GETFD) >= 0 && fcntl(200, F_GETFD) < 0
				? 0
				: 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_boot_id(void **state)
{
	struct token t;

	(void)state;
	assert_true(token_parse(boot_id(), &t));
	assert_false(token_is_zero(&t));
	assert_ptr_equal(boot_id(), boot_id());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_path_follows_the_inode, empty),
		cmocka_unit_test_teardown(test_renamed_over, empty),
		cmocka_unit_test_teardown(test_hard_link_kept_elsewhere, empty),
		cmocka_unit_test_teardown(test_name_that_ends_like_the_kernels_words, empty),
		cmocka_unit_test_teardown(test_stranger_under_that_name, empty),
		cmocka_unit_test_teardown(test_path_without_room, empty),
		cmocka_unit_test_teardown(test_info, empty),
		cmocka_unit_test_teardown(
			test_identity_outlives_a_rename_and_not_a_replacement, empty),
		cmocka_unit_test_teardown(test_write_file, empty),
		cmocka_unit_test_teardown(test_write_file_that_fails_leaves_nothing, empty),
		cmocka_unit_test(test_write_all),
		cmocka_unit_test(test_close_keeps_errno),
		cmocka_unit_test(test_steal),
		cmocka_unit_test(test_close_from),
		cmocka_unit_test(test_boot_id),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
