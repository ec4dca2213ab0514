/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between two processes: SOCK_SEQPACKET, one struct a packet, descriptors beside it.
 *
 * A message begins with struct wire_header; its size says which struct it is as much as its type
 * does, and both must agree (the receiver has a table).  Nothing is parsed.  What does not fit the
 * table -- size, version, type, number of descriptors, a string without its NUL -- is the peer's
 * breach of contract and ends the channel: -EBADMSG.  So a handler may use each char array that the
 * table names as a string.  What the table can't know (enums, counts such as exec_spent.n, ids) is
 * the handler's to check.
 *
 * A process that is out of descriptors gets a message without those that came with it if its type
 * may come without; else the channel ends with -EMFILE, which is nobody's breach.
 *
 * Sending never blocks: what the socket does not take at once is queued, in order, and goes when
 * it can (CHANNEL_QUEUE_MAX bytes; a peer that does not read is a fault: -ENOBUFS).
 */
#ifndef FLAGMAN_CHANNEL_H
#define FLAGMAN_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define WIRE_VERSION      1
#define WIRE_FDS_MAX      4
#define WIRE_MESSAGE_MAX  4096
#define CHANNEL_QUEUE_MAX (64U * 1024 * 1024)

struct wire_header {
	uint16_t version; /* WIRE_VERSION; filled in by channel_send() */
	uint16_t type;
	uint32_t size; /* of the whole message; filled in */
};

/* A char array in a message, which must hold a NUL. */
struct wire_string {
	uint16_t offset, size; /* size 0: end of the list */
};
/* clang-format off */
#define WIRE_STRING(type, field) {offsetof(type, field), sizeof(((type *)0)->field)}
/* clang-format on */

/* What a type must look like; type is the index.  size 0: not allowed in this direction. */
struct wire_type {
	size_t size;
	unsigned min_fds, max_fds;
	const struct wire_string *strings; /* or NULL: it has none */
};
/* WIRE_TYPE(struct exec_own, 1, 1), WIRE_TEXT(struct exec_start, 0, 0, start_strings) */
/* clang-format off */
#define WIRE_TYPE(type, min, max) {sizeof(type), (min), (max), NULL}
#define WIRE_TEXT(type, min, max, strings) {sizeof(type), (min), (max), (strings)}
/* clang-format on */

struct channel;

/*
 * One call for each message.  FDS are the callee's to keep (set the entry to -1) or else closed
 * when it returns.  MESSAGE is NULL once, when the channel is over: ERROR is 0 when the peer closed
 * it (after all that it had sent), or -errno (-EBADMSG: breach).  The channel may be freed from
 * within; after its end it still must be.
 */
typedef void channel_handler(struct channel *c, const struct wire_header *message, int *fds,
	size_t n_fds, int error, void *userdata);

/* FD (non-blocking is set here) becomes the channel's.  TYPES has N entries: what may come in. */
int channel_new(sd_event *event, int fd, const struct wire_type *types, size_t n,
	channel_handler *handler, void *userdata, struct channel **ret);
struct channel *channel_free(struct channel *c); /* NULL is fine; returns NULL */

/* SIZE bytes at MESSAGE, which begins with a header whose type is set.  FDS stay the caller's (they
 * are duplicated if queued).  0 or -errno: -EPIPE when the peer is gone or the channel over (what
 * the peer had sent, and the end, still come to the handler), -ENOBUFS, -EMFILE, -ENOMEM. */
int channel_send(struct channel *c, void *message, size_t size, const int *fds, size_t n_fds);
/* Priority of reading it: sd_event_source_set_priority(3). */
int channel_set_priority(struct channel *c, int64_t priority);
/* Stop reading (back-pressure), go on. */
int channel_pause(struct channel *c, int paused);
int channel_fd(const struct channel *c);

/* The same wire, without a loop: for the CLI and the runner.  Blocking, if FD is; 0 or -errno.
 * These two need no libsystemd. */
int wire_send(int fd, void *message, size_t size, const int *fds, size_t n_fds);
/* Up to SIZE bytes into MESSAGE (aligned like a struct), checked against TYPES; *RET_SIZE is 0 at
 * the end of the stream.  FDS holds WIRE_FDS_MAX; the received ones are the caller's. */
int wire_receive(int fd, const struct wire_type *types, size_t n, void *message, size_t size,
	size_t *ret_size, int *fds, size_t *ret_n_fds);

#endif
