/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-floor STAMP FIFO < directories: what no such program can beat.  A raw inotify loop: for
 * each deleted file, clone(CLONE_VM|CLONE_VFORK) and execve of STAMP FIFO ID, where ID is the
 * number in the file's name.  Nothing is checked, dropped, recorded or waited for.  Says "ready" on
 * stdout.
 */
#include <err.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BUFFER 65536
#define STACK  16384

static char *const environment[] = {NULL};

static int run(void *argv)
{
	execve(((char **)argv)[0], argv, environment);
	_exit(127);
}

static void start(char *stamp, char *fifo, char *id)
{
	static char stack[STACK] __attribute__((aligned(16)));
	char *argv[] = {stamp, fifo, id, NULL};

	if (clone(run, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, argv) < 0)
		warn("clone");
}

static void watch_all(int fd)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		if (inotify_add_watch(fd, line, IN_DELETE | IN_ONLYDIR) < 0)
			err(1, "%s", line);
	}
	free(line);
}

int main(int argc, char **argv)
{
	static char buffer[BUFFER] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct inotify_event *e;
	int fd = inotify_init1(IN_CLOEXEC);
	ssize_t n;

	if (argc != 3)
		errx(64, "usage: bench-floor STAMP FIFO < directories");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)signal(SIGCHLD, SIG_IGN); /* the kernel reaps */
	if (fd < 0)
		err(1, "inotify");
	watch_all(fd);
	puts("ready");
	(void)fflush(stdout);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0 || errno == EINTR) {
		for (char *p = buffer; p < buffer + n; p += sizeof(*e) + e->len) {
			e = (struct inotify_event *)(void *)p;
			if (e->mask & IN_DELETE)
				start(argv[1], argv[2], e->name + strcspn(e->name, "0123456789"));
		}
	}
	err(1, "read");
}
