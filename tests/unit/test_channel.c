/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/fd.h"
#include "wire/channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOTE = 1, ONE_FD, SOME_FDS, UNUSED, BIG, TYPES };

struct note {
	struct wire_header header;
	uint64_t number;
	char text[32];
};
struct big {
	struct wire_header header;
	uint64_t number;
	char bytes[WIRE_MESSAGE_MAX - 16];
};

static const struct wire_string note_strings[] = {WIRE_STRING(struct note, text), {0}};
static const struct wire_type types[TYPES] = {
	[NOTE] = WIRE_TEXT(struct note, 0, 0, note_strings),
	[ONE_FD] = WIRE_TYPE(struct note, 1, 1),
	[SOME_FDS] = WIRE_TYPE(struct note, 0, 3),
	[BIG] = WIRE_TYPE(struct big, 0, 0),
};

/* One end is a channel; the other a channel too, or a plain descriptor to misbehave with. */
struct end {
	struct channel *channel;
	uint64_t received, next; /* how many; the number expected next */
	int ended, error;        /* how often the end came, and with what */
	int keep, kept;          /* keep the first descriptor */
	int last_fds[WIRE_FDS_MAX];
	size_t n_last_fds;
	uint64_t free_at, pause_at; /* do so at this message; UINT64_MAX: never */
	int free_at_end;
};

static sd_event *event;
static struct end us, them;
static int fd_them; /* -1 when them.channel has it */
static int fds_before;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void handler(struct channel *c, const struct wire_header *message, int *fds, size_t n_fds,
	int error, void *userdata)
{
	struct end *e = userdata;

	assert_ptr_equal(c, e->channel);
	assert_int_equal(e->ended, 0); /* nothing comes behind the end */
	if (!message) {
		e->ended++;
		e->error = error;
		if (e->free_at_end)
			e->channel = channel_free(c);
		return;
	}
	assert_int_equal(((const struct note *)message)->number, e->next);
	e->received++;
	e->next++;
	e->n_last_fds = n_fds;
	for (size_t i = 0; i < n_fds; i++) {
		e->last_fds[i] = fds[i];
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
	}
	if (e->keep && n_fds) {
		close_fd(e->kept);
		e->kept = steal_fd(&fds[0]);
	}
	if (e->pause_at == e->received)
		channel_pause(c, 1);
	if (e->free_at == e->received)
		e->channel = channel_free(c);
}

static int set_up(void **state)
{
	int pair[2];

	(void)state;
	us = them = (struct end){.kept = -1, .free_at = UINT64_MAX, .pause_at = UINT64_MAX};
	if (sd_event_new(&event) < 0)
		return -1;
	fds_before = count_fds();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	fd_them = pair[1];
	return channel_new(event, pair[0], types, TYPES, handler, &us, &us.channel);
}

/* Nothing may be left open, whatever happened. */
static int tear_down(void **state)
{
	(void)state;
	us.channel = channel_free(us.channel);
	them.channel = channel_free(them.channel);
	close_fd(us.kept);
	close_fd(them.kept);
	close_fd(fd_them);
	assert_int_equal(count_fds(), fds_before);
	sd_event_unref(event);
	return 0;
}

static void make_them_a_channel(void)
{
	assert_int_equal(
		channel_new(event, fd_them, types, TYPES, handler, &them, &them.channel), 0);
	fd_them = -1;
}

/* Runs the loop until it has nothing to do; returns how often it turned. */
static int turn(void)
{
	int n = 0, r;

	while ((r = sd_event_run(event, 0)) > 0)
		assert_true(++n < 1000000);
	assert_int_equal(r, 0);
	return n;
}

static int send_note(struct channel *c, unsigned type, uint64_t number, const int *fds, size_t n)
{
	struct note m = {.header.type = (uint16_t)type, .number = number, .text = "hello"};

	return channel_send(c, &m, sizeof(m), fds, n);
}

/* As a peer that keeps to no rule. */
static void send_raw(const void *message, size_t size, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(32 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)message, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fd_them, &msg, MSG_NOSIGNAL), size);
}

static struct note good_note(unsigned type)
{
	return (struct note){.header = {WIRE_VERSION, (uint16_t)type, sizeof(struct note)}};
}

static void test_both_ways(void **state)
{
	(void)state;
	make_them_a_channel();
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(send_note(us.channel, NOTE, i, NULL, 0), 0);
		assert_int_equal(send_note(them.channel, NOTE, i, NULL, 0), 0);
	}
	turn();
	assert_int_equal(us.received, 10);
	assert_int_equal(them.received, 10);
	assert_int_equal(us.ended + them.ended, 0);
}

