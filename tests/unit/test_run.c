/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results in words: the texts that people and scripts see in files, logs and `flagman history`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those four before it */
#include <cmocka.h>

#include "agent/run.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT (120 * USEC_PER_SEC)

static void says(const struct run *r, const char *expected)
{
	char words[256];

	assert_ptr_equal(run_result_words(r, TIMEOUT, words, sizeof words), words);
	assert_string_equal(words, expected);
}

static struct run ended(enum state state, enum end_kind kind, int code)
{
	return (struct run){.state = state, .end = {.kind = kind, .code = code, .started = 1}};
}

static struct run because(enum state state, enum cause cause)
{
	return (struct run){.state = state, .cause = cause};
}

static void ends_in_words(void **state)
{
	struct run r = ended(STATE_DONE, END_EXITED, 0);

	(void)state;
	says(&r, "done");
	r.end.code = 24;
	says(&r, "done, exit status 24");
	r = ended(STATE_FAILED, END_EXITED, 3);
	says(&r, "exit status 3");
	r = ended(STATE_FAILED, END_SIGNALED, 9);
	says(&r, "killed by signal 9");
	r.end.stop = STOP_TIMEOUT;
	says(&r, "timed out after 2 min");
	r.end.stop = STOP_CANCEL;
	r.state = STATE_CANCELLED;
	says(&r, "cancelled");
	r = ended(STATE_FAILED, END_INTERRUPTED, 0);
	says(&r, "interrupted, it may have run");
}

/* A command's own words about its end go before the number. */
static void own_words(void **state)
{
	struct run r = ended(STATE_FAILED, END_EXITED, 5);

	(void)state;
	r.why = (char[]){"the disc is not blank"};
	says(&r, "the disc is not blank (exit status 5)");
	r.end.stop = STOP_TIMEOUT;
	says(&r, "timed out after 2 min: the disc is not blank");
	r.end.stop = STOP_CANCEL;
	r.state = STATE_CANCELLED;
	says(&r, "cancelled: the disc is not blank");
	r = ended(STATE_DONE, END_EXITED, 0);
	r.why = (char[]){"12 tables\x1b rebuilt"};
	says(&r, "done, 12 tables\\x1B rebuilt");
	r.end.code = 3;
	says(&r, "done, 12 tables\\x1B rebuilt (exit status 3)");
	r = ended(STATE_FAILED, END_SIGNALED, 9);
	r.why = (char[]){"half of it"};
	says(&r, "killed by signal 9");
}

static void timeouts_without_a_number(void **state)
{
	struct run r = ended(STATE_FAILED, END_EXITED, 1);
	char words[64];

	(void)state;
	r.end.stop = STOP_TIMEOUT;
	assert_string_equal(run_result_words(&r, USEC_INFINITY, words, sizeof words), "timed out");
	assert_string_equal(run_result_words(&r, 0, words, sizeof words), "timed out");
}

static void what_could_not_start(void **state)
{
	struct run r = ended(STATE_FAILED, END_NOT_STARTED, 203);

	(void)state;
	says(&r, "could not start, code 203");
	r.end.error = ENOENT;
	says(&r, "could not start: No such file or directory");
	snprintf(r.end.where, sizeof r.end.where, "/x");
	says(&r, "could not start: /x: No such file or directory");
	snprintf(r.end.where, sizeof r.end.where, "/x\n\x1b[1m");
	says(&r, "could not start: /x\\x0A\\x1B[1m: No such file or directory");
	memset(r.end.where, 'x', sizeof r.end.where); /* no NUL: a peer may send that */
	r.end.error = 0;
	char words[256];
	assert_int_equal(strlen(run_result_words(&r, 0, words, sizeof words)),
		strlen("could not start: ") + sizeof r.end.where);
}

