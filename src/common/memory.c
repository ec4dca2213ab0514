/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving memory back. */
#include "common/memory.h"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Code and constants: segments that cannot be written to, so nothing is lost.  (What was relocated
 * and then made read-only lies in the writable segment.) */
static int drop_code(struct dl_phdr_info *info, size_t size, void *userdata)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;

	(void)size;
	(void)userdata;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = (info->dlpi_addr + p->p_vaddr + page) & ~page;
		uintptr_t to = (info->dlpi_addr + p->p_vaddr + p->p_memsz) & ~page;
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && from < to)
			(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void memory_trim(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_code, NULL);
}
