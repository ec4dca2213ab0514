/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The run specification: its codec, and packets with descriptors. */
#include "wire/spec.h"

#include "common/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPEC_MAGIC   0x63657073U
#define SPEC_VERSION 3

/* The message: this, then the groups, then the strings: directory, context, profile, argv, env. */
struct spec_head {
	uint32_t magic, version;
	uint32_t size; /* of all */
	uint32_t n_argv, n_env, n_groups;
	struct token token;
	uint32_t flags, uid, gid, umask;
	int32_t nice;
	uint32_t leftovers, limits_set, pad;
	uint64_t ambient, bounding, output_limit;
	struct spec_limit limits[SPEC_LIMITS];
};

static uint32_t add_strings(struct buf *out, const char *const *strings)
{
	uint32_t n = 0;

	for (; strings && strings[n]; n++)
		buf_add(out, strings[n], strlen(strings[n]) + 1);
	return n;
}

int spec_encode(struct buf *out, const struct spec *s)
{
	size_t start = out->len;
	struct spec_head h = {
		.magic = SPEC_MAGIC,
		.version = SPEC_VERSION,
		.n_groups = s->n_groups,
		.token = s->token,
		.flags = s->flags,
		.uid = s->uid,
		.gid = s->gid,
		.umask = s->umask,
		.nice = s->nice,
		.leftovers = s->leftovers,
		.limits_set = s->limits_set,
		.ambient = s->ambient,
		.bounding = s->bounding,
		.output_limit = s->output_limit,
	};

	memcpy(h.limits, s->limits, sizeof(h.limits));
	buf_add(out, &h, sizeof(h));
	buf_add(out, s->groups, s->n_groups * sizeof(*s->groups));
	buf_add(out, s->directory, strlen(s->directory) + 1);
	buf_add(out, s->context, strlen(s->context) + 1);
	buf_add(out, s->apparmor_profile ? s->apparmor_profile : "",
		s->apparmor_profile ? strlen(s->apparmor_profile) + 1 : 1);
	h.n_argv = add_strings(out, s->argv);
	h.n_env = add_strings(out, s->env);
	if (out->error)
		return out->error;
	if (out->len - start > SPEC_SIZE_MAX)
		return -E2BIG;
	h.size = (uint32_t)(out->len - start);
	memcpy(out->data + start, &h, sizeof(h));
	return 0;
}

/* Points at the N strings from *AT on, which must end before END. */
static int take_strings(const char **at, const char *end, uint32_t n, const char **ret)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *nul = memchr(*at, '\0', (size_t)(end - *at));
		if (!nul)
			return -EBADMSG;
		ret[i] = *at;
		*at = nul + 1;
	}
	ret[n] = NULL;
	return 0;
}

int spec_decode(const void *memory, size_t size, struct spec **ret)
{
	const char *at = memory, *end = at + size;
	_cleanup_free_ struct spec *s = NULL;
	struct spec_head h;
	const char **argv, **env, *places[3], *profile[2];

	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, at, sizeof(h));
	at += sizeof(h);
	/* Each string and each group takes at least a byte: the counts can't lie beyond the size.
	 */
	if (h.magic != SPEC_MAGIC || h.version != SPEC_VERSION || h.size != size || !h.n_argv ||
		h.n_argv > size || h.n_env > size || h.n_groups > (size_t)(end - at) / 4 ||
		h.leftovers > SPEC_WAIT)
		return -EBADMSG;
	s = malloc(sizeof(*s) + ((size_t)h.n_argv + h.n_env + 2) * sizeof(char *));
	if (!s)
		return -ENOMEM;
	argv = (const char **)(s + 1);
	env = argv + h.n_argv + 1;
	*s = (struct spec){
		.token = h.token,
		.flags = h.flags,
		.uid = h.uid,
		.gid = h.gid,
		.umask = h.umask,
		.nice = h.nice,
		.leftovers = h.leftovers,
		.limits_set = h.limits_set,
		.n_groups = h.n_groups,
		.ambient = h.ambient,
		.bounding = h.bounding,
		.output_limit = h.output_limit,
		.groups = (const void *)at,
		.argv = argv,
		.env = env,
	};
	memcpy(s->limits, h.limits, sizeof(s->limits));
	at += h.n_groups * sizeof(*s->groups);
	if (take_strings(&at, end, 2, places) < 0 || take_strings(&at, end, 1, profile) < 0 ||
		take_strings(&at, end, h.n_argv, argv) < 0 ||
		take_strings(&at, end, h.n_env, env) < 0 || at != end)
		return -EBADMSG; /* cppcheck-suppress memleak ; it is freed by _cleanup_free_ */
	s->directory = places[0];
	s->context = places[1];
	s->apparmor_profile = *profile[0] ? profile[0] : NULL;
	*ret = steal_ptr(&s);
	return 0;
}

int spec_send(int fd, const void *data, size_t size, const int *fds, size_t n_fds)
{
	union {
		char space[CMSG_SPACE(SPEC_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (n_fds > SPEC_FDS_MAX)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c = &control.align;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (size_t)n == size ? 0 : -EIO;
}

static size_t take_fds(struct msghdr *m, int *fds)
{
	size_t total = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + total, CMSG_DATA(c), n * sizeof(int)); /* the space bounds it */
		total += n;
	}
	return total;
}

int spec_receive(int fd, void *memory, size_t *ret_size, int *fds, size_t *ret_n_fds)
{
	union {
		char space[CMSG_SPACE(SPEC_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = memory, .iov_len = SPEC_SIZE_MAX + 1};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_n_fds = take_fds(&m, fds);
	*ret_size = (size_t)n;
	return n > SPEC_SIZE_MAX || m.msg_flags & MSG_TRUNC ? -EMSGSIZE : 0;
}
