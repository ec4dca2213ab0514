/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run: one press and what became of it.  The record that history, flag texts and the CLI share.
 */
#ifndef FLAGMAN_AGENT_RUN_H
#define FLAGMAN_AGENT_RUN_H

#include "common/buf.h"
#include "common/states.h"
#include "common/token.h"
#include "wire/exec.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a run has not run, or has ended; with struct run_end it gives the result in words. */
enum cause {
	CAUSE_NONE,        /* see run_end */
	CAUSE_CALLED_OFF,  /* pressed again during the hold, or taken out of the queue */
	CAUSE_WHILE_DOWN,  /* pressed while flagman was not running */
	CAUSE_OTHER_BOOT,  /* the machine went down, it may have run */
	CAUSE_INTERRUPTED, /* the runner died: it may have run */
	CAUSE_NO_ROOM,     /* disk full */
	CAUSE_REFUSED,     /* the executor refused: `why` */
	CAUSE_TOO_OLD,     /* missed: run, but older than missed-at-most */
	CAUSE_GONE,        /* its action was removed while it waited */
	CAUSE_MAX_,
};

/* The word in the data base: "called-off", ...; and its value, or -1. */
const char *cause_word(enum cause c);
int cause_from_word(const char *word);

struct run {
	uint64_t id;                   /* number for people; 0: none */
	struct token token;            /* the claim's */
	char *object, *group, *action; /* owned */
	enum trigger trigger;
	enum state state; /* starting, waiting, running, done, failed, cancelled, missed */
	enum cause cause;
	enum certainty certainty;
	char *user, *address;           /* owned; NULL: unknown */
	uid_t uid;                      /* while it is nameless: whose name it gets */
	bool nameless;                  /* names.h */
	int64_t pressed, claimed;       /* us since 1970; 0: not (yet) */
	struct run_end end;             /* valid once ended */
	char *why;                      /* owned; CAUSE_REFUSED, ...; or NULL */
	char *payload, *payload_sha256; /* owned; or NULL */
	uint64_t payload_size;
};

void run_done(struct run *r); /* frees what it owns, zeroes */
/* A copy that owns its strings; 0 or -ENOMEM, *RET is untouched then. */
int run_copy(struct run *ret, const struct run *from);
bool run_is_open(const struct run *r);          /* starting, waiting, running */
bool run_may_have_started(const struct run *r); /* its command was reached: there may be output */

#define RUN_NOT_RUN "not run: " /* so begin the words of a run that never was one */

/* "done", "exit status 3", "killed by signal 9", "timed out after 2 min", "cancelled",
 * "could not start: /x: No such file or directory", "interrupted, it may have run", "called off",
 * "not run: the disk is full", ...; "starting", "waiting", "running" while it is none of it.
 * TIMEOUT in us is what the action had.  Printable; written to BUF, which is returned, cut between
 * two characters if it does not fit. */
char *run_result_words(const struct run *r, uint64_t timeout, char *buf, size_t size);

#endif
