/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A command that says what it finds itself in: descriptors, session, limits, signals; or does one
 * odd thing.
 *
 *	probe                     "key: value" lines
 *	probe notify TEXT...      sends each TEXT to NOTIFY_SOCKET, then waits on stdin's absence
 *	probe flood BYTES         writes so many bytes: lines "0000000\n", "0000008\n", ...
 *	probe hang                waits for ever
 *	probe stubborn            likewise, ignoring SIGTERM
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static void print_descriptors(void)
{
	printf("fds:");
	for (int fd = 0; fd < 4096; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf(" %d", fd);
	printf("\n");
}

static void print_signals(void)
{
	struct sigaction a;
	sigset_t blocked;

	printf("ignored:");
	for (int s = 1; s < NSIG; s++)
		if (sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_DFL)
			printf(" %d", s);
	printf("\nblocked:");
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int s = 1; s < NSIG; s++)
		if (sigismember(&blocked, s) == 1)
			printf(" %d", s);
	printf("\n");
}

static void print_all(void)
{
	struct rlimit files, core;
	char cwd[4096], line[4096];
	mode_t mask = umask(0);
	int deathsig = 0;
	FILE *status;

	print_descriptors();
	status = fopen("/proc/self/status", "re");
	print_signals();
	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_CORE, &core);
	prctl(PR_GET_PDEATHSIG, &deathsig);
	printf("session: %s\n", getsid(0) == getpid() ? "own" : "other");
	printf("umask: %04o\nnice: %d\n", (unsigned)mask, getpriority(PRIO_PROCESS, 0));
	printf("nofile: %llu %llu\ncore: %llu %llu\n", (unsigned long long)files.rlim_cur,
		(unsigned long long)files.rlim_max, (unsigned long long)core.rlim_cur,
		(unsigned long long)core.rlim_max);
	printf("cwd: %s\ndeathsig: %d\n", getcwd(cwd, sizeof(cwd)) ? cwd : "?", deathsig);
	while (status && fgets(line, sizeof(line), status))
		fputs(line, stdout);
	for (char **e = environ; *e; e++)
		printf("env: %s\n", *e);
}

static int notify(char **texts)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path || fd < 0)
		return 1;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	for (; *texts; texts++)
		if (sendto(fd, *texts, strlen(*texts), 0, (struct sockaddr *)&a, sizeof(a)) < 0)
			return 2;
	return 0;
}

static void flood(unsigned long bytes)
{
	for (unsigned long n = 0; n < bytes; n += 8)
		printf("%07lu\n", n);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "notify"))
		return notify(argv + 2);
	if (argc > 2 && !strcmp(argv[1], "flood")) {
		flood(strtoul(argv[2], NULL, 10));
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "stubborn"))
		signal(SIGTERM, SIG_IGN);
	if (argc > 1) {
		puts("here");
		fflush(stdout);
		for (;;)
			pause();
	}
	print_all();
	return 0;
}
