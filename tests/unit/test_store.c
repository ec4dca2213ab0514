/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_fixture.h"

#include "agent/store_db.h"

#include <errno.h>
#include <sys/stat.h>

struct seen_flag {
	size_t n;
	char object[64], group[64], action[64], boot[64], note[64];
	struct stored_flag last;
};

static void see_flag(const struct stored_flag *f, void *userdata)
{
	struct seen_flag *seen = userdata;

	seen->n++;
	seen->last = *f;
	snprintf(seen->object, sizeof seen->object, "%s", f->object);
	snprintf(seen->group, sizeof seen->group, "%s", f->group);
	snprintf(seen->action, sizeof seen->action, "%s", f->action);
	snprintf(seen->boot, sizeof seen->boot, "%s", f->boot);
	snprintf(seen->note, sizeof seen->note, "%s", f->note ? f->note : "(none)");
}

static void flag_comes_back_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct seen_flag seen = {0};
	struct stored_flag in = flag_of("Apache", "Restart", 7);

	in.group = "ops";
	in.state = STATE_FAILED;
	in.run = 42;
	in.note = "called off";
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put_flag(f->s, &in), 0);
	assert_int_equal(store_commit(f->s), 0);
	reopen(f, false);
	assert_int_equal(store_each_flag(f->s, see_flag, &seen), 0);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.object, "Apache");
	assert_string_equal(seen.group, "ops");
	assert_string_equal(seen.action, "Restart");
	assert_string_equal(seen.boot, BOOT);
	assert_string_equal(seen.note, "called off");
	assert_true(token_equal(&seen.last.token, &in.token));
	assert_true(file_id_equal(&seen.last.id, &in.id));
	assert_int_equal(seen.last.state, STATE_FAILED);
	assert_int_equal(seen.last.run, 42);
	assert_int_equal(seen.last.since, in.since);
}

static void flag_is_replaced_and_deleted(void **state)
{
	struct fixture *f = *state;
	struct seen_flag seen = {0};
	struct stored_flag in = flag_of("Apache", "Restart", 7),
			   other = flag_of("Apache", "Stop", 8);

	assert_int_equal(store_put_flag(f->s, &in), 0);
	assert_int_equal(store_put_flag(f->s, &other), 0);
	in.token = token_of(9);
	in.boot = "ffffffffffffffffffffffffffffffff";
	assert_int_equal(store_put_flag(f->s, &in), 0);
	assert_int_equal(flags_in(f->s), 2);
	assert_int_equal(store_delete_flag(f->s, "Apache", "", "Stop"), 0);
	assert_int_equal(store_delete_flag(f->s, "Apache", "", "no such"), 0);
	assert_int_equal(store_each_flag(f->s, see_flag, &seen), 0);
	assert_int_equal(seen.n, 1);
	assert_true(token_equal(&seen.last.token, &in.token));
	assert_string_equal(seen.boot, in.boot);
	assert_string_equal(seen.note, "(none)");
}

static void flag_that_makes_no_sense_is_refused(void **state)
{
	struct fixture *f = *state;
	struct stored_flag in = flag_of("Apache", "Restart", 7);

	in.state = STATE_BLOCKED;
	assert_int_equal(store_put_flag(f->s, &in), -EINVAL);
	in = flag_of("Apache", "Restart", 7);
	in.boot = "not a boot id";
	assert_int_equal(store_put_flag(f->s, &in), -EINVAL);
	assert_int_equal(flags_in(f->s), 0);
}

static void row_of_nonsense_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct stored_flag in = flag_of("Apache", "Restart", 7);

	assert_int_equal(store_put_flag(f->s, &in), 0);
	in.action = "Stop";
	assert_int_equal(store_put_flag(f->s, &in), 0);
	in.action = "Start";
	assert_int_equal(store_put_flag(f->s, &in), 0);
	assert_int_equal(db_exec(f->s, "UPDATE flags SET state='sideways' WHERE action='Stop';"
				       "UPDATE flags SET token=x'0102' WHERE action='Start'"),
		0);
	assert_int_equal(flags_in(f->s), 1);
}

