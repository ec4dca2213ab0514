/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet from a peer that keeps no contract, against the tables of a direction: taken only if it
 * fits, and no descriptor is lost on the way.
 *
 * The first byte says which table (bit 0), how many descriptors come (bits 1 to 3), and whether the
 * rest is the packet (bit 4) or a type and the body of one that has a good header.
 */
#ifndef FLAGMAN_TESTS_FUZZ_PACKET_H
#define FLAGMAN_TESTS_FUZZ_PACKET_H

#include "fuzz.h"

#include "wire/channel.h"

#include <sys/socket.h>

struct packet_table {
	const struct wire_type *types;
	size_t n;
};

/* What the contract says (channel.h), once more and in other words. */
static inline bool packet_fits(
	const struct packet_table *t, const uint8_t *packet, size_t size, size_t n_fds)
{
	const struct wire_type *type;
	struct wire_header h;

	if (size < sizeof(h))
		return false;
	memcpy(&h, packet, sizeof(h));
	if (h.version != WIRE_VERSION || h.size != size || h.type >= t->n)
		return false;
	type = &t->types[h.type];
	if (type->size != size || n_fds < type->min_fds || n_fds > type->max_fds)
		return false;
	for (const struct wire_string *s = type->strings; s && s->size; s++)
		if (strnlen((const char *)packet + s->offset, s->size) == s->size)
			return false;
	return true;
}

static inline void packet_put(int fd, const void *packet, size_t size, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)packet, .iov_len = size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		struct cmsghdr *c = &control.align;
		int *fds = (int *)(void *)CMSG_DATA(c);

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (size_t i = 0; i < n_fds; i++)
			fds[i] = STDERR_FILENO;
	}
	CHECK(sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)size);
}

static inline void packet_exchange(
	const struct packet_table *t, const uint8_t *packet, size_t size, size_t n_fds)
{
	union {
		struct wire_header header;
		uint8_t bytes[WIRE_MESSAGE_MAX];
		uint64_t align;
	} message;
	int pair[2], fds[WIRE_FDS_MAX], next = fuzz_next_fd(), r;
	size_t got = 0, n_got = 0;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	packet_put(pair[0], packet, size, n_fds);
	close(pair[0]);
	r = wire_receive(pair[1], t->types, t->n, &message, sizeof(message), &got, fds, &n_got);
	close(pair[1]);
	if (size == 0 && n_fds == 0) {
		CHECK(r == 0 && got == 0 && n_got == 0); /* as the end of the stream */
	} else if (packet_fits(t, packet, size, n_fds)) {
		CHECK(r == 0 && got == size && n_got == n_fds);
		CHECK(memcmp(message.bytes, packet, size) == 0);
		while (n_got > 0)
			close(fds[--n_got]);
	} else {
		CHECK(r == -EBADMSG);
	}
	CHECK(fuzz_next_fd() == next);
}

static inline void packet_try(const struct packet_table tables[2], const uint8_t *data, size_t size)
{
	uint8_t packet[WIRE_MESSAGE_MAX + 16] = {0};
	struct wire_header h = {.version = WIRE_VERSION};
	const struct packet_table *t;
	size_t n_fds;

	if (size < 2)
		return;
	t = &tables[data[0] & 1];
	n_fds = data[0] >> 1 & 7;
	if (data[0] & 16) {
		size = size - 1 < sizeof(packet) ? size - 1 : sizeof(packet);
		packet_exchange(t, data + 1, size, n_fds);
		return;
	}
	/* Most numbers are of no type: the next one that is. */
	for (h.type = data[1] % t->n; t->types[h.type].size == 0;)
		h.type = (uint16_t)((h.type + 1) % t->n);
	h.size = (uint32_t)t->types[h.type].size;
	size -= 2;
	memcpy(packet, &h, sizeof(h));
	if (size > 0)
		memcpy(packet + sizeof(h), data + 2,
			size < h.size - sizeof(h) ? size : h.size - sizeof(h));
	packet_exchange(t, packet, h.size, n_fds);
}

#endif
