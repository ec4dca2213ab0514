/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often an action may start, whoever asks. */
#include "executor/rates.h"

#include "common/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MINUTE (60 * USEC_PER_SEC)

static char apache[] = "Apache", dvd[] = "DVD", restart[] = "Restart", nothing[] = "";

struct world {
	struct rates rates;
	struct press press;
	struct group group;
	struct action action;
};

static int set_up(void **state)
{
	static struct world w;

	w = (struct world){
		.press = {.start_limit_burst = 3, .start_limit_interval = 10 * MINUTE},
		.group = {.object = apache, .name = nothing},
		.action = {.name = restart, .press = &w.press},
	};
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	rates_done(&((struct world *)*state)->rates);
	return 0;
}

static int start(struct world *w, uint64_t now)
{
	int r = rates_ask(&w->rates, &w->group, &w->action, now);

	if (r == 0)
		rates_count(&w->rates, &w->group, &w->action, now);
	return r;
}

static void test_a_burst_in_an_interval(void **state)
{
	struct world *w = *state;

	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(start(w, i * MINUTE), 0);
	assert_int_equal(start(w, 3 * MINUTE), -EAGAIN);
	assert_int_equal(start(w, 11 * MINUTE - 2 * USEC_PER_SEC), -EAGAIN);
	assert_int_equal(start(w, 11 * MINUTE - RATES_SLACK), 0);
	assert_int_equal(start(w, 11 * MINUTE), -EAGAIN);
	assert_int_equal(start(w, 12 * MINUTE), 0);
}

/* In no interval there are more, over a long time. */
static void test_never_more(void **state)
{
	struct world *w = *state;
	unsigned n = 0;

	for (uint64_t now = 1; now <= 100 * MINUTE; now += USEC_PER_SEC / 2)
		n += start(w, now) == 0;
	assert_in_range(n, 30, 33);
}

static void test_asking_does_not_count(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 100; i++)
		assert_int_equal(rates_ask(&w->rates, &w->group, &w->action, MINUTE), 0);
}

static void test_others_count_for_themselves(void **state)
{
	static const char *const objects[] = {"Apache", "Apach", "DVD"}, *const names[] = {"", "e"};
	struct world *w = *state;

	for (size_t o = 0; o < 3; o++)
		for (size_t g = 0; g < 2; g++) {
			w->group.object = (char *)(uintptr_t)objects[o];
			w->group.name = (char *)(uintptr_t)names[g];
			for (int i = 0; i < 3; i++)
				assert_int_equal(start(w, MINUTE), 0);
			assert_int_equal(start(w, MINUTE), -EAGAIN);
		}
}

/* A new reading of the configuration: the names are the same, at other places. */
static void test_another_generation_gets_no_more(void **state)
{
	char other_apache[] = "Apache", other_restart[] = "Restart";
	struct world *w = *state, again = *w;

	for (int i = 0; i < 3; i++)
		assert_int_equal(start(w, MINUTE), 0);
	again.group.object = other_apache;
	again.action.name = other_restart;
	assert_int_equal(rates_ask(&w->rates, &again.group, &again.action, MINUTE), -EAGAIN);
	w->press.start_limit_burst = 4;
	assert_int_equal(start(w, MINUTE), 0);
	w->press.start_limit_burst = 1;
	assert_int_equal(start(w, MINUTE), -EAGAIN);
}

static void test_a_limit_that_is_off(void **state)
{
	struct world *w = *state;

	w->press.start_limit_interval = 0;
	for (int i = 0; i < 100; i++)
		assert_int_equal(start(w, MINUTE), 0);
}

static void test_what_is_over_is_forgotten(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(start(w, MINUTE), 0);
	w->group.object = dvd;
	assert_int_equal(start(w, 5 * MINUTE), 0);
	w->group.object = apache;
	rates_tidy(&w->rates, 10 * MINUTE);
	assert_int_equal(start(w, 10 * MINUTE), -EAGAIN);
	rates_tidy(&w->rates, 12 * MINUTE);
	assert_non_null(w->rates.first);
	rates_tidy(&w->rates, 15 * MINUTE);
	assert_null(w->rates.first);
	assert_null(w->rates.tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_burst_in_an_interval, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_never_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asking_does_not_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_others_count_for_themselves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_another_generation_gets_no_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_limit_that_is_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_over_is_forgotten, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
