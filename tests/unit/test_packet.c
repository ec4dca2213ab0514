/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wire without a loop, and the tables of the two protocols. */
#include "unit.h"

#include "common/fd.h"
#include "wire/control.h"
#include "wire/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int pair[2];

static int set_up(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(pair[0]);
	close_fd(pair[1]);
	return 0;
}

static int receive(void *message, size_t size, size_t *ret_size, int *fds, size_t *n_fds)
{
	return wire_receive(pair[1], exec_from_agent, N_OF(exec_from_agent), message, size,
		ret_size, fds, n_fds);
}

static void test_round_trip(void **state)
{
	struct exec_start out = {.header.type = EXEC_START,
				  .generation = 7,
				  .action = 42,
				  .user = "alice",
				  .payload_name = "image.iso"},
			  in;
	int fds[WIRE_FDS_MAX];
	size_t size, n_fds;

	(void)state;
	assert_int_equal(wire_send(pair[0], &out, sizeof(out), NULL, 0), 0);
	assert_int_equal(out.header.version, WIRE_VERSION);
	assert_int_equal(out.header.size, sizeof(out));
	assert_int_equal(receive(&in, sizeof(in), &size, fds, &n_fds), 0);
	assert_int_equal(size, sizeof(in));
	assert_int_equal(n_fds, 0);
	assert_memory_equal(&in, &out, sizeof(in));
}

static void test_descriptors(void **state)
{
	struct exec_watch out = {.header.type = EXEC_WATCH}, in;
	int p[2], fds[WIRE_FDS_MAX];
	size_t size, n_fds;
	char c;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(wire_send(pair[0], &out, sizeof(out), p, 2), 0);
	assert_int_equal(receive(&in, sizeof(in), &size, fds, &n_fds), 0);
	assert_int_equal(n_fds, 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	close_fd(fds[0]);
	close_fd(fds[1]);
	close_fd(p[0]);
	close_fd(p[1]);
}

static void test_end(void **state)
{
	struct exec_token out = {.header.type = EXEC_CANCEL}, in;
	int fds[WIRE_FDS_MAX];
	size_t size = 1, n_fds = 1;

	(void)state;
	assert_int_equal(wire_send(pair[0], &out, sizeof(out), NULL, 0), 0);
	/* It leaves with a message of ours unread: what it sent must still arrive. */
	assert_int_equal(wire_send(pair[1], &out, sizeof(out), NULL, 0), 0);
	close_fd(steal_fd(&pair[0]));
	assert_int_equal(receive(&in, sizeof(in), &size, fds, &n_fds), 0);
	assert_int_equal(size, sizeof(in));
	assert_int_equal(receive(&in, sizeof(in), &size, fds, &n_fds), 0);
	assert_int_equal(size, 0);
	assert_int_equal(n_fds, 0);
	assert_int_equal(wire_send(pair[1], &out, sizeof(out), NULL, 0), -EPIPE);
}

static void test_non_blocking(void **state)
{
	struct exec_token in;
	int fds[WIRE_FDS_MAX];
	size_t size = 77, n_fds = 77;

	(void)state;
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(receive(&in, sizeof(in), &size, fds, &n_fds), -EAGAIN);
	assert_int_equal(size, 77); /* untouched */
}

static void test_blocking(void **state)
{
	struct exec_token out = {.header.type = EXEC_CANCEL, .token = token_new()}, in;
	int fds[WIRE_FDS_MAX], status;
	size_t size, n_fds;
	pid_t pid;

	(void)state;
	/* Far more than a socket holds: the sender must wait for the reader. */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int r = 0;

		for (uint32_t i = 0; r == 0 && i < 5000; i++) {
			memcpy(out.token.b, &i, sizeof(i));
			r = wire_send(pair[0], &out, sizeof(out), NULL, 0);
		}
		_exit(r == 0 ? 0 : 1);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(receive(&in, sizeof(in), &size, fds, &n_fds), 0);
		assert_int_equal(size, sizeof(in));
		assert_memory_equal(in.token.b, &i, sizeof(i));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_no_room_for_it(void **state)
{
	struct exec_start out = {.header.type = EXEC_START};
	struct exec_token in;
	int fds[WIRE_FDS_MAX];
	size_t size, n_fds;

	(void)state;
	assert_int_equal(wire_send(pair[0], &out, sizeof(out), NULL, 0), 0);
	assert_int_equal(receive(&in, sizeof(in), &size, fds, &n_fds), -EBADMSG);
}

static void test_own_mistakes(void **state)
{
	union {
		struct wire_header header;
		char bytes[WIRE_MESSAGE_MAX + 1];
	} m = {.header.type = EXEC_CANCEL};
	int fds[WIRE_FDS_MAX + 1] = {0};

	(void)state;
	assert_int_equal(wire_send(pair[0], &m, sizeof(m.header) - 1, NULL, 0), -EINVAL);
	assert_int_equal(wire_send(pair[0], &m, WIRE_MESSAGE_MAX + 1, NULL, 0), -EINVAL);
	assert_int_equal(wire_send(pair[0], &m, 100, fds, WIRE_FDS_MAX + 1), -EINVAL);
	assert_int_equal(wire_send(-1, &m, 100, NULL, 0), -EBADF);
}

/* Every type goes in exactly one direction, and its strings lie inside it. */
static void check_tables(
	const struct wire_type *a, const struct wire_type *b, size_t n, size_t known)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct wire_type *t = a[i].size ? &a[i] : &b[i];

		assert_false(a[i].size && b[i].size);
		if (!t->size)
			continue;
		used++;
		assert_true(t->size >= sizeof(struct wire_header) && t->size <= WIRE_MESSAGE_MAX);
		assert_true(t->min_fds <= t->max_fds && t->max_fds <= WIRE_FDS_MAX);
		for (const struct wire_string *s = t->strings; s && s->size; s++)
			assert_true(s->offset >= sizeof(struct wire_header) &&
				    (size_t)s->offset + s->size <= t->size);
	}
	assert_int_equal(used, known);
}

