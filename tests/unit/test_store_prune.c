/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retention: what goes, what must stay, and that a token stays spent when its run has gone. */
#include "store_fixture.h"

#include "common/text.h"

#define DAY      (86400ULL * USEC_PER_SEC)
#define NO_LIMIT UINT64_MAX

/* Retention works in pieces; so many calls are more than enough for these. */
static void prune(struct store *s, uint32_t runs, uint64_t age, uint64_t size)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(store_prune(s, runs, age, size), 0);
	assert_int_equal(store_commit(s), 0);
}

static void put_at(struct store *s, uint64_t id, const char *action, int64_t pressed)
{
	struct run r = run_of(id, "Apache", action, STATE_DONE);

	r.pressed = pressed;
	assert_int_equal(store_put_run(s, &r), 0);
}

static void put_output(struct store *s, uint64_t run, size_t size)
{
	struct buf b = BUF_INIT(1 << 20);

	while (b.len < size)
		buf_addc(&b, 'x');
	assert_int_equal(store_put_output(s, run, &b, NULL, 0), 0);
	buf_done(&b);
}

static bool has_output(struct store *s, uint64_t run)
{
	struct buf head = BUF_INIT(1 << 20), tail = BUF_INIT(1 << 20);
	uint64_t left_out;
	int r = store_get_output(s, run, &head, &tail, &left_out);

	buf_done(&head);
	buf_done(&tail);
	return r == 0;
}

static bool has_run(struct store *s, uint64_t id)
{
	struct run r = {0};
	int e = store_get_run(s, id, &r);

	run_done(&r);
	return e == 0;
}

static void newest_of_each_action_stay(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 1; i <= 1000; i++)
		put_run(f->s, i, "Apache", i % 4 ? "Restart" : "Stop", STATE_DONE);
	put_output(f->s, 1, 100);
	put_output(f->s, 999, 100);
	prune(f->s, 10, USEC_INFINITY, NO_LIMIT);
	assert_int_equal(runs_in(f->s), 20);
	assert_true(has_run(f->s, 1000));
	assert_true(has_run(f->s, 999));
	assert_true(has_run(f->s, 964)); /* the tenth Stop from the end */
	assert_false(has_run(f->s, 960));
	assert_false(has_output(f->s, 1));
	assert_true(has_output(f->s, 999));
	/* a smaller setting counts for actions that were not run since */
	prune(f->s, 5, USEC_INFINITY, NO_LIMIT);
	assert_int_equal(runs_in(f->s), 10);
}

static void old_ones_go(void **state)
{
	struct fixture *f = *state;
	int64_t now = now_realtime();

	for (uint64_t i = 1; i <= 600; i++)
		put_at(f->s, i, "Restart", now - (int64_t)(100 * DAY));
	put_at(f->s, 601, "Restart", now - (int64_t)DAY);
	put_at(f->s, 602, "Restart", now);
	prune(f->s, 10000, 90 * DAY, NO_LIMIT);
	assert_int_equal(runs_in(f->s), 2);
}

/* The last run that was there at the start is 149 days old: nobody was there, or the clock jumped.
 */
static void the_newest_contradicts_the_clock(void **state)
{
	struct fixture *f = *state;
	int64_t now = now_realtime();

	put_at(f->s, 1, "Restart", now - (int64_t)(300 * DAY));
	put_at(f->s, 2, "Restart", now - (int64_t)(150 * DAY));
	put_at(f->s, 3, "Restart", now - (int64_t)(149 * DAY));
	assert_int_equal(store_commit(f->s), 0);
	reopen(f, false);
	put_at(f->s, 4, "Restart", now);
	prune(f->s, 10000, 90 * DAY, NO_LIMIT);
	assert_false(has_run(f->s, 1));
	assert_int_equal(runs_in(f->s), 3);
	reopen(f, false); /* now there is one that agrees with the clock */
	put_at(f->s, 5, "Restart", now);
	prune(f->s, 10000, 90 * DAY, NO_LIMIT);
	assert_int_equal(runs_in(f->s), 2);
}

