/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* stderr leads into a pipe; its reading end is non-blocking. */
struct capture {
	int reader, saved;
	char text[3 * PIPE_BUF];
};

static void redirect(struct capture *c, int reader, int writer)
{
	fflush(stderr);
	c->reader = reader;
	c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(c->saved >= 0);
	assert_int_equal(dup2(writer, STDERR_FILENO), STDERR_FILENO);
	close_fd(writer);
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
}

static void capture(struct capture *c)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	redirect(c, p[0], p[1]);
}

static void restore(struct capture *c)
{
	assert_int_equal(dup2(c->saved, STDERR_FILENO), STDERR_FILENO);
	close_fd(c->saved);
	close_fd(c->reader);
}

/* What has been logged since. */
static const char *captured(struct capture *c)
{
	ssize_t n = read(c->reader, c->text, sizeof(c->text) - 1);

	c->text[n > 0 ? n : 0] = '\0';
	return c->text;
}

static int fresh(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	unsetenv("FLAGMAN_LOG");
	log_init("flagmand", "agent");
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

static void test_line(void **state)
{
	struct capture c;

	(void)state;
	capture(&c);
	log_warning("no %s in %d", "room", 5);
	captured(&c);
	restore(&c);
	assert_string_equal(c.text, "flagmand[agent]: no room in 5\n");
}

static void test_without_process(void **state)
{
	struct capture c;

	(void)state;
	log_init("flagman", NULL);
	capture(&c);
	log_error("hello");
	captured(&c);
	restore(&c);
	assert_string_equal(c.text, "flagman: hello\n");
}

static void test_journal_prefixes(void **state)
{
	struct capture c;
	struct stat st;
	char stream[64];

	(void)state;
	capture(&c);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	setenv("FLAGMAN_LOG", "debug", 1);
	log_init("flagmand", "executor");
	log_error("a");
	log_warning("b");
	log_info("c");
	log_debug("d");
	captured(&c);
	restore(&c);
	assert_string_equal(c.text, "<3>flagmand[executor]: a\n<4>flagmand[executor]: b\n"
				    "<6>flagmand[executor]: c\n<7>flagmand[executor]: d\n");
}

/* Inherited from somebody whose stderr was the journal, while ours is a file or a terminal. */
static void test_journal_of_somebody_else(void **state)
{
	static const char *const streams[] = {"1:1", "", "x", "9:31415926535897932384626", "1:2:3"};
	struct capture c;

	(void)state;
	capture(&c);
	for (size_t i = 0; i < N_OF(streams); i++) {
		setenv("JOURNAL_STREAM", streams[i], 1);
		log_init("flagmand", "agent");
		log_info("x");
	}
	captured(&c);
	restore(&c);
	assert_null(strchr(c.text, '<'));
	assert_non_null(strstr(c.text, "flagmand[agent]: x\n"));
}

static void test_levels(void **state)
{
	struct capture c;

	(void)state;
	capture(&c);
	log_debug("hidden");
	log_set_level(LOG_LEVEL_WARNING);
	log_info("hidden");
	log_warning("shown");
	captured(&c);
	restore(&c);
	assert_string_equal(c.text, "flagmand[agent]: shown\n");
	setenv("FLAGMAN_LOG", "error", 1);
	log_init("flagmand", "agent");
	assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
	setenv("FLAGMAN_LOG", "nonsense", 1);
	log_init("flagmand", "agent");
	assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
}

static void test_strangers_cannot_forge_lines(void **state)
{
	struct capture c;

	(void)state;
	capture(&c);
	log_info("file %s", "x\nflagmand[agent]: all is well\x1B[2J\xFF\xE2\x80\xAE");
	captured(&c);
	restore(&c);
	assert_string_equal(c.text,
		"flagmand[agent]: file x\\x0Aflagmand[agent]: all is well\\x1B[2J\\xFF\\u{202E}\n");
}

static void test_errno(void **state)
{
	struct capture c;

	(void)state;
	capture(&c);
	errno = ENOSPC;
	log_error("write: %m");
	assert_int_equal(errno, ENOSPC);
	captured(&c);
	restore(&c);
	assert_string_equal(c.text, "flagmand[agent]: write: No space left on device\n");
}

static void test_long_lines_stay_whole(void **state)
{
	static char text[20000];
	struct capture c;

	(void)state;
	/* Each byte becomes four, or is one of a two-byte character: cut, but not within one. */
	for (int odd = 0; odd < 3; odd++) {
		for (size_t i = 0; i + 2 < sizeof(text); i += 2)
			memcpy(text + i, odd == 2 ? "\xFF\xFF" : "\xC3\xA9", 2);
		text[sizeof(text) - 2] = '\0';
		capture(&c);
		log_info("%s%s", odd ? "x" : "", text);
		captured(&c);
		restore(&c);
		assert_in_range(strlen(c.text), 3000, PIPE_BUF);
		assert_string_equal(c.text + strlen(c.text) - 1, "\n");
		for (const char *p = c.text; (p = strchr(p, 0xC3 - 256)); p++)
			assert_int_equal((unsigned char)p[1], 0xA9);
	}
	assert_non_null(strstr(c.text, "...\n"));
}

/* The reader is gone: no SIGPIPE now, none later, and life goes on. */
static void test_broken_pipe(void **state)
{
	struct capture c;
	sigset_t pending;

	(void)state;
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	capture(&c);
	close_fd(steal_fd(&c.reader));
	errno = EINTR;
	log_error("to nobody");
	assert_int_equal(errno, EINTR);
	assert_int_equal(sigpending(&pending), 0);
	restore(&c);
	assert_false(sigismember(&pending, SIGPIPE));
	capture(&c);
	log_error("and to somebody");
	captured(&c);
	restore(&c);
	assert_non_null(strstr(c.text, "and to somebody\n"));
}

static void test_closed_stderr(void **state)
{
	struct capture c;

	(void)state;
	capture(&c);
	close(STDERR_FILENO);
	log_error("to nobody");
	restore(&c);
	capture(&c);
	log_error("back");
	captured(&c);
	restore(&c);
	assert_string_equal(c.text, "flagmand[agent]: back\n"
				    "flagmand[agent]: lines of the log that were lost: 1\n");
}

static void fill(int fd)
{
	static const char zeros[PIPE_BUF];
	int flags = fcntl(fd, F_GETFL);

	assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), 0);
}