static void test_tables(void **state)
{
	(void)state;
	check_tables(exec_from_agent, exec_from_executor, EXEC_TYPE_MAX_,
		EXEC_NAME - EXEC_ADOPTED + 1 + EXEC_TYPE_MAX_ - EXEC_CONFIG);
	check_tables(control_from_client, control_from_agent, CONTROL_TYPE_MAX_,
		CONTROL_HEALTH - CONTROL_STATUS + 1 + CONTROL_TYPE_MAX_ - CONTROL_ACTION);
}

static void test_descriptors_of_the_contract(void **state)
{
	(void)state;
	assert_int_equal(exec_from_agent[EXEC_OWN].min_fds, 1);
	assert_int_equal(exec_from_agent[EXEC_WATCH].min_fds, 2);
	assert_int_equal(exec_from_agent[EXEC_WATCH].max_fds, 2);
	assert_int_equal(exec_from_agent[EXEC_START].max_fds, 0);
	assert_int_equal(exec_from_executor[EXEC_CONFIG].min_fds, 1);
	assert_int_equal(exec_from_executor[EXEC_STARTED].min_fds, 0);
	assert_int_equal(exec_from_executor[EXEC_STARTED].max_fds, 2);
	assert_int_equal(exec_from_executor[EXEC_CLAIM].max_fds, 2);
	assert_int_equal(control_from_client[CONTROL_RUN].max_fds, 1);
	assert_int_equal(control_from_client[CONTROL_STATUS].max_fds, 0);
}

static void assert_ends_channel(struct control_action *a, char *field, size_t size)
{
	union {
		struct wire_header header;
		char bytes[WIRE_MESSAGE_MAX];
	} in;
	int fds[WIRE_FDS_MAX];
	size_t got, n_fds;

	memset(field, 'x', size);
	assert_int_equal(wire_send(pair[0], a, sizeof(*a), NULL, 0), 0);
	assert_int_equal(wire_receive(pair[1], control_from_agent, N_OF(control_from_agent), &in,
				 sizeof(in), &got, fds, &n_fds),
		-EBADMSG);
	field[size - 1] = '\0';
	assert_int_equal(wire_send(pair[0], a, sizeof(*a), NULL, 0), 0);
	assert_int_equal(wire_receive(pair[1], control_from_agent, N_OF(control_from_agent), &in,
				 sizeof(in), &got, fds, &n_fds),
		0);
	memset(field, 0, size);
}

static void test_every_string_must_end(void **state)
{
	struct control_action a = {.header.type = CONTROL_ACTION};

	(void)state;
	assert_ends_channel(&a, a.object, sizeof(a.object));
	assert_ends_channel(&a, a.group, sizeof(a.group));
	assert_ends_channel(&a, a.action, sizeof(a.action));
	assert_ends_channel(&a, a.description, sizeof(a.description));
	assert_ends_channel(&a, a.path, sizeof(a.path));
	assert_ends_channel(&a, a.file_name, sizeof(a.file_name));
	assert_ends_channel(&a, a.progress, sizeof(a.progress));
	assert_ends_channel(&a, a.note, sizeof(a.note));
	assert_ends_channel(&a, a.last.token, sizeof(a.last.token));
	assert_ends_channel(&a, a.last.object, sizeof(a.last.object));
	assert_ends_channel(&a, a.last.user, sizeof(a.last.user));
	assert_ends_channel(&a, a.last.address, sizeof(a.last.address));
	assert_ends_channel(&a, a.last.payload, sizeof(a.last.payload));
	assert_ends_channel(&a, a.last.payload_sha256, sizeof(a.last.payload_sha256));
	assert_ends_channel(&a, a.last.result, sizeof(a.last.result));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_non_blocking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_blocking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_room_for_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own_mistakes, set_up, tear_down),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_descriptors_of_the_contract),
		cmocka_unit_test_setup_teardown(test_every_string_must_end, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
