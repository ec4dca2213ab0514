/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drive's directory (mmc_drive.h).  It is opened before main() and mapped; the files are opened
 * for each use, so that nothing of it is among the descriptors of a program that closes or counts
 * them.  System calls are made directly: libc's functions are ours here.
 */
#include "mmc_drive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct mmc_state *state;
static const char *directory;
static char device[256] = "/dev/sr9";
static dev_t node_dev;
static ino_t node_ino;

int mmc_open_file(const char *name, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0666);
}

static void read_device(void)
{
	int fd = mmc_open_file("device", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : syscall(SYS_read, fd, device, sizeof(device) - 1);

	if (fd < 0)
		return;
	close(fd);
	device[n > 0 ? n : 0] = '\0';
	device[strcspn(device, "\n")] = '\0';
}

__attribute__((constructor)) static void mmc_start(void)
{
	struct stat st;
	int fd;

	directory = getenv("FLAGMAN_MMC_DRIVE");
	if (!directory)
		return;
	fd = mmc_open_file("state", O_RDWR);
	if (fd >= 0) {
		void *map = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		state = map == MAP_FAILED ? NULL : map;
		close(fd);
	}
	fd = mmc_open_file("node", O_RDONLY);
	if (!state || fd < 0 || syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) < 0)
		abort();
	node_dev = st.st_dev;
	node_ino = st.st_ino;
	close(fd);
	read_device();
}

struct mmc_state *mmc_state(void)
{
	return state;
}

const char *mmc_device(void)
{
	return device;
}

/* /dev/sr9 is 11:9. */
unsigned mmc_minor(void)
{
	size_t digits = strlen(device);

	while (digits > 0 && device[digits - 1] >= '0' && device[digits - 1] <= '9')
		digits--;
	return device[digits] ? (unsigned)strtoul(device + digits, NULL, 10) : 9;
}

bool mmc_is_node(dev_t dev, ino_t ino)
{
	return state && dev == node_dev && ino == node_ino;
}

int mmc_lock(void)
{
	int lock = mmc_open_file("lock", O_RDWR | O_CREAT);

	while (lock >= 0 && syscall(SYS_flock, lock, LOCK_EX) < 0 && errno == EINTR)
		;
	return lock;
}

void mmc_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

void mmc_log(const char *format, ...)
{
	char line[256];
	int fd = mmc_open_file("log", O_WRONLY | O_APPEND | O_CREAT), n;
	va_list args;

	if (fd < 0)
		return;
	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (syscall(SYS_write, fd, line, n) != n)
		abort();
	close(fd);
}

int64_t mmc_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Signals do not cut it short: a command that the drive has taken goes on. */
void mmc_sleep(int64_t usec)
{
	struct timespec t = {.tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000};

	if (usec <= 0)
		return;
	while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, &t) < 0 && errno == EINTR)
		;
}

/* What was never written, or cut off by the test, is zeroes. */
int mmc_data_read(int64_t lba, size_t n, uint8_t *to)
{
	int fd = mmc_open_file("data", O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = syscall(SYS_pread64, fd, to, n * MMC_BLOCK, lba * MMC_BLOCK);
	close(fd);
	if (got < 0)
		return -1;
	memset(to + got, 0, n * MMC_BLOCK - (size_t)got);
	return 0;
}

int mmc_data_write(int64_t lba, size_t n, const uint8_t *from)
{
	int fd = mmc_open_file("data", O_WRONLY | O_CREAT);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = syscall(SYS_pwrite64, fd, from, n * MMC_BLOCK, lba * MMC_BLOCK);
	close(fd);
	return got == (ssize_t)(n * MMC_BLOCK) ? 0 : -1;
}

void mmc_data_clear(int64_t blocks)
{
	int fd = mmc_open_file("data", O_WRONLY | O_CREAT);

	if (fd < 0 || ftruncate(fd, 0) < 0 || ftruncate(fd, blocks * MMC_BLOCK) < 0)
		abort();
	close(fd);
}