static void directories(void **state)
{
	struct fixture *f = *state;
	struct file_id id = {.dev = 1, .ino = UINT64_MAX, .btime_ns = 3}, got = {0};

	assert_int_equal(store_get_directory(f->s, "A", "g", &got), -ENOENT);
	assert_int_equal(store_put_directory(f->s, "A", "g", &id), 0);
	id.ino = 5;
	assert_int_equal(store_put_directory(f->s, "A", "g", &id), 0);
	reopen(f, false);
	assert_int_equal(store_get_directory(f->s, "A", "g", &got), 0);
	assert_true(file_id_equal(&got, &id));
	assert_int_equal(store_get_directory(f->s, "A", "", &got), -ENOENT);
}

static struct run full_run(void)
{
	struct run r = run_of(12, "DVD", "Burn", STATE_FAILED);

	r.group = (char *)(uintptr_t) "drives";
	r.trigger = TRIGGER_DROP;
	r.cause = CAUSE_REFUSED;
	r.certainty = CERTAINTY_AUDIT;
	r.user = (char *)(uintptr_t) "alice";
	r.address = (char *)(uintptr_t) "10.1.2.3";
	r.why = (char *)(uintptr_t) "not in custody";
	r.payload = (char *)(uintptr_t) "image.iso";
	r.payload_sha256 = (char *)(uintptr_t) "abcd";
	r.payload_size = 5ULL << 32;
	r.end = (struct run_end){
		.kind = END_NOT_STARTED,
		.code = 203,
		.error = ENOENT,
		.stop = STOP_CANCEL,
		.success = 0,
		.started = 1700000001000000LL,
		.ended = 1700000002000000LL,
		.lasted = 1000001,
		.where = "/x",
	};
	return r;
}

static void assert_same_run(const struct run *a, const struct run *b)
{
	assert_int_equal(a->id, b->id);
	assert_true(token_equal(&a->token, &b->token));
	assert_string_equal(a->object, b->object);
	assert_string_equal(a->group, b->group);
	assert_string_equal(a->action, b->action);
	assert_int_equal(a->trigger, b->trigger);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->cause, b->cause);
	assert_int_equal(a->certainty, b->certainty);
	assert_string_equal(a->user, b->user);
	assert_string_equal(a->address, b->address);
	assert_int_equal(a->pressed, b->pressed);
	assert_int_equal(a->claimed, b->claimed);
	assert_memory_equal(&a->end, &b->end, sizeof a->end);
	assert_string_equal(a->why, b->why);
	assert_string_equal(a->payload, b->payload);
	assert_string_equal(a->payload_sha256, b->payload_sha256);
	assert_int_equal(a->payload_size, b->payload_size);
}

static void run_comes_back_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct run in = full_run(), out = {0};

	assert_int_equal(store_put_run(f->s, &in), 0);
	reopen(f, false);
	assert_int_equal(store_get_run(f->s, 12, &out), 0);
	assert_same_run(&out, &in);
	run_done(&out);
	assert_int_equal(store_get_run_by_token(f->s, &in.token, &out), 0);
	assert_same_run(&out, &in);
	run_done(&out);
	assert_int_equal(store_get_run(f->s, 13, &out), -ENOENT);
	in.token = token_of(99);
	assert_int_equal(store_get_run_by_token(f->s, &in.token, &out), -ENOENT);
	assert_int_equal(store_last_run_id(f->s), 12);
}