static void test_descriptors_are_closed_or_kept(void **state)
{
	int p[2];
	char c;

	(void)state;
	make_them_a_channel();
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(send_note(us.channel, ONE_FD, 0, &p[0], 1), 0);
	turn();
	assert_int_equal(them.n_last_fds, 1);
	assert_int_equal(fcntl(them.last_fds[0], F_GETFD), -1);
	them.keep = 1;
	assert_int_equal(send_note(us.channel, SOME_FDS, 1, (int[]){p[0], p[1], p[1]}, 3), 0);
	turn();
	assert_int_equal(them.n_last_fds, 3);
	assert_true(fcntl(them.kept, F_GETFD) >= 0);
	assert_int_equal(fcntl(them.last_fds[1], F_GETFD), -1);
	assert_int_equal(fcntl(them.last_fds[2], F_GETFD), -1);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(read(them.kept, &c, 1), 1);
	close_fd(p[0]);
	close_fd(p[1]);
}

static void assert_breach(void)
{
	struct note m = good_note(NOTE);

	/* Not even a good message is taken from it any more. */
	send_raw(&m, sizeof(m), NULL, 0);
	turn();
	assert_int_equal(us.ended, 1);
	assert_int_equal(us.error, -EBADMSG);
	assert_int_equal(us.received, 0);
	assert_int_equal(send_note(us.channel, NOTE, 0, NULL, 0), -EPIPE);
}

