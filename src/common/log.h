/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One logger for all processes: lines on stderr, "flagmand[agent]: message".  Under systemd
 * (JOURNAL_STREAM is set) each line carries its sd-daemon(3) level prefix, "<3>".
 *
 * Policy: library layers (common, config, wire) return -errno and stay silent; the code that
 * decides logs, once for each failure.  log_fatal(): the world failed.  log_panic(): we, or a peer
 * process, broke the contract; dumps core.  Both do not return.
 *
 * Threat: names and output come from strangers.  The message is made printable as a whole before
 * it is written (control characters, invalid UTF-8 and newlines become \xNN), so that no caller
 * needs to remember.  A reader that hangs or is gone costs the line (after 200 ms, once), never the
 * process; the lines lost are counted and told.
 */
#ifndef FLAGMAN_LOG_H
#define FLAGMAN_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* PROGRAM and PROCESS are kept, not copied: "flagmand", "agent".  FLAGMAN_LOG=debug in the
 * environment raises the level; the default is info. */
void log_init(const char *program, const char *process);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* errno is preserved by all of them. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A warning, at most once a second for each call site; says how many were left out.  Returns
 * whether it was written. */
struct log_limit {
	unsigned long long last_usec;
	unsigned suppressed;
};
bool log_limited(struct log_limit *limit, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

_Noreturn void log_fatal(int exit_status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
_Noreturn void log_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
