/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run specification: what the executor tells a runner, in one message, after the claim.
 *
 * A runner knows no configuration.  It is forked by the nursery (the flagman-runner that flagmand
 * started, which holds nothing), gets four descriptors at its birth (NURSERY_BIRTH) and
 * waits.  Everything that makes it a run comes here: who, where, with what limits and rights, what
 * to execute in which environment.  The executor is trusted, yet the message is checked whole:
 * lengths, counts, terminators, nothing left over.
 *
 *	spec_encode(&buf, &spec);                       executor
 *	spec_send(fd, buf.data, buf.len, fds, n);
 *	spec_receive(fd, memory, &size, fds, &n);       the process that will be the command
 *	spec_decode(memory, size, &spec);               pointers lead into MEMORY
 */
#ifndef FLAGMAN_SPEC_H
#define FLAGMAN_SPEC_H

#include "common/buf.h"
#include "common/token.h"

#include <stddef.h>
#include <stdint.h>

#define SPEC_SIZE_MAX (128U * 1024) /* fits one packet of a socket's default buffer */
#define SPEC_LIMITS   16            /* RLIM_NLIMITS */
#define SPEC_FDS_MAX  5

/* The parts of a claim's file (claim.h).  The first block is written beforehand, so that a full
 * disk can't take away the end of a run. */
#define CLAIM_PLAN_AT      1024
#define CLAIM_STARTED_AT   2048 /* CLAIM_STARTED_SIZE bytes, zeros until the start */
#define CLAIM_STARTED_SIZE 128
#define CLAIM_STOP_AT      2560 /* a byte, enum stop_reason */
#define CLAIM_RESULT_AT    3072 /* struct claim_result, within one sector */
#define CLAIM_RECORD_AT    3584 /* struct claim_record, one sector */
#define CLAIM_BLOCK        4096
#define CLAIM_OUTPUT_AT    4096

enum spec_flag {
	SPEC_IDENTITY = 1,          /* set groups, ids and capabilities: flagmand is privileged */
	SPEC_NO_NEW_PRIVILEGES = 2, /* prctl(2) */
	SPEC_SCRIPT = 4,   /* a script's text comes with it, to be number 3 of the command */
	SPEC_INPUT = 8,    /* a file comes with it, to be the command's standard input */
	SPEC_DISC = 16,    /* what it says of a disc (X_FLAGMAN_DISC=) is kept */
	SPEC_PROFILE = 64, /* it has that profile or does not run, wherever AppArmor is on */
};

enum spec_leftovers { SPEC_LEAVE, SPEC_KILL, SPEC_WAIT }; /* as enum leftovers of config.h */

struct spec_limit {
	uint64_t soft, hard; /* UINT64_MAX: infinity */
};

struct spec {
	struct token token; /* the claim's */
	uint32_t flags;     /* enum spec_flag */
	uint32_t uid, gid;
	uint32_t umask;
	int32_t nice; /* 0: as it is */
	uint32_t leftovers;
	uint32_t limits_set; /* bit by RLIMIT_ number */
	uint32_t n_groups;
	uint64_t ambient, bounding; /* capabilities, bit by number */
	uint64_t output_limit;
	struct spec_limit limits[SPEC_LIMITS];
	const uint32_t *groups;
	const char *directory;
	const char *context;          /* of SELinux; "": none */
	const char *apparmor_profile; /* or NULL; without SPEC_PROFILE: where the runner has one of
				       * flagman's, too */
	const char *const *argv;      /* NULL-terminated, at least one */
	const char *const *env;       /* NULL-terminated */
};

/*
 * What the executor asks of the nursery.  A birth comes with the runner's end of its socket pair,
 * the file that will be its claim, its notification socket, the writing end of `alive`: whoever
 * dies on the way, nursery or runner, that hangs up.  A sync comes with a socket and a directory,
 * which a child syncs; it answers with a byte.  (fsync(2) takes milliseconds on a disk that is
 * busy, in which the executor would hear nobody.)
 */
enum nursery_request {
	NURSERY_BIRTH = 0x62726e72,
	NURSERY_SYNC = 0x636e7973,
};
struct nursery_message {
	uint32_t request;
	uint32_t pad;
	uint64_t bounding; /* no run needs more capabilities than these: the nursery drops the
			    * others, for good */
};
#define NURSERY_BIRTH_FDS 4 /* and the directory of its cgroup, where there is one */
#define NURSERY_SYNC_FDS  2
#define RUNNER_SOCKET_FD  3 /* of the nursery, when it starts */

/* Appends the message to OUT (a maximum of SPEC_SIZE_MAX fits).  0 or -errno. */
int spec_encode(struct buf *out, const struct spec *s);

/* MEMORY stays the caller's and is pointed into; the spec is freed with free(3). 0, -EBADMSG,
 * -ENOMEM. */
int spec_decode(const void *memory, size_t size, struct spec **ret);

/* One packet with descriptors.  0 or -errno. */
int spec_send(int fd, const void *data, size_t size, const int *fds, size_t n_fds);
/* One packet into MEMORY, which has room for SPEC_SIZE_MAX + 1; *RET_SIZE is 0 when the peer has
 * hung up.  FDS has room for SPEC_FDS_MAX.  0 or -errno. */
int spec_receive(int fd, void *memory, size_t *ret_size, int *fds, size_t *ret_n_fds);

#endif
