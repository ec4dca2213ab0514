/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A watcher that breaks its contract, before the agent is ready and after it; and a second agent.
 */
#include "agent_scene.h"

#include "common/fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void again(void **state)
{
	scene_tear_down(state);
	assert_int_equal(scene_set_up(state), 0);
}

/* Up to the watcher's start, or to its end. */
static struct scene *up_to(void **state, bool ready)
{
	struct scene *s = *state;
	union message m;

	if (ready) {
		make_ready(s);
		return s;
	}
	say_config(s, GENERATION, scene_view(s, GENERATION));
	say_end_of_claims(s);
	hear(s, EXEC_WATCH, &m);
	return s;
}

static void test_unknown_kinds(void **state)
{
	static const uint16_t kinds[] = {0, WATCH_TRIED + 1, 256, UINT16_MAX};

	for (int ready = 0; ready < 2; ready++)
		for (size_t i = 0; i < N_OF(kinds); i++) {
			struct scene *s = up_to(state, ready);
			tell(s, kinds[i], 0, 0);
			assert_panic(s, "the watcher sent a record of kind");
			again(state);
		}
}

static void test_numbers_out_of_range(void **state)
{
	static const uint16_t kinds[] = {WATCH_LOOK, WATCH_GONE, WATCH_FAILED, WATCH_TRIED};
	static const uint32_t numbers[] = {DIRS, 1U << 31, UINT32_MAX};

	for (int ready = 0; ready < 2; ready++)
		for (size_t i = 0; i < N_OF(kinds) * N_OF(numbers); i++) {
			struct scene *s = up_to(state, ready);
			tell(s, kinds[i % N_OF(kinds)], 0, numbers[i / N_OF(kinds)]);
			assert_panic(s, "the watcher speaks of directory");
			again(state);
		}
}

static void test_half_a_record(void **state)
{
	for (int ready = 0; ready < 2; ready++) {
		struct scene *s = up_to(state, ready);
		assert_int_equal(write(s->pipe, "\1\0\0\0", 4), 4);
		assert_panic(s, "half a record");
		again(state);
	}
}

static void test_ready_twice(void **state)
{
	static const struct watch_record twice[] = {{.kind = WATCH_READY}, {.kind = WATCH_READY}};
	struct scene *s = up_to(state, true);

	tell(s, WATCH_READY, 0, 0);
	assert_panic(s, "ready twice");
	again(state);
	s = up_to(state, false);
	assert_int_equal(write(s->pipe, twice, sizeof(twice)), sizeof(twice));
	assert_panic(s, "ready twice");
}

/* More often than there are directories, and with errors that don't exist. */
static void test_failures_without_an_end(void **state)
{
	struct scene *s = up_to(state, false);
	union message m;

	for (unsigned i = 0; i < 1000; i++)
		tell(s, WATCH_FAILED, (uint16_t)(i * 677), i % DIRS);
	tell(s, WATCH_READY, 0, 0);
	hear(s, EXEC_ADOPTED, &m);
	for (unsigned i = 0; i < 1000; i++)
		tell(s, WATCH_FAILED, (uint16_t)(i * 677), i % DIRS);
	assert_sound(s);
}

/* Looks for which there is no reason press nothing; lists that go back and forth neither. */
static void test_looks_without_an_end(void **state)
{
	static const uint16_t kinds[] = {WATCH_LOOK, WATCH_TRIED, WATCH_GONE, WATCH_EVERYTHING};
	struct scene *s = up_to(state, false);
	union message m;

	for (unsigned i = 0; i < 2000; i++)
		tell(s, kinds[i % 2], 0, (i * 7) % DIRS);
	tell(s, WATCH_READY, 0, 0);
	hear(s, EXEC_ADOPTED, &m);
	for (unsigned i = 0; i < 2000; i++)
		tell(s, kinds[i % N_OF(kinds)], UINT16_MAX, (i * 7) % DIRS);
	assert_sound(s);
	assert_int_equal(s->starts, 0);
}

/* It dies again and again, at each point: another one is asked for, and nothing is missed. */
static void test_watchers_that_die(void **state)
{
	struct scene *s = up_to(state, false);
	struct exec_start start;
	union message m;

	tell(s, WATCH_TRIED, 0, DIR_RUN);
	close_fd(steal_fd(&s->pipe));
	hear(s, EXEC_WATCH, &m);
	close_fd(steal_fd(&s->pipe));
	hear(s, EXEC_WATCH, &m);
	tell(s, WATCH_READY, 0, 0);
	hear(s, EXEC_ADOPTED, &m);
	close_fd(steal_fd(&s->pipe));
	hear(s, EXEC_WATCH, &m);
	tell(s, WATCH_READY, 0, 0);
	hear(s, EXEC_UNWATCH, &m);
	press(s, "Go", &start);
	assert_sound(s);
}

/* Two agents with one state directory: the second one waits, says so, and touches nothing. */
static void test_a_second_agent(void **state)
{
	struct scene *s = *state, second;
	struct exec_start start;
	union message m;
	struct pollfd p;

	make_ready(s);
	scene_another(s, &second);
	say_config(&second, GENERATION, scene_view(s, GENERATION));
	say_end_of_claims(&second);
	wait_log(s, "another agent runs");
	press(s, "Go", &start);
	p = (struct pollfd){.fd = second.socket, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 100), 0);
	assert_sound(s);
	hear(&second, EXEC_WATCH, &m);
	tell(&second, WATCH_READY, 0, 0);
	hear(&second, EXEC_ADOPTED, &m);
	press(&second, "Stop", &start);
	assert_sound(&second);
	close_fd(second.socket);
	close_fd(second.pipe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, scene_set_up, scene_tear_down)
		TEST(unknown_kinds),
		TEST(numbers_out_of_range),
		TEST(half_a_record),
		TEST(ready_twice),
		TEST(failures_without_an_end),
		TEST(looks_without_an_end),
		TEST(watchers_that_die),
		TEST(a_second_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