/* Nobody reads: the first line waits a little, the others not at all, and the loss is told. */
static void check_full(struct capture *c)
{
	uint64_t began = now_monotonic(), took;

	for (int i = 0; i < 1000; i++)
		log_error("lost %d", i);
	took = now_monotonic() - began;
	while (read(c->reader, c->text, sizeof(c->text)) > 0)
		;
	log_error("read again");
	captured(c);
	restore(c);
	assert_true(took < 5 * USEC_PER_SEC);
	assert_string_equal(c->text, "flagmand[agent]: read again\n"
				     "flagmand[agent]: lines of the log that were lost: 1000\n");
}

static void test_full_pipe(void **state)
{
	struct capture c;

	(void)state;
	capture(&c);
	fill(STDERR_FILENO);
	check_full(&c);
}

static void test_full_socket(void **state)
{
	struct capture c;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	redirect(&c, s[0], s[1]);
	fill(STDERR_FILENO);
	check_full(&c);
}

static void test_limited(void **state)
{
	struct log_limit limit = {0};
	struct capture c;
	uint64_t deadline = now_monotonic() + 10 * USEC_PER_SEC;
	unsigned held_back = 0;
	char want[128];

	(void)state;
	capture(&c);
	assert_true(log_limited(&limit, "again and %s", "again"));
	while (!log_limited(&limit, "again and %s", "again") && now_monotonic() < deadline) {
		struct pollfd none = {.fd = -1};

		held_back++;
		poll(&none, 1, 20);
	}
	captured(&c);
	restore(&c);
	assert_true(held_back > 0);
	snprintf(want, sizeof(want),
		"flagmand[agent]: again and again\n"
		"flagmand[agent]: again and again (and %u more like this)\n",
		held_back);
	assert_string_equal(c.text, want);
}

/* How a child that does ACT ends; what it said goes into C. */
static int ends(struct capture *c, void (*act)(void))
{
	int status = 0;
	pid_t pid, waited = -1;

	capture(c);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL); /* cmocka handles it */
		act();
		_exit(99);
	}
	if (pid > 0)
		waited = waitpid(pid, &status, 0);
	captured(c);
	restore(c);
	assert_true(pid > 0 && waited == pid);
	return status;
}

static void act_fatal(void)
{
	log_fatal(78, "no %s", "configuration");
}

static void act_panic(void)
{
	log_panic("impossible: %d", 3);
}

static void test_fatal(void **state)
{
	struct capture c;
	int status = ends(&c, act_fatal);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 78);
	assert_string_equal(c.text, "flagmand[agent]: no configuration\n");
}

static void test_panic(void **state)
{
	struct capture c;
	int status = ends(&c, act_panic);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(c.text, "flagmand[agent]: impossible: 3\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_line, fresh),
		cmocka_unit_test_setup(test_without_process, fresh),
		cmocka_unit_test_setup(test_journal_prefixes, fresh),
		cmocka_unit_test_setup(test_journal_of_somebody_else, fresh),
		cmocka_unit_test_setup(test_levels, fresh),
		cmocka_unit_test_setup(test_strangers_cannot_forge_lines, fresh),
		cmocka_unit_test_setup(test_errno, fresh),
		cmocka_unit_test_setup(test_long_lines_stay_whole, fresh),
		cmocka_unit_test_setup(test_broken_pipe, fresh),
		cmocka_unit_test_setup(test_closed_stderr, fresh),
		cmocka_unit_test_setup(test_full_pipe, fresh),
		cmocka_unit_test_setup(test_full_socket, fresh),
		cmocka_unit_test_setup(test_limited, fresh),
		cmocka_unit_test_setup(test_fatal, fresh),
		cmocka_unit_test_setup(test_panic, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
