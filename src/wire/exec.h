/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent and the executor say to each other.
 *
 * The weak side sends an identity, the strong side looks it up: an action is (generation, id), a
 * run is a token, a payload is the token in staging of the board's base.  The executor keeps
 * the tables of older generations until the agent says EXEC_ADOPTED; an id of a generation that it
 * no longer has is refused (EXEC_STARTED with START_STALE), never guessed.
 *
 * Life of the channel, from the executor's side:
 *	EXEC_CONFIG  EXEC_CLAIM*  EXEC_CLAIMS_END     the agent is ready then
 *	... EXEC_CONFIG again after each reload; EXEC_STARTED, EXEC_ENDED, ... as things happen
 */
#ifndef FLAGMAN_WIRE_EXEC_H
#define FLAGMAN_WIRE_EXEC_H

#include "common/fd.h"
#include "common/token.h"
#include "wire/channel.h"

#include <stdint.h>

#define EXEC_USER_MAX    128
#define EXEC_PAYLOAD_MAX 256 /* a file name with its NUL */
#define EXEC_SPENT_MAX   64

enum exec_type {
	/* agent to executor */
	EXEC_ADOPTED = 1, /* struct exec_generation: older generations may be dropped */
	EXEC_START,       /* struct exec_start */
	EXEC_CANCEL,      /* struct exec_token: TERM, stop-grace, KILL */
	EXEC_SPENT,       /* struct exec_spent: durably noted; the claims may be removed */
	EXEC_OWN,         /* struct exec_own + 1 fd: set owner and mode from the configuration */
	EXEC_TAKE,        /* struct exec_payload: give staging/<token> to flagman's user, 0400 */
	EXEC_MEND,        /* struct exec_board: its directories are missing or wrong */
	EXEC_WATCH,       /* struct exec_watch + 2 fds: list, pipe; start a watcher */
	EXEC_UNWATCH,     /* struct exec_watch: end all watchers but this one */
	EXEC_RELOAD,      /* struct exec_reload: read the configuration again */
	EXEC_NAME,        /* struct exec_name: whose uid is it? */
	/* executor to agent */
	EXEC_CONFIG = 32, /* struct exec_config + 1 fd: the view */
	EXEC_CLAIM,      /* struct exec_claim + 0 to 2 fds: at start, one for each claim there is */
	EXEC_CLAIMS_END, /* struct exec_claims_end */
	EXEC_STARTED,    /* struct exec_started + 0 or 2 fds: claim, alive */
	EXEC_ENDED,      /* struct exec_ended */
	EXEC_OWNED,      /* struct exec_result: answer to EXEC_OWN */
	EXEC_TAKEN,      /* struct exec_result: answer to EXEC_TAKE */
	EXEC_MENDED,     /* struct exec_result: answer to EXEC_MEND */
	EXEC_RELOADED,   /* struct exec_reloaded: answer to EXEC_RELOAD */
	EXEC_QUIT,       /* struct exec_generation: end in an orderly way (groups changed, stop) */
	EXEC_NAMED,      /* struct exec_named: answer to each EXEC_NAME */
	EXEC_AUDIT,      /* struct exec_audit + 0 or 1 fd: lines of Samba's audit log, a pipe that
			  * does not block; instead of the one before */
	EXEC_TYPE_MAX_,
};

/* In each base: custody, which only the executor writes to, and in it staging, the agent's. */
#define EXEC_CUSTODY ".flagman"
#define EXEC_STAGING "staging"

/* In the agent's directory, made by it for `verify`: what was burned, a line each (disc/records.h).
 */
#define EXEC_DISCS "discs"

struct exec_generation {
	struct wire_header header;
	uint64_t generation;
};

struct exec_start {
	struct wire_header header;
	uint64_t generation;
	uint32_t action;
	uint32_t trigger; /* enum trigger */
	struct token token;
	uint64_t run;    /* number for people: FLAGMAN_RUN */
	uint8_t payload; /* there is one at staging/<token>: it is in custody while it runs */
	uint8_t sync;    /* sync the claim before the start (missed: run) */
	uint8_t pad[6];
	char user[EXEC_USER_MAX];            /* FLAGMAN_USER; "" when unknown */
	char payload_name[EXEC_PAYLOAD_MAX]; /* FLAGMAN_PAYLOAD_NAME: as dropped */
};

struct exec_token {
	struct wire_header header;
	struct token token;
};

