/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers share.  A target is one file with LLVMFuzzerTestOneInput(): it hands the bytes
 * to a parser and CHECK()s what must hold whatever they are.  With clang and FLAGMAN_FUZZ=ON
 * libFuzzer makes the bytes; in every other build regress.c takes them from the files of
 * corpus/NAME.
 */
#ifndef FLAGMAN_TESTS_FUZZ_H
#define FLAGMAN_TESTS_FUZZ_H

#include "common/fd.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utf8proc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* A file in memory with these bytes. */
static inline int fuzz_file(const void *data, size_t size, unsigned flags)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | flags);

	CHECK(fd >= 0 && write_all(fd, data, size) == 0);
	return fd;
}

/* The bytes as a string, which ends where they have a NUL. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	CHECK(s);
	if (size)
		memcpy(s, data, size);
	s[size] = '\0';
	return s;
}

/* Valid UTF-8 without control characters; those of KEEP may be there. */
static inline bool fuzz_is_text(const char *s, size_t len, const char *keep)
{
	for (size_t i = 0; i < len;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate(
			(const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(len - i), &c);

		if (n <= 0 || ((c < 0x20 || c == 0x7f) && !(c && strchr(keep, c))))
			return false;
		i += (size_t)n;
	}
	return true;
}

static inline bool fuzz_is_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

/* The number of the next descriptor: the same before and after, or one was lost or closed twice. */
static inline int fuzz_next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	CHECK(fd >= 0);
	close(fd);
	return fd;
}

#endif
