/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/names.h"
#include "common/states.h"

#include <ctype.h>
#include <string.h>

static void test_words_lead_back(void **state)
{
	(void)state;
	for (int i = 0; i < STATE_MAX_; i++)
		assert_int_equal(state_from_word(state_word((enum state)i)), i);
	for (int i = 0; i < TRIGGER_MAX_; i++)
		assert_int_equal(trigger_from_word(trigger_word((enum trigger)i)), i);
	for (int i = 0; i < CERTAINTY_MAX_; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(certainty_word((enum certainty)i),
				certainty_word((enum certainty)k));
	assert_int_equal(state_from_word("Not run"), -1);
	assert_int_equal(state_from_word(""), -1);
	assert_int_equal(trigger_from_word("invalid"), -1);
}

static void test_words_of_the_contract(void **state)
{
	(void)state;
	assert_string_equal(state_word(STATE_MISSED), "missed");
	assert_string_equal(state_label(STATE_MISSED), "Not run");
	assert_string_equal(state_label(STATE_CONFIRM), "Press again to confirm");
	assert_string_equal(state_label(STATE_READY), "");
	assert_string_equal(trigger_word(TRIGGER_CLI), "cli");
}

static void test_labels_can_stand_in_names(void **state)
{
	(void)state;
	for (int i = STATE_READY + 1; i < STATE_MAX_; i++) {
		const char *label = state_label((enum state)i);

		assert_null(name_problem(label));
		assert_true(isupper((unsigned char)label[0]));
		assert_true(strlen(label) <= NAME_LABEL_MAX);
	}
}

static void test_values_out_of_range_have_a_word(void **state)
{
	(void)state;
	assert_string_equal(state_word(STATE_MAX_), "invalid");
	assert_string_equal(state_label((enum state) - 1), "invalid");
	assert_string_equal(trigger_word((enum trigger)99), "invalid");
	assert_string_equal(certainty_word(CERTAINTY_MAX_), "invalid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_lead_back),
		cmocka_unit_test(test_words_of_the_contract),
		cmocka_unit_test(test_labels_can_stand_in_names),
		cmocka_unit_test(test_values_out_of_range_have_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
