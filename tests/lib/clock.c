/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded by tests: a wall clock that is off by so many microseconds as the file $FAKE_CLOCK
 * says, from one call to the next.  The other clocks go on as they are, as on a machine whose date
 * is set.  The file is mapped before main(): whoever closes all its doors afterwards sees it still.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define USEC 1000000

static const volatile int64_t *offset; /* us */

__attribute__((constructor)) static void map_offset(void)
{
	const char *path = getenv("FAKE_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		abort();
	close(fd);
	offset = map;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, clock, t);

	if (r == 0 && offset && clock == CLOCK_REALTIME) {
		int64_t us = *offset + t->tv_nsec / 1000;
		int64_t s = us >= 0 ? us / USEC : -((USEC - 1 - us) / USEC);
		t->tv_sec += s;
		t->tv_nsec = (us - s * USEC) * 1000 + t->tv_nsec % 1000;
	}
	return r;
}