static void run_is_updated_by_number(void **state)
{
	struct fixture *f = *state;
	struct run in = run_of(3, "Apache", "Restart", STATE_STARTING), out = {0};

	in.claimed = 0;
	in.end = (struct run_end){0};
	assert_int_equal(store_put_run(f->s, &in), 0);
	assert_int_equal(store_get_run(f->s, 3, &out), 0);
	assert_null(out.user);
	assert_null(out.payload);
	assert_null(out.why);
	run_done(&out);
	in.state = STATE_DONE;
	in.user = (char *)(uintptr_t) "bob";
	in.claimed = 5;
	in.end.kind = END_EXITED;
	in.end.lasted = 77;
	assert_int_equal(store_put_run(f->s, &in), 0);
	assert_int_equal(runs_in(f->s), 1);
	assert_int_equal(store_get_run(f->s, 3, &out), 0);
	assert_int_equal(out.state, STATE_DONE);
	assert_string_equal(out.user, "bob");
	assert_int_equal(out.claimed, 5);
	assert_int_equal(out.end.lasted, 77);
	run_done(&out);
	in.id = 0;
	assert_int_equal(store_put_run(f->s, &in), -EINVAL);
}

struct ids {
	uint64_t id[16];
	size_t n, stop_at;
};

static bool collect(const struct run *r, void *userdata)
{
	struct ids *ids = userdata;

	ids->id[ids->n++] = r->id;
	return ids->n != ids->stop_at;
}

static void assert_list(struct store *s, const char *object, const char *group, const char *action,
	unsigned limit, bool open, const char *expected)
{
	struct ids ids = {0};
	char text[128] = "";

	assert_int_equal(store_each_run(s, object, group, action, limit, open, collect, &ids), 0);
	for (size_t i = 0; i < ids.n; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "",
			(int)ids.id[i]);
	assert_string_equal(text, expected);
}

static void lists_of_runs(void **state)
{
	struct fixture *f = *state;
	struct run grouped = run_of(4, "Apache", "Restart", STATE_FAILED);
	struct ids ids = {.stop_at = 2};

	assert_int_equal(store_last_run_id(f->s), 0);
	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	put_run(f->s, 2, "Apache", "Stop", STATE_CANCELLED);
	put_run(f->s, 3, "DVD", "Restart", STATE_MISSED);
	grouped.group = (char *)(uintptr_t) "ops";
	assert_int_equal(store_put_run(f->s, &grouped), 0);
	put_run(f->s, 5, "Apache", "Restart", STATE_RUNNING);
	put_run(f->s, 6, "Apache", "Stop", STATE_STARTING);
	put_run(f->s, 7, "DVD", "Burn", STATE_WAITING);

	assert_list(f->s, NULL, NULL, NULL, 0, true, "7 6 5 4 3 2 1");
	assert_list(f->s, "", "", "", 0, false, "4 3 2 1");
	assert_list(f->s, "Apache", NULL, NULL, 2, false, "4 2");
	assert_list(f->s, "Apache", NULL, "Restart", 0, false, "4 1");
	assert_list(f->s, "Apache", "ops", "Restart", 0, false, "4");
	assert_list(f->s, "Apache", "", "Restart", 1, false, "4");
	assert_list(f->s, "Apache", "", "Restart", 0, true, "5 4 1");
	assert_list(f->s, NULL, NULL, "Restart", 0, false, "4 3 1");
	assert_list(f->s, NULL, "ops", NULL, 0, true, "4");
	assert_list(f->s, "No such", NULL, NULL, 0, true, "");
	assert_int_equal(store_each_run(f->s, NULL, NULL, NULL, 0, true, collect, &ids), 0);
	assert_int_equal(ids.n, 2);

	ids = (struct ids){0};
	assert_int_equal(store_each_open_run(f->s, collect, &ids), 0);
	assert_int_equal(ids.n, 3);
	assert_int_equal(ids.id[0], 5);
	assert_int_equal(ids.id[2], 7);
}

/* A handler that lists again, and ends what it finds. */
static bool list_within(const struct run *r, void *userdata)
{
	struct store *s = userdata;
	struct run copy = {0};

	assert_int_equal(run_copy(&copy, r), 0);
	assert_list(s, r->object, NULL, r->action, 0, false, "2 1");
	copy.why = strdup("seen");
	assert_int_equal(store_put_run(s, &copy), 0);
	run_done(&copy);
	return true;
}

