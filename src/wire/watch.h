/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the watcher says to the agent: 8-byte records in a pipe.  An event says "look".
 *
 * It gets its list on descriptor 3 (a sealed memfd: for each directory a decimal number, a 'q'
 * where the closing of a written file is no news, a space, the absolute path, NUL) and writes its
 * records to descriptor 4 (a pipe, blocking: when the agent does not read, the kernel's queue
 * overflows, and that is harmless).  Each directory comes once in a batch, in the order of first
 * events; a WATCH_GONE follows the WATCH_LOOK of the same directory.  A directory that stands twice
 * in the list (bind mounts) is watched once, for the first: the other is WATCH_FAILED with EEXIST.
 * A path does not end in a slash.
 */
#ifndef FLAGMAN_WATCH_H
#define FLAGMAN_WATCH_H

#include <stdint.h>

#define WATCH_LIST_FD 3
#define WATCH_PIPE_FD 4

enum watch_kind {
	WATCH_LOOK = 1,   /* something happened in directory NUMBER */
	WATCH_GONE,       /* the watch itself is over: directory removed, moved or unmounted */
	WATCH_FAILED,     /* could not be watched; error is an errno (ENOSPC: out of watches) */
	WATCH_EVERYTHING, /* events were lost: look everywhere */
	WATCH_READY,      /* all of the list has been tried; scan now */
	WATCH_TRIED,      /* before that: the list has been tried up to NUMBER and with it */
};

struct watch_record {
	uint16_t kind;
	uint16_t error;
	uint32_t number;
};

#endif
