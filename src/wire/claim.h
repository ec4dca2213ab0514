/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The claim: <state>/runs/<token>, a file of the executor's, made of
 *
 *	one block of 4 KiB: at its beginning struct claim_status, rewritten in place by the runner.
 *		Behind it, for the executor and the runner alone (spec.h has the places): what an
 *		adopting executor must know; "<boot-id> <pid> <start time> ..." of what was started,
 *		written just before exec; why it was told to stop; struct claim_result, written last
 *		and synced; struct claim_record.
 *	the output: what the command wrote, a head, then a ring for the tail
 *
 * and <run>/alive/<id>, a FIFO that the runner holds open: a byte in it says "look", its hang-up
 * "I ended".  One file, because making files is most of what a claim costs.
 *
 * Giving the file its name is the claim: a rename that may not replace succeeds once.  The executor
 * passes the agent descriptors of both, the file's read-only.
 */
#ifndef FLAGMAN_CLAIM_H
#define FLAGMAN_CLAIM_H

#include "wire/exec.h"

#include <stdint.h>

#define CLAIM_VERSION 1

struct claim_status {
	uint32_t version;
	uint32_t sequence;     /* odd while it is being written; equal to sequence2 when whole */
	uint64_t output_total; /* bytes that the command wrote */
	uint64_t output_head;  /* file bytes 0..head are its beginning */
	uint64_t output_ring;  /* size of the ring behind the head; total > head + ring: bytes are
				  lost */
	uint32_t percent;      /* UINT32_MAX: none reported */
	uint32_t pad;
	char text[256]; /* STATUS= as reported, made one line; NUL-terminated */
	uint32_t sequence2;
	uint32_t pad2;
};

struct claim_result {
	uint32_t version; /* 0: it has none */
	uint32_t pad;
	struct run_end end; /* stop and success are the executor's to fill */
	struct token token; /* whose result it is: the block may have been another run's before */
};

/*
 * What a burn or a verification found, as flagman-disc(1) reports it: tab-separated key=value.
 * Durable before the command goes on; its token tells whose it is.
 */
#define CLAIM_RECORD_MAX 480 /* bytes of text, with its NUL */
struct claim_record {
	uint32_t version; /* 0: there is none */
	uint32_t pad;
	struct token token;
	char text[CLAIM_RECORD_MAX];
	char reserved[8];
};
/* Writes TEXT (cut if need be) and syncs; 0 or -errno. */
int claim_record_write(int fd, const struct token *t, const char *text);
/* 0; -ENOENT: T has none. */
int claim_record_read(int fd, const struct token *t, char text[CLAIM_RECORD_MAX]);

/* A whole claim_status, read with a few tries; 0, -EAGAIN (being written, or its writer died in
 * the middle), -EBADMSG or -errno. */
int claim_status_read(int fd, struct claim_status *ret);
/* Writes it in place, bumping the sequence; version and sequences are filled in.  A sequence of 0
 * says that the file is new and empty: that takes one write instead of three. */
int claim_status_write(int fd, struct claim_status *s);

/*
 * The output in order: head, then tail; *RET_LEFT_OUT bytes lie between.  Appends to the two
 * buffers no more than they have room for by their own maxima (the head's beginning, the tail's
 * end).  0 or -errno.
 */
struct buf;
int claim_output_read(int fd, const struct claim_status *s, struct buf *head, struct buf *tail,
	uint64_t *ret_left_out);

#endif
