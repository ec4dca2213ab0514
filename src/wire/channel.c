/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/channel.h"

#include "common/fd.h"
#include "wire/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Messages taken in one turn of the loop before others have theirs. */
#define BATCH 64

struct queued {
	struct queued *next;
	size_t size, n_fds;
	int fds[WIRE_FDS_MAX]; /* owned */
	char message[];
};

struct channel {
	sd_event_source *source;
	int fd;
	const struct wire_type *types;
	size_t n_types;
	channel_handler *handler;
	void *userdata;
	struct queued *first, **last;
	size_t queued_bytes;
	bool paused;
	bool peer_gone; /* nothing can be sent any more; there may be something to read */
	bool over;      /* the handler has heard the end */
	bool *freed;    /* set when the handler frees the channel under channel_io() */
};

static void queued_free(struct queued *q)
{
	for (size_t i = 0; i < q->n_fds; i++)
		close_fd(q->fds[i]);
	free(q);
}

static void drop_first(struct channel *c)
{
	struct queued *q = c->first;

	c->first = q->next;
	if (!c->first)
		c->last = &c->first;
	c->queued_bytes -= sizeof(*q) + q->size;
	queued_free(q);
}

static void drop_queue(struct channel *c)
{
	while (c->first)
		drop_first(c);
}

/* epoll tells of a hang-up whether asked or not: who wants nothing must be off, or it spins. */
static int update_events(struct channel *c)
{
	uint32_t events =
		(c->paused ? 0U : (uint32_t)EPOLLIN) | (c->first ? (uint32_t)EPOLLOUT : 0U);
	int r;

	if (c->over || events == 0)
		return sd_event_source_set_enabled(c->source, SD_EVENT_OFF);
	r = sd_event_source_set_io_events(c->source, events);
	return r < 0 ? r : sd_event_source_set_enabled(c->source, SD_EVENT_ON);
}

/* The last thing that is done with C in a call: the handler may free it. */
static void end_channel(struct channel *c, int error)
{
	c->over = true;
	c->peer_gone = true;
	drop_queue(c);
	update_events(c);
	c->handler(c, NULL, NULL, 0, error, c->userdata);
}

static int enqueue(
	struct channel *c, const void *message, size_t size, const int *fds, size_t n_fds)
{
	struct queued *q;

	if (c->queued_bytes + sizeof(*q) + size > CHANNEL_QUEUE_MAX)
		return -ENOBUFS;
	q = malloc(sizeof(*q) + size);
	if (!q)
		return -ENOMEM;
	q->next = NULL;
	q->size = size;
	for (q->n_fds = 0; q->n_fds < n_fds; q->n_fds++) {
		q->fds[q->n_fds] = fcntl(fds[q->n_fds], F_DUPFD_CLOEXEC, 3);
		if (q->fds[q->n_fds] < 0) {
			int r = -errno;
			queued_free(q);
			return r;
		}
	}
	memcpy(q->message, message, size);
	*c->last = q;
	c->last = &q->next;
	c->queued_bytes += sizeof(*q) + size;
	return c->first == q ? update_events(c) : 0;
}

/* 0, also when some is left; or -errno, which ends the channel. */
static int flush(struct channel *c)
{
	if (!c->first)
		return 0;
	while (c->first) {
		struct queued *q = c->first;
		int r = packet_send(c->fd, MSG_DONTWAIT, q->message, q->size, q->fds, q->n_fds);

		if (r == -EAGAIN)
			return 0;
		if (r == -EPIPE) {
			c->peer_gone = true;
			drop_queue(c);
			break;
		}
		if (r < 0)
			return r;
		drop_first(c);
	}
	return update_events(c);
}

/* Reads one message and hands it on.  False: no more now (or no more channel). */
static bool receive_one(struct channel *c, const bool *freed)
{
	union {
		struct wire_header header;
		char bytes[WIRE_MESSAGE_MAX];
		uint64_t align;
	} message;
	int fds[WIRE_FDS_MAX], r;
	size_t size, n_fds = 0;

	r = packet_receive(c->fd, MSG_DONTWAIT, c->types, c->n_types, &message, sizeof(message),
		&size, fds, &n_fds);
	if (r == -EAGAIN)
		return false;
	if (r <= 0) {
		end_channel(c, r);
		return false;
	}
	c->handler(c, &message.header, fds, n_fds, 0, c->userdata);
	for (size_t i = 0; i < n_fds; i++)
		close_fd(fds[i]);
	return !*freed;
}

static int channel_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct channel *c = userdata;
	bool freed = false;
	int r;

	(void)source, (void)fd, (void)revents;
	r = flush(c);
	if (r < 0) {
		end_channel(c, r);
		return 0;
	}
	c->freed = &freed;
	for (int i = 0; i < BATCH && !c->paused && !c->over; i++)
		if (!receive_one(c, &freed) || freed)
			break;
	if (!freed)
		c->freed = NULL;
	return 0;
}

int channel_new(sd_event *event, int fd, const struct wire_type *types, size_t n,
	channel_handler *handler, void *userdata, struct channel **ret)
{
	int flags = fcntl(fd, F_GETFL), r;
	struct channel *c;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->types = types;
	c->n_types = n;
	c->handler = handler;
	c->userdata = userdata;
	c->last = &c->first;
	r = sd_event_add_io(event, &c->source, fd, EPOLLIN, channel_io, c);
	if (r < 0) {
		free(c);
		return r;
	}
	c->fd = fd;
	*ret = c;
	return 0;
}

struct channel *channel_free(struct channel *c)
{
	if (!c)
		return NULL;
	if (c->freed)
		*c->freed = true;
	/* Off first: the loop may hold a reference to the source while it dispatches it. */
	sd_event_source_set_enabled(c->source, SD_EVENT_OFF);
	sd_event_source_unref(c->source);
	drop_queue(c);
	close_fd(c->fd);
	free(c);
	return NULL;
}

int channel_send(struct channel *c, void *message, size_t size, const int *fds, size_t n_fds)
{
	int r = packet_prepare(message, size, n_fds);

	if (r < 0)
		return r;
	if (c->peer_gone)
		return -EPIPE;
	if (!c->first) {
		r = packet_send(c->fd, MSG_DONTWAIT, message, size, fds, n_fds);
		if (r == -EPIPE)
			c->peer_gone = true;
		if (r != -EAGAIN)
			return r;
	}
	return enqueue(c, message, size, fds, n_fds);
}

int channel_set_priority(struct channel *c, int64_t priority)
{
	return sd_event_source_set_priority(c->source, priority);
}

int channel_pause(struct channel *c, int paused)
{
	c->paused = paused;
	return update_events(c);
}

int channel_fd(const struct channel *c)
{
	return c->fd;
}
