/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-press single|burst FIFO ... < presses: the finger.
 *
 *	single FIFO COUNT PAUSE make|wait|train	COUNT presses one after another, over the list again
 *						and again; the next one after the stamp of the last
 *						and PAUSE us.  Prints "press NS" for each.
 *	burst FIFO SILENCE			all of the list at once, then waits until every
 *stamp is there or none has come for SILENCE seconds.
 *
 * A press is a line: ID, a tab, the flag's path, and where it may also stand with a result
 * ("Restart [Done].txt") a tab and that path.  A flag must be there before it is pressed: `make`
 *makes it (the floor's do not come back by themselves), `wait` waits for it.
 *
 * Prints lines of a word and a number: "press" (ns from just before unlink(2) to the command's
 *first instruction), "unlinked", "last" (ns from the first unlink to the last, to the last stamp),
 * "lost" and "twice" (ids).
 */
#include "stamp.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FLAG_PATIENCE_MS  20000 /* for a flag to come back */
#define STAMP_PATIENCE_MS 10000 /* for a single press's stamp */
#define FIFO_SIZE         (1 << 20)
#define STAMPS            256 /* read at once */

struct press {
	unsigned long long id;
	char *line, *paths[2]; /* paths[1]: NULL or with its result */
	unsigned stamps;
};

struct presses {
	struct press *p;
	size_t n;
};

static unsigned long long now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000000ULL + (unsigned long long)t.tv_nsec;
}

static void nap(unsigned long long us)
{
	struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

	if (us)
		(void)nanosleep(&t, NULL);
}

static struct presses read_presses(void)
{
	struct presses all = {0};
	size_t room = 0;

	for (;;) {
		struct press one = {0};
		size_t size = 0;

		if (getline(&one.line, &size, stdin) < 0)
			break;
		one.line[strcspn(one.line, "\n")] = '\0';
		one.id = strtoull(one.line, &one.paths[0], 10);
		if (*one.paths[0]++ != '\t')
			errx(64, "not a press: %s", one.line);
		one.paths[1] = strchr(one.paths[0], '\t');
		if (one.paths[1])
			*one.paths[1]++ = '\0';
		if (all.n == room) {
			room = room ? room * 2 : 1024;
			all.p = realloc(all.p, room * sizeof(*all.p));
			if (!all.p)
				err(1, "realloc");
		}
		all.p[all.n++] = one;
	}
	if (all.n == 0)
		errx(64, "no presses");
	return all;
}

static int open_fifo(const char *path)
{
	char old[4096];
	/* For writing too: the end of one stamp is not the end of the stream. */
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	(void)fcntl(fd, F_SETPIPE_SZ, FIFO_SIZE);
	while (read(fd, old, sizeof(old)) > 0)
		; /* late stamps of an earlier measurement */
	return fd;
}

/* The stamps there are, at most STAMPS; waits up to TIMEOUT ms for the first.  0: none came. */
static size_t read_stamps(int fd, struct stamp *stamps, int timeout)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, timeout) <= 0)
		return 0;
	n = read(fd, stamps, STAMPS * sizeof(*stamps));
	return n > 0 ? (size_t)n / sizeof(*stamps) : 0;
}

/* Unlinks the flag under the name it has now; false if it has none. */
static int unlink_flag(const struct press *p, unsigned long long *ret_when)
{
	for (int i = 0; i < 2 && p->paths[i]; i++) {
		if (access(p->paths[i], F_OK) < 0)
			continue;
		*ret_when = now();
		if (unlink(p->paths[i]) == 0)
			return 1;
	}
	return 0;
}

static void make_flag(const struct press *p)
{
	int fd = open(p->paths[0], O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", p->paths[0]);
	(void)close(fd);
}

static unsigned long long press_when_there(const struct press *p)
{
	unsigned long long when, end = now() + FLAG_PATIENCE_MS * 1000000ULL;

	while (!unlink_flag(p, &when)) {
		if (now() > end)
			errx(1, "%s does not come back", p->paths[0]);
		nap(500);
	}
	return when;
}

static void wait_there(const struct press *p)
{
	unsigned long long end = now() + FLAG_PATIENCE_MS * 1000000ULL;

	while (access(p->paths[0], F_OK) < 0 && (!p->paths[1] || access(p->paths[1], F_OK) < 0)) {
		if (now() > end)
			errx(1, "%s does not come back", p->paths[0]);
		nap(200);
	}
}

static void press_one(const struct press *p, int fifo)
{
	unsigned long long when = press_when_there(p);
	unsigned long long end = now() + STAMP_PATIENCE_MS * 1000000ULL;
	struct stamp stamps[STAMPS];

	while (now() < end) {
		size_t n = read_stamps(fifo, stamps, STAMP_PATIENCE_MS);

		for (size_t i = 0; i < n; i++) {
			if (stamps[i].id == p->id) {
				printf("press %llu\n", stamps[i].when - when);
				return;
			}
			printf("twice %llu\n", stamps[i].id); /* nobody pressed it just now */
		}
	}
	printf("lost %llu\n", p->id);
}

static void single(
	struct presses all, int fifo, unsigned long count, unsigned long pause, const char *how)
{
	for (unsigned long i = 0; i < count; i++) {
		const struct press *p = &all.p[i % all.n];

		if (strcmp(how, "make") == 0)
			make_flag(p);
		press_one(p, fifo);
		if (strcmp(how, "wait") == 0)
			wait_there(p);
		nap(pause);
	}
}

static int by_id(const void *a, const void *b)
{
	const struct press *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void count_stamp(struct presses all, const struct stamp *s)
{
	struct press key = {.id = s->id};
	struct press *p = bsearch(&key, all.p, all.n, sizeof(key), by_id);

	if (p)
		p->stamps++;
	else
		warnx("a stamp of nobody: %llu", s->id);
}

static void burst(struct presses all, int fifo, int silence)
{
	unsigned long long first = now(), when, last = first;
	struct stamp stamps[STAMPS];
	size_t ran = 0;

	for (size_t i = 0; i < all.n; i++)
		if (!unlink_flag(&all.p[i], &when))
			errx(1, "%s is not there", all.p[i].paths[0]);
	printf("unlinked %llu\n", now() - first);
	qsort(all.p, all.n, sizeof(*all.p), by_id);
	while (ran < all.n) {
		size_t n = read_stamps(fifo, stamps, silence * 1000);

		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++) {
			count_stamp(all, &stamps[i]);
			last = stamps[i].when > last ? stamps[i].when : last;
		}
		ran += n;
	}
	/* One that runs twice comes after its time. */
	for (size_t n; (n = read_stamps(fifo, stamps, 300)) > 0;)
		for (size_t i = 0; i < n; i++)
			count_stamp(all, &stamps[i]);
	printf("last %llu\n", last - first);
	for (size_t i = 0; i < all.n; i++)
		if (all.p[i].stamps != 1)
			printf("%s %llu\n", all.p[i].stamps ? "twice" : "lost", all.p[i].id);
}

int main(int argc, char **argv)
{
	struct presses all;
	int is_single = argc == 6 && strcmp(argv[1], "single") == 0;

	if (!is_single && (argc != 4 || strcmp(argv[1], "burst") != 0))
		errx(64, "usage: bench-press single FIFO COUNT PAUSE make|wait|train, or "
			 "bench-press burst FIFO SILENCE; presses on stdin");
	all = read_presses();
	if (is_single)
		single(all, open_fifo(argv[2]), strtoul(argv[3], NULL, 10),
			strtoul(argv[4], NULL, 10), argv[5]);
	else
		burst(all, open_fifo(argv[2]), atoi(argv[3]));
	return 0;
}