static void handlers_may_list_and_write(void **state)
{
	struct fixture *f = *state;
	struct run out = {0};

	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	put_run(f->s, 2, "Apache", "Restart", STATE_DONE);
	assert_int_equal(
		store_each_run(f->s, "Apache", NULL, "Restart", 0, false, list_within, f->s), 0);
	assert_int_equal(store_get_run(f->s, 1, &out), 0);
	assert_string_equal(out.why, "seen");
	run_done(&out);
}

static void starts(void **state)
{
	struct fixture *f = *state;
	int64_t at[4] = {0}, base = 1700000000000000LL;

	for (uint64_t i = 1; i <= 5; i++)
		put_run(f->s, i, "Apache", "Restart", STATE_DONE);
	put_run(f->s, 6, "Apache", "Stop", STATE_DONE);
	struct run unclaimed = run_of(7, "Apache", "Restart", STATE_WAITING);
	unclaimed.claimed = 0;
	assert_int_equal(store_put_run(f->s, &unclaimed), 0);
	assert_int_equal(
		store_starts_since(f->s, "Apache", "", "Restart", base + 3, INT64_MAX, at, 4), 3);
	assert_int_equal(at[0], base + 5);
	assert_int_equal(at[2], base + 3);
	assert_int_equal(store_starts_since(f->s, "Apache", "", "Restart", 0, INT64_MAX, at, 4), 4);
	assert_int_equal(
		store_starts_since(f->s, "Apache", "ops", "Restart", 0, INT64_MAX, at, 4), 0);
	/* what is still to come takes no place of what was */
	assert_int_equal(store_starts_since(f->s, "Apache", "", "Restart", 0, base + 2, at, 2), 2);
	assert_int_equal(at[0], base + 2);
}

static void written_otherwise(void **state)
{
	struct fixture *f = *state;
	struct stored_flag shown = flag_of("Apache", "restart", 1);
	struct run out = {0};

	assert_int_equal(store_put_flag(f->s, &shown), 0);
	put_run(f->s, 1, "Apache", "restart", STATE_DONE);
	put_run(f->s, 2, "Apache", "Stop", STATE_DONE);
	assert_int_equal(store_rename_action(f->s, "Apache", "", "restart", "Restart"), 0);
	assert_int_equal(store_get_run(f->s, 1, &out), 0);
	assert_string_equal(out.action, "Restart");
	run_done(&out);
	assert_int_equal(store_get_run(f->s, 2, &out), 0);
	assert_string_equal(out.action, "Stop");
	run_done(&out);
	assert_int_equal(flags_in(f->s), 1);
	assert_int_equal(store_delete_flag(f->s, "Apache", "", "Restart"), 0);
	assert_int_equal(flags_in(f->s), 0);
}

static void output(void **state)
{
	struct fixture *f = *state;
	struct buf head = BUF_INIT(1 << 20), tail = BUF_INIT(1 << 20);
	struct buf got_head = BUF_INIT(1 << 20), got_tail = BUF_INIT(1 << 20);
	uint64_t left_out = 7;

	assert_int_equal(store_get_output(f->s, 1, &got_head, &got_tail, &left_out), -ENOENT);
	for (int i = 0; i < 100000; i++)
		buf_addc(&head, (char)i);
	buf_adds(&tail, "the end");
	assert_int_equal(store_put_output(f->s, 1, &head, &tail, 3), 0);
	assert_int_equal(store_put_output(f->s, 2, NULL, NULL, 0), 0);
	reopen(f, false);
	assert_int_equal(store_get_output(f->s, 1, &got_head, &got_tail, &left_out), 0);
	assert_int_equal(left_out, 3);
	assert_int_equal(got_head.len, head.len);
	assert_memory_equal(got_head.data, head.data, head.len);
	assert_string_equal(buf_str(&got_tail), "the end");
	buf_reset(&got_head);
	buf_reset(&got_tail);
	assert_int_equal(store_get_output(f->s, 2, &got_head, &got_tail, &left_out), 0);
	assert_int_equal(got_head.len + got_tail.len + left_out, 0);

	struct buf small = BUF_INIT(10);
	assert_int_equal(store_get_output(f->s, 1, &small, &got_tail, &left_out), -E2BIG);
	buf_done(&small);
	buf_done(&head);
	buf_done(&tail);
	buf_done(&got_head);
	buf_done(&got_tail);
}

