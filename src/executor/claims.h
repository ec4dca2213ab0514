/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Claims on disk: <state>/runs/<token> with its FIFO <run>/alive/<id> (claim.h tells what they
 * hold), and the files that will become claims.
 *
 * Making a claim is one renameat2(RENAME_NOREPLACE) of a file that was prepared, with a waiting
 * runner, under the name .ready-<id>.  Like mkdir(2) it succeeds once for each token, and at that
 * moment all that a claim needs is there already.  (Measured here: the rename 9 us; a mkdir 14 us
 * and the files in it 25 us, which the press would wait for.)
 *
 * A claim that is spent becomes a prepared file again where it can: ext4 looks through all inodes
 * that were freed in the last minutes when it makes one, and a thousand runs later making a claim
 * took a millisecond.  "Where it can" is checked: nobody else has its file open.
 */
#ifndef FLAGMAN_EXECUTOR_CLAIMS_H
#define FLAGMAN_EXECUTOR_CLAIMS_H

#include "common/token.h"
#include "executor/killing.h"
#include "wire/claim.h"
#include "wire/spec.h"

#include <stdbool.h>
#include <stdint.h>

#define CLAIM_READY_PREFIX ".ready-"
#define CLAIM_ID_MAX       16 /* with NUL: names the cgroup and the notification socket */

/* What an executor that adopts the run must know.  Written empty but for id when prepared, whole
 * after the start. */
struct claim_plan {
	uint32_t version;
	uint32_t leftovers; /* enum leftovers */
	char id[CLAIM_ID_MAX];
	char boot[40];
	struct token token; /* whose plan it is; the block may have been another run's before */
	uint64_t run;
	int64_t claimed;   /* us since 1970; 0: the rest is not known */
	uint64_t deadline; /* us, CLOCK_MONOTONIC of that boot; UINT64_MAX: none */
	uint64_t stop_grace;
	uint8_t success[32];
};

struct claims {
	int runs, alive; /* directories */
};

/* The descriptors of a claim that its readers get. */
struct claim_fds {
	int file, alive; /* read-only; alive non-blocking */
};
#define CLAIM_FDS_NONE ((struct claim_fds){-1, -1})

/* Makes .ready-ID and its FIFO.  0 or -errno; then nothing is left. */
int claim_prepare(const struct claims *c, const char *id);
/* Opens what claim_prepare() or claim_recycle() has left under ID, for readers and for the runner:
 * *RET_FILE for reading and writing, *RET_ALIVE for writing.  All are the caller's to close. */
int claim_open_ready(const struct claims *c, const char *id, struct claim_fds *ret, int *ret_file,
	int *ret_alive);
/* TOKEN becomes .ready-ID (ID is told by its plan) as if new, or is removed: 0 or -errno when it is
 * still there. *RET_ID (CLAIM_ID_MAX bytes) is "" when it was removed. */
int claim_recycle(const struct claims *c, const struct token *token, char *ret_id);
/* .ready-ID becomes TOKEN: 0, -EEXIST (served before), or -errno. */
int claim_make(const struct claims *c, const char *id, const struct token *token);
/* The file, for reading and writing, or -errno. */
int claim_open(const struct claims *c, const struct token *token);
/* For a reader that comes later; ID is the plan's.  A FIFO that is gone is -1: it is dead.  0 or
 * -errno. */
int claim_open_fds(
	const struct claims *c, const struct token *token, const char *id, struct claim_fds *ret);
void claim_close_fds(struct claim_fds *fds);

int claim_write_plan(int file, const struct claim_plan *p);
/* Of TOKEN; when that is not written yet, all but id is zero. */
int claim_read_plan(int file, const struct token *token, struct claim_plan *ret);
int claim_write_stop(int file, enum stop_reason reason);
enum stop_reason claim_read_stop(int dir);
/* -ENOENT: has none. */
int claim_read_result(int file, const struct token *token, struct run_end *ret);
/* In the runner's place, when that died without one: then nobody asks again, and nothing is killed
 * again. */
int claim_write_result(int file, const struct token *token, const struct run_end *end);
/* Completes what the runner can't know. */
void claim_finish_end(struct run_end *end, enum stop_reason stop, const uint8_t success[32]);
/* Whom to kill, by `started`; false: nothing was started in this boot. */
bool claim_read_prey(int file, struct prey *ret);
/* Does a runner hold the FIFO?  ALIVE is a fresh descriptor of claim_open_fds(), or -1. */
bool claim_is_alive(int alive);

/* Removes a claim; 0 or -errno. */
int claim_remove(const struct claims *c, const struct token *token);
/* Removes what was prepared under ID. */
void claim_remove_ready(const struct claims *c, const char *id);
/* At start: everything that was only prepared. */
void claims_tidy(const struct claims *c);
/* Calls HANDLER for each claim there is. */
typedef void claim_handler(const struct token *token, void *userdata);
int claims_each(const struct claims *c, claim_handler *handler, void *userdata);

#endif
