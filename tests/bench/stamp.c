/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-stamp FILE ID: the command that the bench presses.  Its first act is to read the clock;
 * then it appends one struct stamp to FILE, a FIFO, and ends.  No libc and no dynamic linker: their
 * start-up would be measured along with whoever started us.
 */
#include "stamp.h"

#include <asm/unistd.h>
#include <fcntl.h>
#include <time.h>

#if defined(__x86_64__)
static long system_call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}
__asm__(".globl _start\n"
	"_start:\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call stamp_main\n");
#elif defined(__aarch64__)
static long system_call(long number, long a, long b, long c)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
			 x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
__asm__(".globl _start\n"
	"_start:\n"
	"	mov x0, sp\n"
	"	bl stamp_main\n");
#else
#error "bench-stamp needs a few lines for this machine"
#endif

static unsigned long long number(const char *s)
{
	unsigned long long n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (unsigned long long)(*s++ - '0');
	return n;
}

_Noreturn void stamp_main(const long *stack); /* called by _start */
_Noreturn void stamp_main(const long *stack)
{
	const char *const *argv = (const char *const *)(stack + 1);
	struct timespec now = {0};
	struct stamp stamp;
	long fd, n = 0;

	system_call(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0);
	if (*stack == 3) {
		stamp.when = (unsigned long long)now.tv_sec * 1000000000ULL +
			     (unsigned long long)now.tv_nsec;
		stamp.id = number(argv[2]);
		fd = system_call(__NR_openat, AT_FDCWD, (long)argv[1], O_WRONLY | O_APPEND);
		n = system_call(__NR_write, fd, (long)&stamp, sizeof(stamp));
	}
	for (;;)
		system_call(__NR_exit_group, n == (long)sizeof(stamp) ? 0 : 1, 0, 0);
}