static void spent_tokens(void **state)
{
	struct fixture *f = *state;
	struct token a = token_of(1), b = token_of(2), c = token_of(3);

	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	put_run(f->s, 2, "Apache", "Restart", STATE_RUNNING);
	assert_true(store_is_spent(f->s, &a));
	assert_false(store_is_spent(f->s, &b));
	assert_false(store_is_spent(f->s, &c));
	assert_int_equal(store_put_spent(f->s, &c), 0);
	assert_int_equal(store_put_spent(f->s, &c), 0);
	reopen(f, false);
	assert_true(store_is_spent(f->s, &c));
}

static void turn_is_one_transaction(void **state)
{
	struct fixture *f = *state;
	struct stored_flag in = flag_of("Apache", "Restart", 7);

	assert_false(store_dirty(f->s));
	assert_int_equal(store_commit(f->s), 0);
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_begin(f->s), 0);
	assert_true(store_dirty(f->s));
	assert_int_equal(store_put_flag(f->s, &in), 0);
	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	reopen(f, false); /* not committed: gone */
	assert_int_equal(flags_in(f->s), 0);
	assert_int_equal(runs_in(f->s), 0);
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put_flag(f->s, &in), 0);
	assert_int_equal(store_commit(f->s), 0);
	assert_false(store_dirty(f->s));
	reopen(f, false);
	assert_int_equal(flags_in(f->s), 1);
}

