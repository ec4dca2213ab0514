/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person gets to know, by hand and under flagman.
 *
 * Facts are lines on stdout as they become known.  Progress is STATUS= on NOTIFY_SOCKET
 * (sd_notify(3)), and on a terminal one line on stderr.  The verdict is one sentence, kept until
 * the end: the last line, and the last STATUS=, which flagman shows beside the flag's state.
 *
 * The record, X_FLAGMAN_DISC=, is one line of tab-separated key=value, which flagman's runner keeps
 * in the run's claim; record_send() returns when that is durable (sd_notify_barrier(3)).
 */
#ifndef FLAGMAN_DISC_SAY_H
#define FLAGMAN_DISC_SAY_H

#include <stdbool.h>
#include <stdint.h>

/* Says LINE below NAME, at once. */
void say_fact(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* PERCENT is of the whole job; text without it.  At most twice a second, but for another phase. */
void say_progress(unsigned percent, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What it does now, where that has no measure. */
void say_doing(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The sentence with which it will end; returns STATUS.  The last one counts. */
int verdict(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Something to add to it. */
void verdict_add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* It stands: what comes after it (the tray does not open) has no sentence of its own. */
void verdict_final(void);
/* Says it as the last line, on stdout where STATUS is 0, else on stderr. */
void verdict_say(int status);

/* One burn or comparison, for the history.  Strings may be NULL. */
struct record {
	const char *verb;    /* burn, verify */
	const char *verdict; /* matches, differs, unreadable, not verified, spoiled, simulated */
	const char *against; /* image, record, checksum */
	const char *sha256;  /* hex: of the image, or of what was read */
	uint64_t length;     /* bytes that were burned or compared */
	const char *id;      /* of the disc's contents (volume.h) */
	const char *media;   /* "DVD+R" */
	const char *product; /* the blank disc's maker: "MCC/004/0" */
	uint64_t speed;      /* bytes a second */
	const char *image;   /* its name */
};
/* True when it is kept, or nobody listens who would; what else is said. */
bool record_send(const struct record *r);

#endif
