/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Widths, bars, tables, and what stands in their cells. */
#include "unit.h"

#include "cli/show.h"
#include "cli/table.h"
#include "cli/term.h"
#include "common/fd.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND ((int64_t)USEC_PER_SEC)
#define NOW    (1700000000 * SECOND)

#define SET(array, text) snprintf(array, sizeof(array), "%s", text)

static const struct term plain = {.utf8 = true};

static void test_columns(void **state)
{
	(void)state;
	assert_int_equal(term_columns(""), 0);
	assert_int_equal(term_columns("abc"), 3);
	assert_int_equal(term_columns("\xC3\xBC"), 1);                 /* u umlaut */
	assert_int_equal(term_columns("u\xCC\x88"), 1);                /* decomposed */
	assert_int_equal(term_columns("\xE6\x97\xA5\xE6\x9C\xAC"), 4); /* two wide characters */
}

static void check_cut(const struct term *t, const char *s, unsigned columns, const char *want)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(256);

	term_cut(&b, t, s, columns);
	assert_string_equal(buf_str(&b), want);
	assert_true(term_columns(want) <= columns);
}

static void test_cut(void **state)
{
	const struct term ascii = {.utf8 = false};

	(void)state;
	check_cut(&plain, "abcdef", 6, "abcdef");
	check_cut(&plain, "abcdef", 5, "abcd\xE2\x80\xA6");
	check_cut(&plain, "abcdef", 1, "\xE2\x80\xA6");
	check_cut(&plain, "abcdef", 0, "");
	check_cut(&plain, "\xE6\x97\xA5\xE6\x9C\xAC", 3, "\xE6\x97\xA5\xE2\x80\xA6");
	check_cut(&plain, "\xE6\x97\xA5\xE6\x9C\xAC", 2, "\xE2\x80\xA6");
	check_cut(&ascii, "abcdef", 5, "ab...");
	check_cut(&ascii, "abcdef", 2, "");
}

static void check_bar(const struct term *t, uint32_t percent, const char *want)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(256);

	term_bar(&b, t, percent);
	assert_string_equal(buf_str(&b), want);
}

static void test_bar(void **state)
{
	const struct term ascii = {.utf8 = false};

	(void)state;
	check_bar(&ascii, 0, "[..........] 0%");
	check_bar(&ascii, 9, "[..........] 9%");
	check_bar(&ascii, 45, "[####......] 45%");
	check_bar(&ascii, 100, "[##########] 100%");
	check_bar(&plain, 15,
		"\xE2\x96\x88\xE2\x96\x8C\xE2\x96\x91\xE2\x96\x91\xE2\x96\x91\xE2\x96\x91"
		"\xE2\x96\x91\xE2\x96\x91\xE2\x96\x91\xE2\x96\x91 15%");
}

static void test_time(void **state)
{
	char b[64];

	(void)state;
	assert_string_equal(term_time(b, sizeof(b), 0, NOW), "");
	assert_string_equal(term_time(b, sizeof(b), NOW, NOW), "22:13:20");
	assert_string_equal(term_time(b, sizeof(b), NOW - 86400 * SECOND, NOW), "2023-11-13 22:13");
	/* The same day of another year. */
	assert_string_equal(
		term_time(b, sizeof(b), NOW - 365 * 86400 * SECOND, NOW), "2022-11-14 22:13");
}

static void test_table(void **state)
{
	_cleanup_(table_done) struct table t = TABLE_INIT(3);
	_cleanup_(buf_done) struct buf b = BUF_INIT(4096);
	const struct term narrow = {.tty = true, .color = true, .utf8 = true, .width = 14};

	(void)state;
	table_heading(&t, "A heading that is longer than all", "note");
	table_cell(&t, STYLE_NONE, "x");
	table_cell(&t, STYLE_RED, "");
	table_cell(&t, STYLE_NONE, "long one");
	table_cell(&t, STYLE_NONE, "\xE6\x97\xA5");
	table_cell(&t, STYLE_RED, "y\x1b[m");
	table_cell(&t, STYLE_NONE, "");
	assert_int_equal(table_print(&t, &plain, &b), 0);
	assert_string_equal(buf_str(&b), "A heading that is longer than all  note\n"
					 "  x            long one\n"
					 "  \xE6\x97\xA5  y\\x1B[m\n");
	buf_reset(&b);
	assert_int_equal(table_print(&t, &narrow, &b), 0);
	assert_string_equal(buf_str(&b), "\033[1mA heading tha\xE2\x80\xA6\033[0m\n"
					 "  x\n"
					 "  \xE6\x97\xA5  \033[31my\\x1B[m\033[0m\n");
}

static void test_a_column_without_text_takes_no_room(void **state)
{
	_cleanup_(table_done) struct table t = TABLE_INIT(3);
	_cleanup_(buf_done) struct buf b = BUF_INIT(4096);

	(void)state;
	table_cell(&t, STYLE_NONE, "x");
	table_cell(&t, STYLE_NONE, "");
	table_cell(&t, STYLE_NONE, "z");
	assert_int_equal(table_print(&t, &plain, &b), 0);
	assert_string_equal(buf_str(&b), "  x  z\n");
}

static void check_result(struct control_action *a, const char *want)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(4096);

	show_action_result(&b, a, NOW);
	assert_string_equal(buf_str(&b), want);
}

static void test_action_result(void **state)
{
	struct control_action a = {.state = STATE_RUNNING, .since = NOW - 65 * SECOND};

	(void)state;
	check_result(&a, "1 min 5 s");
	SET(a.progress, "copying");
	SET(a.last.payload, "a.iso");
	check_result(&a, "1 min 5 s; copying; a.iso");
	a.since = NOW + SECOND; /* the clock was set back */
	check_result(&a, "copying; a.iso");
	a.state = STATE_DONE;
	a.last.state = STATE_DONE;
	SET(a.last.result, "done");
	a.last.started = NOW; /* set back while it ran */
	a.last.ended = NOW - 9 * SECOND;
	a.last.lasted = 4 * SECOND;
	check_result(&a, "a.iso; in 4 s");
	a.state = a.last.state = STATE_FAILED;
	SET(a.last.result, "exit status 3");
	SET(a.note, "put back");
	check_result(&a, "exit status 3; a.iso; in 4 s; put back");
	a.state = STATE_BLOCKED;
	*a.progress = '\0';
	check_result(&a, "put back");
}

static void test_who(void **state)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT(4096);
	struct control_run r = {.run = 0, .user = "alice"};

	(void)state;
	show_who(&b, &r);
	assert_string_equal(buf_str(&b), ""); /* no run, nobody */
	r.run = 1;
	show_who(&b, &r);
	assert_string_equal(buf_str(&b), "alice");
	SET(r.address, "::1");
	buf_reset(&b);
	show_who(&b, &r);
	assert_string_equal(buf_str(&b), "alice (::1)");
	*r.user = '\0';
	buf_reset(&b);
	show_who(&b, &r);
	assert_string_equal(buf_str(&b), "(::1)");
}

static void test_sort_keeps_the_order_within(void **state)
{
	struct control_action a[4] = {
		{.object = "B", .action = "z"},
		{.object = "A", .group = "g", .action = "y"},
		{.object = "B", .action = "a"},
		{.object = "A", .action = "x"},
	};

	(void)state;
	show_sort(a, 4);
	assert_string_equal(a[0].action, "x");
	assert_string_equal(a[1].action, "y");
	assert_string_equal(a[2].action, "z");
	assert_string_equal(a[3].action, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bar),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_a_column_without_text_takes_no_room),
		cmocka_unit_test(test_action_result),
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_sort_keeps_the_order_within),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