static void test_wrong_version(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	m.header.version++;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_wrong_size_said(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	m.header.size--;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_too_short(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	m.header.size = sizeof(m) - 1;
	send_raw(&m, sizeof(m) - 1, NULL, 0);
	assert_breach();
}

static void test_too_long(void **state)
{
	struct {
		struct note m;
		char more;
	} m = {.m = good_note(NOTE)};

	(void)state;
	m.m.header.size = sizeof(m);
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_not_even_a_header(void **state)
{
	(void)state;
	send_raw("\1\0\1", 3, NULL, 0);
	assert_breach();
}

static void test_longer_than_any(void **state)
{
	struct {
		struct big m;
		char more;
	} m = {.m.header = {WIRE_VERSION, BIG, sizeof(struct big)}};

	(void)state;
	/* Cut off, it would be a good one. */
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_unknown_types(void **state)
{
	struct note m = good_note(UNUSED);

	(void)state;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_type_zero(void **state)
{
	struct note m = good_note(0);

	(void)state;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_type_out_of_range(void **state)
{
	struct note m = good_note(TYPES);

	(void)state;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_highest_type(void **state)
{
	struct note m = good_note(UINT16_MAX);

	(void)state;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_string_without_end(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	memset(m.text, 'x', sizeof(m.text));
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_missing_descriptor(void **state)
{
	struct note m = good_note(ONE_FD);

	(void)state;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_breach();
}

static void test_unwanted_descriptor(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	send_raw(&m, sizeof(m), (int[]){0}, 1);
	assert_breach();
}

static void test_too_many_descriptors(void **state)
{
	struct note m = good_note(SOME_FDS);
	int fds[32] = {0};

	(void)state;
	send_raw(&m, sizeof(m), fds, 4);
	assert_breach();
}

static void test_far_too_many_descriptors(void **state)
{
	struct note m = good_note(SOME_FDS);
	int fds[32] = {0};

	(void)state;
	send_raw(&m, sizeof(m), fds, 32);
	assert_breach();
}

static void test_descriptor_with_rubbish(void **state)
{
	(void)state;
	send_raw("x", 1, (int[]){0, 0}, 2);
	assert_breach();
}

static void test_queues_in_order_when_the_socket_is_full(void **state)
{
	const uint64_t n = 3000;
	char byte;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(
			send_note(us.channel, i % 3 ? NOTE : ONE_FD, i, p, i % 3 ? 0 : 1), 0);
	/* They are duplicated: ours may go at once. */
	close_fd(p[0]);
	assert_true(count_fds() > fds_before + 100);
	make_them_a_channel();
	them.keep = 1;
	turn();
	assert_int_equal(them.received, n);
	assert_int_equal(us.ended + them.ended, 0);
	/* The last one kept is the pipe's reading end, and no copy of it is left but this. */
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(read(them.kept, &byte, 1), 1);
	close_fd(steal_fd(&them.kept));
	assert_int_equal(write(p[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close_fd(p[1]);
	/* The queue is empty: messages go the short way again. */
	assert_int_equal(send_note(us.channel, NOTE, n, NULL, 0), 0);
	turn();
	assert_int_equal(them.received, n + 1);
}

static void test_queue_has_an_end(void **state)
{
	struct big m = {.header.type = BIG};
	uint64_t n = 0;
	int r;

	(void)state;
	while ((r = channel_send(us.channel, &m, sizeof(m), NULL, 0)) == 0) {
		m.number = ++n;
		assert_true(n * sizeof(m) < 2ULL * CHANNEL_QUEUE_MAX);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_true(n * sizeof(m) > CHANNEL_QUEUE_MAX / 2);
	/* What was taken arrives, all of it. */
	make_them_a_channel();
	turn();
	assert_int_equal(them.received, n);
	assert_int_equal(channel_send(us.channel, &m, sizeof(m), NULL, 0), 0);
}

static void test_queue_that_nobody_reads_is_freed(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(send_note(us.channel, ONE_FD, i, (int[]){0}, 1), 0);
	assert_true(count_fds() > fds_before + 100);
}

static void test_end_comes_behind_the_rest(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	for (m.number = 0; m.number < 200; m.number++)
		send_raw(&m, sizeof(m), NULL, 0);
	close_fd(steal_fd(&fd_them));
	turn();
	assert_int_equal(us.received, 200);
	assert_int_equal(us.ended, 1);
	assert_int_equal(us.error, 0);
}

/* It closed with messages of ours unread: ECONNRESET comes first, then what it had sent. */
static void test_end_with_ours_unread(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	assert_int_equal(send_note(us.channel, NOTE, 0, NULL, 0), 0);
	for (m.number = 0; m.number < 5; m.number++)
		send_raw(&m, sizeof(m), NULL, 0);
	close_fd(steal_fd(&fd_them));
	turn();
	assert_int_equal(us.received, 5);
	assert_int_equal(us.ended, 1);
	assert_int_equal(us.error, 0);
}

/* The sender notices first; what the peer had said must still be heard. */
static void test_send_to_a_peer_that_left(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	for (m.number = 0; m.number < 5; m.number++)
		send_raw(&m, sizeof(m), NULL, 0);
	close_fd(steal_fd(&fd_them));
	assert_int_equal(send_note(us.channel, NOTE, 0, NULL, 0), -EPIPE);
	assert_int_equal(send_note(us.channel, NOTE, 0, NULL, 0), -EPIPE);
	turn();
	assert_int_equal(us.received, 5);
	assert_int_equal(us.ended, 1);
	assert_int_equal(us.error, 0);
}

static void test_peer_leaves_while_we_queue(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	for (uint64_t i = 0; i < 3000; i++)
		assert_int_equal(send_note(us.channel, NOTE, i, NULL, 0), 0);
	for (m.number = 0; m.number < 5; m.number++)
		send_raw(&m, sizeof(m), NULL, 0);
	close_fd(steal_fd(&fd_them));
	turn();
	assert_int_equal(us.received, 5);
	assert_int_equal(us.ended, 1);
	assert_int_equal(us.error, 0);
}

static void test_freed_while_handling_a_message(void **state)
{
	struct note m = good_note(SOME_FDS);

	(void)state;
	us.free_at = 2;
	for (m.number = 0; m.number < 5; m.number++)
		send_raw(&m, sizeof(m), (int[]){0, 0}, 2);
	turn();
	assert_int_equal(us.received, 2);
	assert_null(us.channel);
	assert_int_equal(us.ended, 0);
}

static void test_freed_at_the_end(void **state)
{
	(void)state;
	us.free_at_end = 1;
	close_fd(steal_fd(&fd_them));
	turn();
	assert_int_equal(us.ended, 1);
	assert_null(us.channel);
}

static void test_freed_at_a_breach(void **state)
{
	(void)state;
	us.free_at_end = 1;
	send_raw("rubbish", 7, NULL, 0);
	turn();
	assert_int_equal(us.error, -EBADMSG);
	assert_null(us.channel);
}

static void test_pause(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	us.pause_at = 3;
	for (m.number = 0; m.number < 10; m.number++)
		send_raw(&m, sizeof(m), NULL, 0);
	turn();
	assert_int_equal(us.received, 3);
	assert_int_equal(channel_pause(us.channel, 0), 0);
	turn();
	assert_int_equal(us.received, 10);
}

/* epoll tells of the hang-up without being asked: a paused channel must not spin on it. */
static void test_paused_channel_is_quiet_after_a_hang_up(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	assert_int_equal(channel_pause(us.channel, 1), 0);
	send_raw(&m, sizeof(m), NULL, 0);
	close_fd(steal_fd(&fd_them));
	assert_int_equal(turn(), 0);
	assert_int_equal(us.received + (uint64_t)us.ended, 0);
	assert_int_equal(channel_pause(us.channel, 0), 0);
	turn();
	assert_int_equal(us.received, 1);
	assert_int_equal(us.ended, 1);
}

static void test_paused_channel_still_sends(void **state)
{
	(void)state;
	assert_int_equal(channel_pause(us.channel, 1), 0);
	for (uint64_t i = 0; i < 3000; i++)
		assert_int_equal(send_note(us.channel, NOTE, i, NULL, 0), 0);
	make_them_a_channel();
	turn();
	assert_int_equal(them.received, 3000);
}

static void test_an_ended_channel_is_quiet(void **state)
{
	(void)state;
	close_fd(steal_fd(&fd_them));
	assert_true(turn() > 0);
	assert_int_equal(us.ended, 1);
	assert_int_equal(turn(), 0);
	assert_int_equal(channel_pause(us.channel, 1), 0);
	assert_int_equal(channel_pause(us.channel, 0), 0);
	assert_int_equal(turn(), 0);
}

/* One that talks without pause must not keep the others from their turn. */
static void test_others_have_their_turn(void **state)
{
	struct note m = good_note(NOTE);

	(void)state;
	for (m.number = 0; m.number < 200; m.number++)
		send_raw(&m, sizeof(m), NULL, 0);
	assert_true(sd_event_run(event, 0) > 0);
	assert_in_range(us.received, 1, 199);
	turn();
	assert_int_equal(us.received, 200);
}

static void limit_fds(rlim_t n)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_out_of_descriptors(void **state)
{
	struct note m = good_note(SOME_FDS);
	struct rlimit before;
	int top = dup(0);

	(void)state;
	close_fd(top);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	send_raw(&m, sizeof(m), (int[]){0, 1, 2}, 3);
	/* One of the three finds room; which it was nobody could tell, so none is taken. */
	limit_fds((rlim_t)top + 1);
	turn();
	limit_fds(before.rlim_cur);
	assert_int_equal(us.received, 1);
	assert_int_equal(us.n_last_fds, 0);
	assert_int_equal(us.ended, 0);
}

static void test_required_descriptor_finds_no_room(void **state)
{
	struct note one = good_note(ONE_FD);
	struct rlimit before;
	int top = dup(0);

	(void)state;
	close_fd(top);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	send_raw(&one, sizeof(one), (int[]){0}, 1);
	limit_fds((rlim_t)top);
	turn();
	limit_fds(before.rlim_cur);
	assert_int_equal(us.received, 0);
	assert_int_equal(us.ended, 1);
	assert_int_equal(us.error, -EMFILE);
}

static void test_own_mistakes(void **state)
{
	struct big m = {.header.type = BIG};

	(void)state;
	assert_int_equal(channel_send(us.channel, &m, 3, NULL, 0), -EINVAL);
	assert_int_equal(channel_send(us.channel, &m, WIRE_MESSAGE_MAX + 1, NULL, 0), -EINVAL);
	assert_int_equal(channel_send(us.channel, &m, sizeof(m), (int[]){-1}, 1), -EBADF);
	assert_true(channel_fd(us.channel) >= 0);
	assert_int_equal(channel_set_priority(us.channel, SD_EVENT_PRIORITY_IMPORTANT), 0);
	assert_null(channel_free(NULL));
}

static void test_bad_descriptor(void **state)
{
	struct channel *c = NULL;

	(void)state;
	assert_int_equal(channel_new(event, -1, types, TYPES, handler, &us, &c), -EBADF);
	assert_null(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* a test writes into a pipe that nobody reads */
	const struct CMUnitTest tests[] = {
		TEST(test_both_ways),
		TEST(test_descriptors_are_closed_or_kept),
		TEST(test_wrong_version),
		TEST(test_wrong_size_said),
		TEST(test_too_short),
		TEST(test_too_long),
		TEST(test_not_even_a_header),
		TEST(test_longer_than_any),
		TEST(test_unknown_types),
		TEST(test_type_zero),
		TEST(test_type_out_of_range),
		TEST(test_highest_type),
		TEST(test_string_without_end),
		TEST(test_missing_descriptor),
		TEST(test_unwanted_descriptor),
		TEST(test_too_many_descriptors),
		TEST(test_far_too_many_descriptors),
		TEST(test_descriptor_with_rubbish),
		TEST(test_queues_in_order_when_the_socket_is_full),
		TEST(test_queue_has_an_end),
		TEST(test_queue_that_nobody_reads_is_freed),
		TEST(test_end_comes_behind_the_rest),
		TEST(test_end_with_ours_unread),
		TEST(test_send_to_a_peer_that_left),
		TEST(test_peer_leaves_while_we_queue),
		TEST(test_freed_while_handling_a_message),
		TEST(test_freed_at_the_end),
		TEST(test_freed_at_a_breach),
		TEST(test_pause),
		TEST(test_paused_channel_is_quiet_after_a_hang_up),
		TEST(test_paused_channel_still_sends),
		TEST(test_an_ended_channel_is_quiet),
		TEST(test_others_have_their_turn),
		TEST(test_out_of_descriptors),
		TEST(test_required_descriptor_finds_no_room),
		TEST(test_own_mistakes),
		TEST(test_bad_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
