/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Retention, a bounded piece at each call: the agent's loop must not stand still for it.
 *
 * Never removed: a run that has not ended, one that a flag still shows, one that has a disc, and
 * the one with the highest number (numbers are not given twice).  The token of a run that is
 * removed stays spent; the last SPENT_KEPT tokens are remembered, by count and not by age, for
 * clocks jump.
 *
 * One that says 2080 for a minute must not cost the history.  So the age of a run is that before
 * the last one which was there at the start, and the time since then by a clock that does not jump:
 * where that is wrong, something is kept until the next start.
 */
#include "agent/store_db.h"
#include "common/text.h"

#include <errno.h>

#define PIECE      256
#define SPENT_KEPT 65536
#define TIME_MAX   2000 /* us; what is left is done at the next call */

#define REMOVABLE \
	" state NOT IN " STORE_OPEN_STATES " AND id<(SELECT max(id) FROM runs)" \
	" AND NOT EXISTS (SELECT 1 FROM flags f WHERE f.object=r.object AND f.grp=r.grp" \
	" AND f.action=r.action AND f.run=r.id)" \
	" AND NOT EXISTS (SELECT 1 FROM discs d WHERE d.run=r.id)"

struct ids {
	uint64_t id[PIECE], size[PIECE];
	size_t n;
};

/* Runs Q to its end, taking the first column as ids and the second, where there is one, as sizes.
 */
static int collect(struct store *s, sqlite3_stmt *q, struct ids *ret)
{
	int r;

	while ((r = db_step(s, q)) > 0 && ret->n < PIECE) {
		ret->id[ret->n] = (uint64_t)sqlite3_column_int64(q, 0);
		ret->size[ret->n++] = (uint64_t)sqlite3_column_int64(q, 1);
	}
	if (r > 0)
		db_reset(q);
	return r < 0 ? r : 0;
}

static int write_with_id(struct store *s, enum db_statement which, const char *sql, uint64_t id)
{
	sqlite3_stmt *q;
	int r = db_prepare_write(s, which, sql, &q);

	if (r < 0)
		return r;
	db_bind_int(q, 1, (int64_t)id);
	return db_write(s, q);
}

/* ids->size is the size of the run's output. */
static int delete_runs(struct store *s, const struct ids *ids)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ids->n; i++) {
		r = write_with_id(s, DB_KEEP_TOKEN,
			"INSERT OR IGNORE INTO spent (token) SELECT token FROM runs WHERE id=?1",
			ids->id[i]);
		if (r == 0)
			r = store_delete_output(s, ids->id[i], ids->size[i]);
		if (r == 0)
			r = write_with_id(
				s, DB_DELETE_RUN, "DELETE FROM runs WHERE id=?1", ids->id[i]);
	}
	return r;
}

int prune_anchor(struct store *s)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(
		s->db, "SELECT pressed FROM runs ORDER BY id DESC LIMIT 1", -1, &q, NULL);

	s->anchor = now_realtime();
	s->anchor_at = now_boottime();
	if (rc == SQLITE_OK)
		rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		s->anchor = sqlite3_column_int64(q, 0);
	int r = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : db_error(s, rc);
	sqlite3_finalize(q);
	return r;
}

/* What the clock says, if the history does not contradict it. */
static int64_t believable_now(const struct store *s)
{
	int64_t now = now_realtime();
	int64_t least = s->anchor + (int64_t)(now_boottime() - s->anchor_at);

	return now < least ? now : least;
}

/*
 * Numbers rise with time, near enough: looks on from s->aged_to until a run is young, then starts
 * over at the next call.  One of the future tells nothing of those after it: it is passed over, and
 * goes with prune_count().  1: there is more to look at.
 */
static int prune_age(struct store *s, int64_t before, int64_t now)
{
	struct ids ids = {.n = 0};
	sqlite3_stmt *q;
	int r, looked = 0;
	bool young = false;

	r = db_prepare(s, DB_PRUNE_AGE,
		"SELECT r.id, coalesce(o.size, 0), r.pressed, " REMOVABLE
		" FROM runs r LEFT JOIN outputs o ON o.run=r.id WHERE r.id>?1 ORDER BY r.id LIMIT "
		"?2",
		&q);
	if (r < 0)
		return r;
	db_bind_int(q, 1, (int64_t)s->aged_to);
	db_bind_int(q, 2, PIECE);
	while ((r = db_step(s, q)) > 0) {
		int64_t pressed = sqlite3_column_int64(q, 2);
		young = pressed >= before && pressed <= now;
		if (young) {
			db_reset(q);
			break;
		}
		looked++;
		s->aged_to = (uint64_t)sqlite3_column_int64(q, 0);
		if (pressed < before && sqlite3_column_int(q, 3)) {
			ids.id[ids.n] = s->aged_to;
			ids.size[ids.n++] = (uint64_t)sqlite3_column_int64(q, 1);
		}
	}
	if (r < 0)
		return r;
	bool more = !young && looked == PIECE;
	if (!more)
		s->aged_to = 0;
	r = delete_runs(s, &ids);
	return r < 0 ? r : more;
}

