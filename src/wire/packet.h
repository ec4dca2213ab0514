/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One packet in, one packet out: what the channel and the loopless calls of channel.h share.
 * Inside src/wire only.
 */
#ifndef FLAGMAN_WIRE_PACKET_H
#define FLAGMAN_WIRE_PACKET_H

#include "wire/channel.h"

/* Fills in version and size; -EINVAL when our own caller broke the limits. */
int packet_prepare(void *message, size_t size, size_t n_fds);

/* FLAGS as in send(2); MSG_NOSIGNAL is added.  0 or -errno: -EPIPE in each case where the peer is
 * gone. */
int packet_send(int fd, int flags, const void *message, size_t size, const int *fds, size_t n_fds);

/* FLAGS as in recv(2).  Reads and checks one packet.  1, 0 at the end, or -errno; FDS
 * (WIRE_FDS_MAX of them) are valid with 1 only. */
int packet_receive(int fd, int flags, const struct wire_type *types, size_t n, void *message,
	size_t size, size_t *ret_size, int *fds, size_t *ret_n_fds);

#endif
