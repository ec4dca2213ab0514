/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands inside the files: a flag's text and an object's Status.txt.  Pure: values in, UTF-8
 * with CRLF out, newest first; no clock, no file.  Times are given.
 *
 * The words of people are the labels of the group; everything a stranger wrote (output, user names,
 * payload names) goes through text.h.
 */
#ifndef FLAGMAN_AGENT_CONTENT_H
#define FLAGMAN_AGENT_CONTENT_H

#include "agent/run.h"
#include "common/buf.h"
#include "common/names.h"
#include "common/states.h"

#include <stdbool.h>
#include <stdint.h>

#define CONTENT_MAX (8U * 1024 * 1024)

struct content_action {
	const char *object, *name, *description; /* description may be NULL */
	const char *const *labels;               /* STATE_MAX_ of them, the words of this group */
	enum state state;
	uint32_t percent;          /* UINT32_MAX: none */
	const char *progress;      /* "" or NULL: none */
	const char *note;          /* why put back, what it waits for, who holds the lock; NULL */
	const char *misconfigured; /* message, or NULL */
	uint64_t so_far;           /* us that it has been running; 0: not known */
	const struct run *run;     /* the run shown: current or last; NULL: never pressed */
	const struct buf *head, *tail; /* its output so far, raw; may be NULL */
	uint64_t left_out;
	const struct run *const *recent; /* earlier runs, newest first */
	size_t n_recent;
	uint64_t timeout, confirm, hold;
	bool press_delete, press_move, cancel_by_press;
	const char *run_folder;  /* or NULL */
	const char *drop_folder; /* or NULL */
	const char *accept;      /* "*.iso, *.img"; or NULL */
};

/* The text of one flag.  0, or the buffer's error. */
int content_flag(struct buf *out, const struct content_action *a);

/* Status.txt of one object's directory: in the administrator's words what each button does, how
 * to press it on Windows, macOS and Linux, what runs, who pressed last. */
int content_status(struct buf *out, const char *object, const char *description,
	const struct content_action *const *actions, size_t n, bool press_only, int64_t now);

#endif
