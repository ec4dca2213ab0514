/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine that does not exist: its accounts, directories and programs, so that what a snippet
 * means is the same wherever the tests run.  The table is in fake.c; tests may bend it.
 */
#ifndef FLAGMAN_TESTS_CONFIG_FAKE_H
#define FLAGMAN_TESTS_CONFIG_FAKE_H

#include "config/hooks.h"

struct fake {
	bool systemd;    /* runs as PID 1 */
	bool as_regular; /* every snippet is a regular file */
	bool fstat_fails;
	bool real_files; /* fstat() is the machine's own */
	uid_t file_uid;  /* owner and mode of the snippets */
	mode_t file_mode;
};

extern const struct fake fake_plain; /* a decent machine with systemd */
/* Puts the machine in force and bends it. */
void fake_use(const struct fake *f);

#define FAKE_UID_ALICE   1000
#define FAKE_UID_FLAGMAN 990
#define FAKE_GID_ADMINS  2000

#endif
