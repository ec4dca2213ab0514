/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The run specification: what goes in comes out, and nothing else is believed. */
#include "wire/spec.h"

#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const uint32_t groups[] = {1, 2, 3};
static const char *const argv[] = {"/bin/sh", "-e", "", NULL};
static const char *const env[] = {"A=1", "B=", NULL};

static struct spec example(void)
{
	return (struct spec){
		.token = {.b = {7}},
		.flags = SPEC_IDENTITY | SPEC_SCRIPT,
		.uid = 1000,
		.gid = 1001,
		.umask = 027,
		.nice = -5,
		.leftovers = SPEC_WAIT,
		.limits_set = 5,
		.n_groups = 3,
		.ambient = 1,
		.bounding = UINT64_MAX,
		.output_limit = 99,
		.limits[2] = {7, UINT64_MAX},
		.groups = groups,
		.directory = "/srv/a b",
		.apparmor_profile = "flagman-command",
		.context = "u:r:t",
		.argv = argv,
		.env = env,
	};
}

static void test_there_and_back(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(SPEC_SIZE_MAX);
	struct spec in = example();
	_cleanup_free_ struct spec *out = NULL;

	(void)state;
	assert_int_equal(spec_encode(&b, &in), 0);
	assert_int_equal(spec_decode(b.data, b.len, &out), 0);
	assert_int_equal(out->flags, in.flags);
	assert_int_equal(out->token.b[0], 7);
	assert_int_equal(out->uid, 1000);
	assert_int_equal(out->gid, 1001);
	assert_int_equal(out->umask, 027);
	assert_int_equal(out->nice, -5);
	assert_int_equal(out->leftovers, SPEC_WAIT);
	assert_int_equal(out->output_limit, 99);
	assert_true(out->bounding == UINT64_MAX && out->ambient == 1);
	assert_memory_equal(out->limits, in.limits, sizeof(in.limits));
	assert_int_equal(out->n_groups, 3);
	assert_memory_equal(out->groups, groups, sizeof(groups));
	assert_string_equal(out->directory, "/srv/a b");
	assert_string_equal(out->apparmor_profile, "flagman-command");
	assert_string_equal(out->context, "u:r:t");
	assert_string_equal(out->argv[0], "/bin/sh");
	assert_string_equal(out->argv[1], "-e");
	assert_string_equal(out->argv[2], "");
	assert_null(out->argv[3]);
	assert_string_equal(out->env[0], "A=1");
	assert_string_equal(out->env[1], "B=");
	assert_null(out->env[2]);
}

static void test_without_a_profile(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(SPEC_SIZE_MAX);
	struct spec in = example();
	_cleanup_free_ struct spec *out = NULL;

	(void)state;
	in.apparmor_profile = NULL;
	assert_int_equal(spec_encode(&b, &in), 0);
	assert_int_equal(spec_decode(b.data, b.len, &out), 0);
	assert_null(out->apparmor_profile);
	assert_string_equal(out->argv[0], "/bin/sh");
}

/* Every shorter message, one byte more, and each count changed. */
static void test_what_is_not_believed(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(SPEC_SIZE_MAX);
	struct spec in = example(), *out = NULL;

	(void)state;
	assert_int_equal(spec_encode(&b, &in), 0);
	for (size_t len = 0; len < b.len; len++) {
		_cleanup_free_ char *cut = malloc(len + 1);
		memcpy(cut, b.data, len);
		assert_int_equal(spec_decode(cut, len, &out), -EBADMSG);
	}
	buf_addc(&b, 'x');
	assert_int_equal(spec_decode(b.data, b.len, &out), -EBADMSG);
	b.len--;
	for (size_t word = 0; word < 6; word++) /* magic, version, size, three counts */
		for (int by = -1; by <= 1; by += 2) {
			uint32_t old, new;
			memcpy(&old, b.data + 4 * word, 4);
			new = old + (uint32_t)by;
			memcpy(b.data + 4 * word, &new, 4);
			/* One group more is another message, as well-formed as this one. */
			if (word != 5 || by < 0)
				assert_int_equal(spec_decode(b.data, b.len, &out), -EBADMSG);
			new = UINT32_MAX;
			memcpy(b.data + 4 * word, &new, 4);
			assert_int_equal(spec_decode(b.data, b.len, &out), -EBADMSG);
			memcpy(b.data + 4 * word, &old, 4);
		}
	b.data[b.len - 1] = 'x'; /* the last string has no end */
	assert_int_equal(spec_decode(b.data, b.len, &out), -EBADMSG);
	assert_null(out);
}

static void test_too_long(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(2 * SPEC_SIZE_MAX);
	_cleanup_free_ char *big = malloc(SPEC_SIZE_MAX);
	struct spec in = example();

	(void)state;
	memset(big, 'a', SPEC_SIZE_MAX - 1);
	big[SPEC_SIZE_MAX - 1] = '\0';
	in.env = (const char *const[]){big, NULL};
	assert_int_equal(spec_encode(&b, &in), -E2BIG);
}

static void test_packets(void **state)
{
	_cleanup_free_ char *big = calloc(1, SPEC_SIZE_MAX);
	_cleanup_free_ char *memory = malloc(SPEC_SIZE_MAX + 1);
	int pair[2], fds[SPEC_FDS_MAX];
	size_t size, n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	memset(big, 'b', SPEC_SIZE_MAX);
	assert_int_equal(spec_send(pair[0], big, SPEC_SIZE_MAX, pair, 2), 0);
	assert_int_equal(spec_receive(pair[1], memory, &size, fds, &n), 0);
	assert_int_equal(size, SPEC_SIZE_MAX);
	assert_memory_equal(memory, big, size);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		close(fds[i]);
	}
	close(pair[0]);
	assert_int_equal(spec_receive(pair[1], memory, &size, fds, &n), 0);
	assert_int_equal(size, 0);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_without_a_profile),
		cmocka_unit_test(test_what_is_not_believed),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
