/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for people, from bytes of strangers; times and sizes in words.
 */
#ifndef FLAGMAN_TEXT_H
#define FLAGMAN_TEXT_H

#include "common/buf.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define USEC_PER_SEC  1000000ULL
#define USEC_INFINITY UINT64_MAX

/* One line: control characters, newlines and invalid UTF-8 become \xNN; bidi controls and other
 * invisible format characters (U+202A..E, U+2066..9, U+200E/F, U+FEFF) become \u{NNNN}.  Appended.
 */
int text_printable(struct buf *out, const char *data, size_t len);

/*
 * A command's output as lines for a file that Notepad opens: CRLF line ends (LF, CR LF and a lone
 * CR at the end of a progress line, which starts the line afresh), tabs kept, ANSI escape
 * sequences (CSI, OSC) removed, other control characters and invalid UTF-8 as in text_printable().
 */
int text_output(struct buf *out, const char *data, size_t len);

/* N bytes as lower-case digits into TO, which has room for 2 * N and a NUL; TO is returned. */
char *text_hex(char *to, const uint8_t *bytes, size_t n);

/* "2 min", "1 h 5 min", "350 ms", "12 s", "3 d 4 h": at most two units; "never" for infinity. */
char *text_duration(char *buf, size_t size, uint64_t usec);
/* "1.5 MiB", "700 bytes". */
char *text_size(char *buf, size_t size, uint64_t bytes);
/* Local time with zone for people: "2026-11-21 14:03:22 CET (+0100)". REALTIME in us since 1970. */
char *text_when(char *buf, size_t size, int64_t realtime_us);
/* RFC 3339 in UTC with microseconds: "2026-11-21T13:03:22.123456Z". */
char *text_rfc3339(char *buf, size_t size, int64_t realtime_us);

int64_t now_realtime(void);  /* us since 1970 */
uint64_t now_boottime(void); /* us, CLOCK_BOOTTIME: counts suspended time, never jumps */
uint64_t now_monotonic(void);

#endif
