/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/program.h"

#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(char *const argv[], bool with_stderr, int *ret_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int pipes[2], r;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
	if (with_stderr)
		posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = -posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (r < 0) {
		close(pipes[0]);
		return r;
	}
	*ret_fd = pipes[0];
	return 0;
}

static int read_all(int fd, struct buf *out)
{
	uint64_t end = now_monotonic() + PROGRAM_MS * 1000ULL, now;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char piece[16384];
	ssize_t n;
	int r;

	for (;;) {
		now = now_monotonic();
		if (now >= end)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)((end - now) / 1000) + 1);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n <= 0)
			return n < 0 ? -errno : out->error;
		buf_add(out, piece, (size_t)n);
	}
}

int program_run(char *const argv[], bool with_stderr, struct buf *out, int *ret_status)
{
	_cleanup_close_ int fd = -1;
	int r, status = 0;
	pid_t pid;

	r = start(argv, with_stderr, &fd, &pid);
	if (r < 0)
		return r;
	r = read_all(fd, out);
	if (r == -ETIMEDOUT)
		(void)kill(pid, SIGKILL);
	close_fd(steal_fd(&fd)); /* so that it ends, where not all was read */
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (r < 0)
		return r;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -ENOENT;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}
