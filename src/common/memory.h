/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving memory back: for a service that has just done something rare, and will now be idle.
 */
#ifndef FLAGMAN_MEMORY_H
#define FLAGMAN_MEMORY_H

/* Free heap goes back to the kernel; code that was run once (start, reading the configuration)
 * leaves this process's page tables.  It stays in the page cache: running it again costs a few
 * microseconds. */
void memory_trim(void);

#endif
