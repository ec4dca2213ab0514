/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of DESIGN section 4.4, row by row. */
#include "agent/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct row {
	const char *words;
	struct facts facts;
	enum verdict want;
};

#define CLAIMED(c) .claimed = true, .claim = (c)

static const struct row rows[] = {
	{"present, row matches, no claim", {.found = FOUND_PRESENT, .same_boot = true},
		VERDICT_KEEP},
	{"present, no claim, other boot", {.found = FOUND_PRESENT}, VERDICT_KEEP},
	{"present, no claim, others absent",
		{.found = FOUND_PRESENT, .same_boot = true, .absent_of_object = 2}, VERDICT_KEEP},
	{"present, claim with a result: the unlink was lost",
		{.found = FOUND_PRESENT, CLAIMED(CLAIM_ENDED)}, VERDICT_RESULT},
	{"present, claim and a living runner", {.found = FOUND_PRESENT, CLAIMED(CLAIM_RUNNING)},
		VERDICT_ADOPT},
	{"present, claim and neither", {.found = FOUND_PRESENT, CLAIMED(CLAIM_INTERRUPTED)},
		VERDICT_INTERRUPTED},
	{"taken, no claim", {.found = FOUND_TAKEN, .same_boot = true}, VERDICT_MISSED},
	{"taken, no claim, missed: run", {.found = FOUND_TAKEN, .missed_run = true}, VERDICT_RUN},
	{"taken, claim with a result",
		{.found = FOUND_TAKEN, .missed_run = true, CLAIMED(CLAIM_ENDED)}, VERDICT_RESULT},
	{"taken, claim, runner lives", {.found = FOUND_TAKEN, CLAIMED(CLAIM_RUNNING)},
		VERDICT_ADOPT},
	{"absent, claim with a result",
		{.found = FOUND_ABSENT, .absent_of_object = 1, CLAIMED(CLAIM_ENDED)},
		VERDICT_RESULT},
	{"absent, runner alive", {.found = FOUND_ABSENT, CLAIMED(CLAIM_RUNNING)}, VERDICT_ADOPT},
	{"absent, neither: never run again",
		{.found = FOUND_ABSENT, .missed_run = true, CLAIMED(CLAIM_INTERRUPTED)},
		VERDICT_INTERRUPTED},
	{"absent, none, the agent was restarted by a living executor",
		{.found = FOUND_ABSENT,
			.agent_restarted = true,
			.same_boot = true,
			.absent_of_object = 1},
		VERDICT_PRESS},
	{"absent, none, same boot",
		{.found = FOUND_ABSENT, .same_boot = true, .absent_of_object = 1}, VERDICT_MISSED},
	{"absent, none, same boot, missed: run",
		{.found = FOUND_ABSENT,
			.same_boot = true,
			.missed_run = true,
			.absent_of_object = 1},
		VERDICT_RUN},
	{"absent, none, other boot", {.found = FOUND_ABSENT, .absent_of_object = 1},
		VERDICT_MISSED_BOOT},
	{"absent, none, other boot, missed: run: it may have run",
		{.found = FOUND_ABSENT, .missed_run = true, .absent_of_object = 1},
		VERDICT_MISSED_BOOT},
	{"more than one absent",
		{.found = FOUND_ABSENT,
			.same_boot = true,
			.missed_run = true,
			.absent_of_object = 2},
		VERDICT_FRESH},
	{"more than one absent, agent restarted",
		{.found = FOUND_ABSENT,
			.same_boot = true,
			.agent_restarted = true,
			.absent_of_object = 3},
		VERDICT_FRESH},
	{"more than one absent or taken",
		{.found = FOUND_TAKEN,
			.same_boot = true,
			.missed_run = true,
			.absent_of_object = 2},
		VERDICT_FRESH},
	{"taken, the directory is another",
		{.found = FOUND_TAKEN,
			.same_boot = true,
			.missed_run = true,
			.directory_changed = true,
			.absent_of_object = 1},
		VERDICT_FRESH},
	{"absent at once with others",
		{.found = FOUND_ABSENT,
			.same_boot = true,
			.agent_restarted = true,
			.mass = true,
			.absent_of_object = 1},
		VERDICT_FRESH},
	{"absent at once with others, claimed",
		{.found = FOUND_ABSENT, .mass = true, CLAIMED(CLAIM_RUNNING)}, VERDICT_ADOPT},
	{"the directory is another",
		{.found = FOUND_ABSENT,
			.same_boot = true,
			.directory_changed = true,
			.absent_of_object = 1},
		VERDICT_FRESH},
	{"absent, and deleting is no trigger",
		{.found = FOUND_ABSENT,
			.same_boot = true,
			.agent_restarted = true,
			.no_trigger = true,
			.absent_of_object = 1},
		VERDICT_FRESH},
	{"taken, and moving is no trigger",
		{.found = FOUND_TAKEN, .missed_run = true, .no_trigger = true}, VERDICT_FRESH},
	{"taken, moving is no trigger, claimed",
		{.found = FOUND_TAKEN, .no_trigger = true, CLAIMED(CLAIM_ENDED)}, VERDICT_RESULT},
	{"absent, the first press of two, agent restarted",
		{.found = FOUND_ABSENT,
			.same_boot = true,
			.agent_restarted = true,
			.unconfirmed = true,
			.absent_of_object = 1},
		VERDICT_CONFIRM},
	{"absent, the first press of two, missed: run",
		{.found = FOUND_ABSENT,
			.same_boot = true,
			.missed_run = true,
			.unconfirmed = true,
			.absent_of_object = 1},
		VERDICT_MISSED},
	{"taken, the first press of two, missed: run",
		{.found = FOUND_TAKEN, .missed_run = true, .unconfirmed = true}, VERDICT_MISSED},
	{"another file bears its name: an editor",
		{.found = FOUND_REPLACED,
			.same_boot = true,
			.agent_restarted = true,
			.missed_run = true},
		VERDICT_FRESH},
	{"another file bears its name, and it was served",
		{.found = FOUND_REPLACED, CLAIMED(CLAIM_RUNNING)}, VERDICT_ADOPT},
	{"staged: it was never shown", {.found = FOUND_STAGED, .missed_run = true}, VERDICT_FRESH},
	{"no row", {.found = FOUND_UNKNOWN, .agent_restarted = true}, VERDICT_FRESH},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (verdict_of(&rows[i].facts) != rows[i].want)
			fail_msg("%s: verdict %d, wanted %d", rows[i].words,
				(int)verdict_of(&rows[i].facts), (int)rows[i].want);
}

/* Whatever else holds: a claimed press never begins anew, and a present flag is never a press. */
static void test_never_twice(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 1U << 6; bits++)
		for (int found = FOUND_PRESENT; found <= FOUND_REPLACED; found++)
			for (int claim = 0; claim <= CLAIM_INTERRUPTED; claim++) {
				struct facts f = {
					.found = (enum found)found,
					.claimed = claim != 0,
					.claim = (enum claim_state)claim,
					.agent_restarted = bits & 1,
					.same_boot = bits & 2,
					.directory_changed = bits & 4,
					.absent_of_object = (bits >> 3) & 3,
					.missed_run = bits & 32,
				};
				enum verdict v = verdict_of(&f);
				if (f.claimed || f.found == FOUND_PRESENT ||
					f.found == FOUND_STAGED || f.found == FOUND_REPLACED) {
					assert_int_not_equal(v, VERDICT_RUN);
					assert_int_not_equal(v, VERDICT_PRESS);
				}
				if (!f.same_boot && f.found == FOUND_ABSENT)
					assert_int_not_equal(v, VERDICT_RUN);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_never_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