static void causes_in_words(void **state)
{
	static const char *const words[CAUSE_MAX_] = {
		[CAUSE_CALLED_OFF] = "called off",
		[CAUSE_WHILE_DOWN] = "not run: it was pressed while flagman was not running",
		[CAUSE_OTHER_BOOT] = "not run: the machine went down, it may have run",
		[CAUSE_INTERRUPTED] = "interrupted, it may have run",
		[CAUSE_NO_ROOM] = "not run: the disk is full",
		[CAUSE_REFUSED] = "refused: no such action",
		[CAUSE_TOO_OLD] =
			"not run: it was pressed too long ago, while flagman was not running",
		[CAUSE_GONE] = "not run: its action was removed while it waited",
	};

	(void)state;
	for (int c = CAUSE_NONE + 1; c < CAUSE_MAX_; c++) {
		struct run r = because(STATE_MISSED, (enum cause)c);
		char why[] = "no such action";

		if (c == CAUSE_REFUSED)
			r.why = why;
		says(&r, words[c]);
	}
}

static void while_it_is_none_of_it(void **state)
{
	struct run r = because(STATE_RUNNING, CAUSE_NONE);

	(void)state;
	says(&r, "running");
	r.state = STATE_WAITING;
	says(&r, "waiting");
	r.state = STATE_STARTING;
	says(&r, "starting");
	r.state = STATE_CANCELLED;
	says(&r, "cancelled");
	r.state = STATE_MISSED;
	says(&r, "missed");
}

static void cuts_between_characters(void **state)
{
	char why[] = "d\xc3\xa9j\xc3\xa0 vu", words[16];
	struct run r = because(STATE_FAILED, CAUSE_REFUSED);

	(void)state;
	r.why = why;
	assert_string_equal(
		run_result_words(&r, 0, words, sizeof words), "refused: d\xc3\xa9j\xc3\xa0");
	assert_string_equal(run_result_words(&r, 0, words, 15), "refused: d\xc3\xa9j");
	assert_string_equal(run_result_words(&r, 0, words, 13), "refused: d\xc3\xa9");
	assert_string_equal(run_result_words(&r, 0, words, 12), "refused: d");
	assert_string_equal(run_result_words(&r, 0, words, 1), "");
}

static void causes_have_words(void **state)
{
	(void)state;
	for (int c = 0; c < CAUSE_MAX_; c++)
		assert_int_equal(cause_from_word(cause_word((enum cause)c)), c);
	assert_int_equal(cause_from_word("no such cause"), -1);
}

static void copies_own_their_strings(void **state)
{
	char object[] = "Apache", action[] = "Restart", user[] = "alice";
	struct run r = {.id = 7, .object = object, .action = action, .user = user}, copy = {0};

	(void)state;
	assert_int_equal(run_copy(&copy, &r), 0);
	object[0] = user[0] = 'x';
	assert_string_equal(copy.object, "Apache");
	assert_string_equal(copy.user, "alice");
	assert_null(copy.group);
	assert_int_equal(copy.id, 7);
	run_done(&copy);
	assert_null(copy.object);
	assert_int_equal(copy.id, 0);
}

static void what_ran_and_what_did_not(void **state)
{
	struct run r = ended(STATE_FAILED, END_NOT_STARTED, 203);

	(void)state;
	assert_false(run_may_have_started(&r));
	assert_false(run_is_open(&r));
	r = ended(STATE_DONE, END_EXITED, 0);
	assert_true(run_may_have_started(&r));
	r = because(STATE_MISSED, CAUSE_WHILE_DOWN);
	assert_false(run_may_have_started(&r));
	r.state = STATE_WAITING;
	assert_true(run_is_open(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_in_words),
		cmocka_unit_test(own_words),
		cmocka_unit_test(timeouts_without_a_number),
		cmocka_unit_test(what_could_not_start),
		cmocka_unit_test(causes_in_words),
		cmocka_unit_test(while_it_is_none_of_it),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(causes_have_words),
		cmocka_unit_test(copies_own_their_strings),
		cmocka_unit_test(what_ran_and_what_did_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
