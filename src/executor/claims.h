/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Claims on disk: <state>/runs/<token>/ (claim.h has the files), and the directories that will
 * become claims.
 *
 * Making a claim is one renameat2(RENAME_NOREPLACE) of a directory that was prepared, with a
 * waiting runner, under the name .ready-<id>.  Like mkdir(2) it succeeds once for each token, and
 * at that moment all of the claim's files are there already.  (Measured here: the rename 9 us; a
 * mkdir 14 us and the creations 25 us, which the press would wait for.)
 *
 * A claim that is spent becomes a prepared directory again where it can: ext4 looks through all
 * inodes that were freed in the last minute when it makes one, and a thousand runs later making a
 * claim took half a millisecond.  "Where it can" is checked: nobody else has its files open.
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

/* The descriptors of a claim that its readers get. */
struct claim_fds {
	int status, output, alive; /* read-only; alive non-blocking */
};
#define CLAIM_FDS_NONE ((struct claim_fds){-1, -1, -1})

/* Makes RUNS/.ready-ID with all files and opens them.  *RET_DIR and RET are the caller's to close.
 * 0 or -errno; then nothing is left. */
int claim_prepare(int runs, const char *id, int *ret_dir, struct claim_fds *ret);
/* The same from a directory that claim_recycle() has left under ID. */
int claim_prepare_again(int runs, const char *id, int *ret_dir, struct claim_fds *ret);
/* TOKEN becomes .ready-ID (ID is told by its plan) with its files as new, or is removed: 0 or
 * -errno when it is still there. *RET_ID (CLAIM_ID_MAX bytes) is "" when it was removed. */
int claim_recycle(int runs, const struct token *token, char *ret_id);
/* .ready-ID becomes TOKEN: 0, -EEXIST (served before), or -errno. */
int claim_make(int runs, const char *id, const struct token *token);
int claim_open(int runs, const struct token *token); /* the directory, or -errno */
/* For a reader that comes later; 0 or -errno. */
int claim_open_fds(int dir, struct claim_fds *ret);
void claim_close_fds(struct claim_fds *fds);

int claim_write_plan(int dir, const struct claim_plan *p);
/* Of TOKEN; when that is not written yet, all but id is zero. */
int claim_read_plan(int dir, const struct token *token, struct claim_plan *ret);
int claim_write_stop(int dir, enum stop_reason reason);
enum stop_reason claim_read_stop(int dir);
/* -ENOENT: has none. */
int claim_read_result(int dir, const struct token *token, struct run_end *ret);
/* In the runner's place, when that died without one: then nobody asks again, and nothing is killed
 * again. */
int claim_write_result(int dir, const struct token *token, const struct run_end *end);
/* Completes what the runner can't know. */
void claim_finish_end(struct run_end *end, enum stop_reason stop, const uint8_t success[32]);
/* Whom to kill, by `started`; false: nothing was started in this boot. */
bool claim_read_prey(int dir, struct prey *ret);
/* Does a runner hold `alive`?  ALIVE is a fresh descriptor of claim_open_fds(). */
bool claim_is_alive(int alive);

/* Removes a claim: at once by name, so that half of one is never seen.  0 or -errno. */
int claim_remove(int runs, const struct token *token);
/* Removes what was prepared under ID. */
void claim_remove_ready(int runs, const char *id);
/* At start: everything that was only prepared, or half removed. */
void claims_tidy(int runs);
/* Calls HANDLER for each claim there is. */
typedef void claim_handler(const struct token *token, void *userdata);
int claims_each(int runs, claim_handler *handler, void *userdata);

#endif