static void file_is_private(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct stat st;

	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	snprintf(path, sizeof path, "%s/flagman.db", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(path, sizeof path, "%s/flagman.db-wal", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* A history that is to last ten years: the schema grows, the rows stay. */
static void history_survives_an_upgrade(void **state)
{
	struct fixture *f = *state;
	struct run out = {0};
	const char *steps[STORE_SCHEMA + 1];

	memcpy(steps, schema_steps, sizeof schema_steps);
	steps[STORE_SCHEMA] = "ALTER TABLE runs ADD COLUMN mood TEXT; CREATE TABLE more (x)";
	put_run(f->s, 1, "Apache", "Restart", STATE_FAILED);
	assert_int_equal(schema_upgrade(f->s, steps, STORE_SCHEMA + 1), 0);
	assert_int_equal(store_get_run(f->s, 1, &out), 0);
	assert_int_equal(out.state, STATE_FAILED);
	run_done(&out);
	assert_int_equal(schema_upgrade(f->s, steps, STORE_SCHEMA + 1), 0); /* nothing to do */

	bool damaged = true;
	f->s = store_close(f->s);
	assert_int_equal(store_open(f->path, &f->s, &damaged), -EPROTONOSUPPORT);
	assert_non_null(strstr(store_error(NULL), "newer flagman"));
	assert_null(f->s);
}

/* Which board a directory was is not in version 2: none is known, so nothing is taken for pressed.
 */
static void directories_of_version_2_are_forgotten(void **state)
{
	struct fixture *f = *state;
	struct file_id id = {.dev = 1, .ino = 2, .btime_ns = 3}, got;

	put_run(f->s, 1, "Apache", "Restart", STATE_FAILED);
	assert_int_equal(
		db_exec(f->s, "PRAGMA user_version=2; DROP TABLE directories; CREATE TABLE "
			      "directories (path TEXT"
			      " PRIMARY KEY, dev INTEGER, ino INTEGER, btime INTEGER)"
			      " WITHOUT ROWID; INSERT INTO directories VALUES ('/a',1,2,3)"),
		0);
	reopen(f, false);
	assert_int_equal(runs_in(f->s), 1);
	assert_int_equal(store_get_directory(f->s, "Apache", "", &got), -ENOENT);
	assert_int_equal(store_put_directory(f->s, "Apache", "", &id), 0);
	assert_int_equal(store_get_directory(f->s, "Apache", "", &got), 0);
	assert_true(file_id_equal(&got, &id));
}

static void upgrade_that_fails_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const char *steps[STORE_SCHEMA + 1];

	memcpy(steps, schema_steps, sizeof schema_steps);
	steps[STORE_SCHEMA] = "CREATE TABLE more (x); ALTER TABLE nothing ADD COLUMN mood TEXT";
	put_run(f->s, 1, "Apache", "Restart", STATE_FAILED);
	assert_int_equal(schema_upgrade(f->s, steps, STORE_SCHEMA + 1), -EIO);
	assert_non_null(strstr(store_error(f->s), "nothing"));
	reopen(f, false);
	assert_int_equal(runs_in(f->s), 1);
	assert_int_equal(db_exec(f->s, "CREATE TABLE more (x)"), 0); /* it was not left behind */
}

/* What is asked at each press or update must not read the whole history. */
static void hot_queries_use_an_index(void **state)
{
	struct fixture *f = *state;
	struct run out = {0};
	struct token t = token_of(1);
	struct file_id id;
	int64_t at[1];
	size_t n = 0;
	static const enum db_statement hot[] = {DB_GET_RUN, DB_GET_RUN_BY_TOKEN, DB_IS_SPENT,
		DB_RUNS_OF_ACTION, DB_STARTS_SINCE, DB_GET_DIRECTORY, DB_DELETE_FLAG};

	put_run(f->s, 1, "Apache", "Restart", STATE_DONE);
	(void)store_get_run(f->s, 2, &out);
	(void)store_get_run_by_token(f->s, &(struct token){{0}}, &out);
	(void)store_is_spent(f->s, &t);
	(void)store_each_run(f->s, "Apache", "", "Restart", 10, false, count_run, &n);
	(void)store_starts_since(f->s, "Apache", "", "Restart", 0, INT64_MAX, at, 1);
	(void)store_get_directory(f->s, "Apache", "", &id);
	assert_int_equal(store_delete_flag(f->s, "Apache", "", "Restart"), 0);
	for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++) {
		char sql[2048];
		sqlite3_stmt *q;

		assert_non_null(f->s->statement[hot[i]]);
		snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s",
			sqlite3_sql(f->s->statement[hot[i]]));
		assert_int_equal(sqlite3_prepare_v2(f->s->db, sql, -1, &q, NULL), SQLITE_OK);
		while (sqlite3_step(q) == SQLITE_ROW) {
			const char *plan = db_text(q, 3);
			if (strncmp(plan, "SCAN", 4) == 0 || strstr(plan, "TEMP B-TREE"))
				fail_msg("%s: %s", sqlite3_sql(f->s->statement[hot[i]]), plan);
		}
		sqlite3_finalize(q);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flag_comes_back_as_it_was),
		TEST(flag_is_replaced_and_deleted),
		TEST(flag_that_makes_no_sense_is_refused),
		TEST(row_of_nonsense_is_skipped),
		TEST(directories),
		TEST(run_comes_back_as_it_was),
		TEST(run_is_updated_by_number),
		TEST(lists_of_runs),
		TEST(handlers_may_list_and_write),
		TEST(starts),
		TEST(written_otherwise),
		TEST(output),
		TEST(spent_tokens),
		TEST(turn_is_one_transaction),
		TEST(file_is_private),
		TEST(history_survives_an_upgrade),
		TEST(directories_of_version_2_are_forgotten),
		TEST(upgrade_that_fails_changes_nothing),
		TEST(hot_queries_use_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
