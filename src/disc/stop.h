/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Told to stop: TERM, INT or HUP.  They are blocked in all threads, libburn's too, and asked for
 * where it is safe to stop: a burner that is killed in the middle of a command can spoil a disc
 * that an orderly end would have saved.
 */
#ifndef FLAGMAN_DISC_STOP_H
#define FLAGMAN_DISC_STOP_H

#include <stdbool.h>

/* Before the first thread. */
void stop_init(void);
/* Has it been told to? */
bool stop_told(void);
/* Waits for MS milliseconds or until it is told to. */
bool stop_wait(unsigned ms);

#endif
