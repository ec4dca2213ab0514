/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/packet.h"

#include "common/fd.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* SCM_MAX_FD of the kernel: with room for all that one packet can carry, MSG_CTRUNC says that we
 * are out of descriptors and nothing else. */
#define KERNEL_FDS_MAX 253

int packet_prepare(void *message, size_t size, size_t n_fds)
{
	struct wire_header *h = message;

	if (size < sizeof(*h) || size > WIRE_MESSAGE_MAX || n_fds > WIRE_FDS_MAX)
		return -EINVAL;
	h->version = WIRE_VERSION;
	h->size = (uint32_t)size;
	return 0;
}

int packet_send(int fd, int flags, const void *message, size_t size, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)message, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t r;

	if (n_fds > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do {
		r = sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
	return 0;
}

/* All descriptors of MSG into FDS (KERNEL_FDS_MAX of them). */
static size_t collect_fds(struct msghdr *msg, int *fds)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
			here > KERNEL_FDS_MAX - n)
			continue;
		memcpy(fds + n, CMSG_DATA(c), here * sizeof(int));
		n += here;
	}
	return n;
}

static void close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close_fd(fds[i]);
}

static bool strings_end(const void *message, const struct wire_string *s)
{
	for (; s && s->size; s++)
		if (!memchr((const char *)message + s->offset, '\0', s->size))
			return false;
	return true;
}

/* 0, or -EBADMSG: the peer broke the contract.  Default: no. */
static int check(const void *message, size_t size, const struct wire_type *types, size_t n)
{
	const struct wire_header *h = message;

	if (size < sizeof(*h) || h->version != WIRE_VERSION || h->size != size)
		return -EBADMSG;
	if (h->type >= n || types[h->type].size != size)
		return -EBADMSG;
	return strings_end(message, types[h->type].strings) ? 0 : -EBADMSG;
}

static int check_fds(const struct wire_type *t, bool cut, int *fds, size_t *n_fds)
{
	if (cut) {
		/* Some of them could be lost, and which is which is their order: take none. */
		close_fds(fds, *n_fds);
		*n_fds = 0;
		return t->min_fds > 0 ? -EMFILE : t->max_fds > 0 ? 0 : -EBADMSG;
	}
	return *n_fds >= t->min_fds && *n_fds <= t->max_fds && *n_fds <= WIRE_FDS_MAX ? 0
										      : -EBADMSG;
}

int packet_receive(int fd, int flags, const struct wire_type *types, size_t n, void *message,
	size_t size, size_t *ret_size, int *fds, size_t *ret_n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(KERNEL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = message, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int all[KERNEL_FDS_MAX];
	size_t n_fds;
	ssize_t got;
	int r;

	do {
		/* ECONNRESET is told once, before what is still readable: the peer closed without
		 * having read everything.  The next call has the data, or the end. */
		got = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (got < 0 && (errno == EINTR || errno == ECONNRESET));
	if (got < 0)
		return -errno;
	n_fds = collect_fds(&msg, all);
	if (got == 0 && n_fds == 0)
		return 0;
	r = msg.msg_flags & MSG_TRUNC ? -EBADMSG : check(message, (size_t)got, types, n);
	if (r == 0)
		r = check_fds(&types[((struct wire_header *)message)->type],
			msg.msg_flags & MSG_CTRUNC, all, &n_fds);
	if (r < 0) {
		close_fds(all, n_fds);
		return r;
	}
	memcpy(fds, all, n_fds * sizeof(int));
	*ret_n_fds = n_fds;
	*ret_size = (size_t)got;
	return 1;
}

int wire_send(int fd, void *message, size_t size, const int *fds, size_t n_fds)
{
	int r = packet_prepare(message, size, n_fds);

	return r < 0 ? r : packet_send(fd, 0, message, size, fds, n_fds);
}

int wire_receive(int fd, const struct wire_type *types, size_t n, void *message, size_t size,
	size_t *ret_size, int *fds, size_t *ret_n_fds)
{
	int r = packet_receive(fd, 0, types, n, message, size, ret_size, fds, ret_n_fds);

	if (r < 0)
		return r;
	if (r == 0) {
		*ret_size = 0;
		*ret_n_fds = 0;
	}
	return 0;
}
