/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What flagman(1) and the agent say to each other: <run-dir>/control, SOCK_SEQPACKET.
 *
 * One request for each connection; then the agent sends records and, last, one CONTROL_END.  With
 * CONTROL_FOLLOW records go on until the client hangs up.  The agent believes the peer's
 * credentials (SO_PEERCRED, SO_PEERGROUPS) and nothing in the message: root and the service's own
 * user may do everything; who is of a board's group may see, run and cancel there; others see
 * nothing of it.  Names are matched like those in the share.
 */
#ifndef FLAGMAN_CONTROL_H
#define FLAGMAN_CONTROL_H

#include "wire/channel.h"

#include <stdint.h>

#define CONTROL_SOCKET   "control"
#define CONTROL_NAME_MAX 128

enum control_type {
	/* client to agent: struct control_request (+ 1 fd for CONTROL_RUN with a payload) */
	CONTROL_STATUS = 1, /* a CONTROL_ACTION record for each action that matches */
	CONTROL_RUN,        /* press: CONTROL_RECORD once it is accepted; with CONTROL_WAIT also the
			     * run's output, and CONTROL_RECORD again once it has ended */
	CONTROL_CANCEL,     /* what runs or waits of the actions that match, or run number RUN:
			     * CONTROL_RECORD for each */
	CONTROL_LOG,        /* CONTROL_OUTPUT of run RUN, or of the last (live) one of the action */
	CONTROL_HISTORY,    /* CONTROL_RECORD for each run, newest first, at most LIMIT; with
			     * CONTROL_DISCS instead CONTROL_DISC for each that has one */
	CONTROL_RELOAD,     /* root and the service's user only */
	CONTROL_RELEASE,    /* close every descriptor below the object's directory, stop watching */
	CONTROL_RESTORE,    /* flags of the object back, nothing pressed */
	CONTROL_HEALTH,     /* CONTROL_FACT records, for doctor */
	/* agent to client */
	CONTROL_ACTION = 32, /* struct control_action */
	CONTROL_RECORD,      /* struct control_run */
	CONTROL_OUTPUT,      /* struct control_output */
	CONTROL_FACT,        /* struct control_fact */
	CONTROL_END,         /* struct control_end */
	CONTROL_DISC,        /* struct control_disc */
	CONTROL_TYPE_MAX_,
};

enum control_flags {
	CONTROL_FOLLOW = 1, /* status, log: go on */
	CONTROL_WAIT = 2,   /* run: until it has ended */
	CONTROL_LIVE = 4,   /* history: with runs that have not ended */
	CONTROL_DISCS = 8,  /* history: what was burned and verified */
};

struct control_request {
	struct wire_header header;
	uint32_t flags;
	uint32_t limit;
	uint64_t run;                  /* 0: by name */
	char object[CONTROL_NAME_MAX]; /* "": all; names are NUL-terminated UTF-8 */
	char group[CONTROL_NAME_MAX];  /* "": any (or the only one) */
	char action[CONTROL_NAME_MAX]; /* "": all */
	char payload_name[256];        /* run --payload: its base name */
};

/* One run, as in the history and in JSON (DESIGN section 2). */
struct control_run {
	struct wire_header header;
	uint64_t run; /* 0: none */
	char token[33];
	char object[CONTROL_NAME_MAX], group[CONTROL_NAME_MAX], action[CONTROL_NAME_MAX];
	uint32_t trigger, state, certainty;       /* enums of states.h */
	int32_t exit_status;                      /* -1: none */
	int32_t signal;                           /* 0: none */
	int64_t pressed, claimed, started, ended; /* us since 1970; 0: not yet */
	uint64_t lasted; /* us, whatever became of the wall clock meanwhile; 0: not known */
	char user[128], address[64];
	char payload[256]; /* name as dropped */
	char payload_sha256[65];
	uint64_t payload_size;
	char result[256]; /* in words: "exit status 3", "timed out after 2 min" */
};

/* What a run did with a disc (agent/disc.h has the words). */
struct control_disc {
	struct wire_header header;
	char verb[16], verdict[24], against[16], sha256[65], id[33], media[32], product[64],
		image[256];
	uint64_t length, speed;
	struct control_run run;
};

/* What a flag shows now. */
struct control_action {
	struct wire_header header;
	char object[CONTROL_NAME_MAX], group[CONTROL_NAME_MAX], action[CONTROL_NAME_MAX];
	char description[256];
	char path[512];      /* of the object's directory */
	char file_name[256]; /* the flag as it is named now; "" when there is none */
	uint32_t state;
	uint32_t percent; /* UINT32_MAX: none */
	int64_t since;    /* us since 1970 */
	uint32_t removed; /* 1: the configuration has it no more; told once to who follows */
	uint32_t pad;
	char progress[256];
	char note[256];          /* why it was put back, what it waits for, who holds the lock */
	struct control_run last; /* the run that is shown: current or latest; run 0: none */
};

struct control_output {
	struct wire_header header;
	uint64_t run;
	uint64_t left_out; /* bytes left out before DATA */
	uint32_t size;
	uint32_t pad;
	char data[2048]; /* raw bytes of the command */
};

/*
 * "watches" "12", "watches-failed" (directories that could not be watched), "descriptors-held" and
 * then "descriptors-budget" (flags held by a descriptor, and how many may be),
 * "directories-unusable", "version", ...  A "trouble" is a sentence about something that is wrong
 * now (disk full, why a board can't be used); there may be several.  doctor shows them.
 */
struct control_fact {
	struct wire_header header;
	char name[64];
	char value[512];
};

struct control_end {
	struct wire_header header;
	int32_t exit_status; /* sysexits(3); for run --wait the command's */
	uint32_t pad;
	char message[512]; /* for people; "" when there is nothing to say */
};

extern const struct wire_type control_from_client[CONTROL_TYPE_MAX_];
extern const struct wire_type control_from_agent[CONTROL_TYPE_MAX_];

#endif