/* Those of one action beyond the newest KEEP. */
static int collect_surplus(struct store *s, sqlite3_stmt *action, uint32_t keep, struct ids *ids)
{
	sqlite3_stmt *q;
	int r = db_prepare(s, DB_PRUNE_COUNT,
		"SELECT r.id, coalesce(o.size, 0) FROM runs r LEFT JOIN outputs o ON o.run=r.id"
		" WHERE r.object=?1 AND r.grp=?2 AND r.action=?3 AND r.id IN"
		" (SELECT id FROM runs WHERE object=?1 AND grp=?2 AND action=?3"
		"  AND state NOT IN " STORE_OPEN_STATES " ORDER BY id DESC LIMIT ?5 OFFSET ?4)"
		" AND " REMOVABLE " ORDER BY r.id",
		&q);

	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++)
		sqlite3_bind_value(q, i + 1, sqlite3_column_value(action, i));
	db_bind_int(q, 4, keep);
	db_bind_int(q, 5, PIECE);
	return collect(s, q, ids);
}

/* Looks at the actions that were run since the last call, so that an idle history costs nothing. */
static int prune_count(struct store *s, uint32_t keep)
{
	struct ids ids = {.n = 0};
	sqlite3_stmt *q;
	uint64_t to = s->counted_to;
	int64_t looked = 0;
	int r = db_prepare(s, DB_PRUNE_ACTIONS,
		"SELECT object, grp, action, max(id), count(*) FROM"
		" (SELECT id, object, grp, action FROM runs WHERE id>?1 ORDER BY id LIMIT ?2)"
		" GROUP BY object, grp, action",
		&q);

	if (r < 0)
		return r;
	db_bind_int(q, 1, (int64_t)to);
	db_bind_int(q, 2, PIECE);
	while ((r = db_step(s, q)) > 0) {
		uint64_t id = (uint64_t)sqlite3_column_int64(q, 3);

		to = id > to ? id : to;
		looked += sqlite3_column_int64(q, 4);
		r = collect_surplus(s, q, keep, &ids);
		if (r < 0 || ids.n == PIECE) {
			db_reset(q);
			break;
		}
	}
	if (r < 0)
		return r;
	bool full = ids.n == PIECE; /* these actions may have more: look at them again */
	if (!full)
		s->counted_to = to;
	r = delete_runs(s, &ids);
	return r < 0 ? r : full || looked == PIECE;
}

static int count_output(struct store *s)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(
		s->db, "SELECT coalesce(sum(size), 0) FROM outputs", -1, &q, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		s->output_bytes = (uint64_t)sqlite3_column_int64(q, 0);
	int r = rc == SQLITE_ROW ? 0 : db_error(s, rc);
	sqlite3_finalize(q);
	return r;
}

static int prune_size(struct store *s, uint64_t most)
{
	struct ids ids = {.n = 0};
	sqlite3_stmt *q;
	int r = s->output_bytes == STORE_OUTPUT_UNKNOWN ? count_output(s) : 0;

	if (r < 0 || s->output_bytes <= most)
		return r;
	r = db_prepare(s, DB_PRUNE_SIZE, "SELECT run, size FROM outputs ORDER BY run LIMIT ?1", &q);
	if (r < 0)
		return r;
	db_bind_int(q, 1, PIECE);
	r = collect(s, q, &ids);
	for (size_t i = 0; r == 0 && i < ids.n && s->output_bytes > most; i++)
		r = store_delete_output(s, ids.id[i], ids.size[i]);
	return r < 0 ? r : s->output_bytes > most && ids.n > 0;
}

static int prune_spent(struct store *s)
{
	struct ids ids = {.n = 0};
	sqlite3_stmt *q;
	int r = db_prepare(s, DB_PRUNE_SPENT,
		"SELECT number, 0 FROM spent WHERE number<=(SELECT max(number) FROM spent)-?1"
		" ORDER BY number LIMIT ?2",
		&q);

	if (r < 0)
		return r;
	db_bind_int(q, 1, SPENT_KEPT);
	db_bind_int(q, 2, PIECE);
	r = collect(s, q, &ids);
	if (r < 0 || ids.n == 0)
		return r;
	r = write_with_id(
		s, DB_FORGET_TOKENS, "DELETE FROM spent WHERE number<=?1", ids.id[ids.n - 1]);
	return r < 0 ? r : ids.n == PIECE;
}

/* One piece of each; 1: there is more. */
static int prune_piece(struct store *s, uint32_t runs, uint64_t age, uint64_t size)
{
	int64_t now = believable_now(s);
	int more = 0, r = 0;

	if (now > 0 && age < (uint64_t)now)
		r = more = prune_age(s, now - (int64_t)age, now_realtime());
	if (r >= 0) {
		r = prune_count(s, runs);
		more |= r;
	}
	if (r >= 0) {
		r = prune_size(s, size);
		more |= r;
	}
	if (r >= 0) {
		r = prune_spent(s);
		more |= r;
	}
	return r < 0 ? r : more;
}

int store_prune(struct store *s, uint32_t runs, uint64_t age, uint64_t size)
{
	uint64_t until = now_monotonic() + TIME_MAX;
	int r = store_begin(s);

	if (r < 0)
		return r;
	if (runs != s->counted_runs) { /* the setting changed: every action counts anew */
		s->counted_runs = runs;
		s->counted_to = 0;
	}
	do
		r = prune_piece(s, runs, age, size);
	while (r > 0 && now_monotonic() < until);
	return r < 0 ? r : 0;
}