struct exec_spent {
	struct wire_header header;
	uint32_t n;
	uint32_t pad;
	struct token tokens[EXEC_SPENT_MAX];
};

struct exec_own {
	struct wire_header header;
	uint64_t generation;
	uint64_t cookie;
	uint32_t board;
	uint32_t pad;
};

struct exec_payload {
	struct wire_header header;
	uint64_t generation;
	uint64_t cookie;
	uint32_t board;
	uint32_t pad;
	struct token token;
};

struct exec_board {
	struct wire_header header;
	uint64_t generation;
	uint64_t cookie;
	uint32_t board;
	uint32_t pad;
};

struct exec_watch {
	struct wire_header header;
	uint64_t cookie; /* the agent's name for this watcher */
};

struct exec_reload {
	struct wire_header header;
	uint64_t cookie;
};

struct exec_config {
	struct wire_header header;
	uint64_t generation;
};

struct exec_name {
	struct wire_header header;
	uint32_t uid;
	uint32_t pad;
};

struct exec_audit {
	struct wire_header header;
};

enum claim_state {
	CLAIM_ENDED = 1,   /* has a result */
	CLAIM_RUNNING,     /* its runner lives: adopted; fds come with it */
	CLAIM_INTERRUPTED, /* neither: what was left of it has been killed */
};

/* How a run ended, as the kernel and the executor saw it. */
enum end_kind {
	END_EXITED = 1,  /* code: exit status */
	END_SIGNALED,    /* code: signal */
	END_NOT_STARTED, /* code: exit status of systemd.exec's table (203 EXEC, ...); error: errno
			  */
	END_INTERRUPTED, /* runner died without a result: it may have run */
};
enum stop_reason {
	STOP_NONE,
	STOP_TIMEOUT,
	STOP_CANCEL,
};
struct run_end {
	uint32_t kind; /* enum end_kind */
	int32_t code;
	int32_t error;    /* errno of END_NOT_STARTED */
	uint32_t stop;    /* enum stop_reason: why it was told to stop */
	uint32_t success; /* by success-exit-status */
	uint32_t pad;
	int64_t started, ended; /* us since 1970; 0: never */
	uint64_t lasted;        /* us, by a clock that does not jump */
	char where[128];        /* END_NOT_STARTED: "/x", the file or step that failed */
};

struct exec_claim {
	struct wire_header header;
	struct token token;
	uint64_t run;
	uint32_t state; /* enum claim_state */
	uint32_t pad;
	struct run_end end; /* CLAIM_ENDED, CLAIM_INTERRUPTED */
};

struct exec_claims_end {
	struct wire_header header;
	uint32_t agent_restarted; /* by a living executor, within 5 s: absent flags are presses */
	uint32_t pad;
};

enum start_result {
	START_OK = 1,
	START_SERVED,  /* the claim exists: this press was served before */
	START_STALE,   /* generation or action unknown */
	START_REFUSED, /* policy: misconfigured, payload not in custody, ... */
	START_NO_ROOM, /* no claim could be made: ENOSPC, EDQUOT, EROFS */
	START_BUSY,    /* max-runs reached; ask again when a run has ended */
	START_ERROR,   /* error has errno; nothing was claimed */
};

struct exec_started {
	struct wire_header header;
	struct token token;
	uint64_t run;
	uint32_t result; /* enum start_result */
	int32_t error;   /* errno */
	int64_t claimed; /* us since 1970 */
	char why[160];   /* in words, for START_REFUSED and START_ERROR */
};

struct exec_ended {
	struct wire_header header;
	struct token token;
	struct run_end end;
};

struct exec_result {
	struct wire_header header;
	uint64_t cookie;
	int32_t error; /* 0 or errno */
	uint32_t pad;
	char why[160];
};

struct exec_reloaded {
	struct wire_header header;
	uint64_t cookie;
	uint32_t n_errors, n_warnings;
	char first[512]; /* the first error, one line */
};

struct exec_named {
	struct wire_header header;
	uint32_t uid;
	uint32_t pad;
	char name[EXEC_USER_MAX]; /* "": nobody's, or it could not be found out */
};

/* What each side accepts, indexed by exec_type (exec.c). */
extern const struct wire_type exec_from_agent[EXEC_TYPE_MAX_];
extern const struct wire_type exec_from_executor[EXEC_TYPE_MAX_];

#endif