static void what_is_of_the_future_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	int64_t now = now_realtime();

	put_at(f->s, 1, "Restart", now + (int64_t)(20000 * DAY));
	for (uint64_t i = 2; i <= 600; i++)
		put_at(f->s, i, "Restart", now - (int64_t)(100 * DAY));
	put_at(f->s, 601, "Restart", now);
	prune(f->s, 10000, 90 * DAY, NO_LIMIT);
	assert_int_equal(runs_in(f->s), 2);
	assert_true(has_run(f->s, 1));
	prune(f->s, 1, 90 * DAY, NO_LIMIT);
	assert_false(has_run(f->s, 1));
}

static void what_is_shown_or_open_stays(void **state)
{
	struct fixture *f = *state;
	struct stored_flag shown = flag_of("Apache", "Restart", 1);

	shown.run = 3;
	assert_int_equal(store_put_flag(f->s, &shown), 0);
	for (uint64_t i = 1; i <= 9; i++)
		put_at(f->s, i, "Restart", 1);
	put_run(f->s, 5, "Apache", "Restart", STATE_RUNNING);
	put_run(f->s, 7, "Apache", "Restart", STATE_WAITING);
	prune(f->s, 0, DAY, NO_LIMIT);
	assert_int_equal(runs_in(f->s), 4);
	assert_true(has_run(f->s, 3));
	assert_true(has_run(f->s, 5));
	assert_true(has_run(f->s, 7));
	assert_true(has_run(f->s, 9)); /* the last number is not given twice */
	assert_int_equal(store_last_run_id(f->s), 9);
}

static void oldest_output_goes_first(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 1; i <= 600; i++) {
		put_run(f->s, i, "Apache", "Restart", STATE_DONE);
		put_output(f->s, i, 1000);
	}
	prune(f->s, 1000, USEC_INFINITY, 5000);
	assert_int_equal(runs_in(f->s), 600);
	assert_true(has_output(f->s, 600));
	assert_true(has_output(f->s, 596));
	assert_false(has_output(f->s, 595));
	/* the sum is kept up to date, also over a turn that was not committed */
	put_output(f->s, 600, 100);
	put_output(f->s, 595, 900);
	prune(f->s, 1000, USEC_INFINITY, 5000);
	assert_true(has_output(f->s, 595));
	put_output(f->s, 601, 1);
	prune(f->s, 1000, USEC_INFINITY, 5000);
	assert_false(has_output(f->s, 595));
	assert_true(has_output(f->s, 596));
	prune(f->s, 1000, USEC_INFINITY, 0);
	assert_false(has_output(f->s, 601));
}

static void token_stays_spent(void **state)
{
	struct fixture *f = *state;
	struct token t = token_of(1);

	for (uint64_t i = 1; i <= 50; i++)
		put_run(f->s, i, "Apache", "Restart", STATE_DONE);
	prune(f->s, 1, USEC_INFINITY, NO_LIMIT);
	assert_int_equal(runs_in(f->s), 1);
	assert_true(store_is_spent(f->s, &t));
}

static void tokens_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct token oldest = token_of(1), newest = token_of(66000);

	assert_int_equal(store_begin(f->s), 0);
	for (uint64_t i = 1; i <= 66000; i++) {
		struct token t = token_of(i);
		assert_int_equal(store_put_spent(f->s, &t), 0);
	}
	assert_int_equal(store_commit(f->s), 0);
	prune(f->s, 100, USEC_INFINITY, NO_LIMIT);
	assert_false(store_is_spent(f->s, &oldest));
	assert_true(store_is_spent(f->s, &newest));
	oldest = token_of(1000);
	assert_true(store_is_spent(f->s, &oldest));
}

static void idle_history_writes_nothing(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 1; i <= 20; i++)
		put_at(f->s, i, "Restart", now_realtime());
	prune(f->s, 100, 90 * DAY, 1 << 20);
	assert_int_equal(store_commit_durable(f->s), 0);
	char path[128];
	struct stat before, after;
	snprintf(path, sizeof path, "%s/flagman.db-wal", f->dir);
	assert_int_equal(stat(path, &before), 0);
	prune(f->s, 100, 90 * DAY, 1 << 20);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(newest_of_each_action_stay),
		TEST(old_ones_go),
		TEST(the_newest_contradicts_the_clock),
		TEST(what_is_of_the_future_keeps_nothing),
		TEST(what_is_shown_or_open_stays),
		TEST(oldest_output_goes_first),
		TEST(token_stays_spent),
		TEST(tokens_are_bounded),
		TEST(idle_history_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
