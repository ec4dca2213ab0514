/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RUN_COLUMNS \
	"id, token, object, grp, action, source, state, cause, certainty, user, address, pressed," \
	" claimed, kind, code, error, stop, success, started, ended, lasted, place, why, payload," \
	" payload_sha256, payload_size"

/* The order of RUN_COLUMNS. */
enum column {
	ID,
	TOKEN,
	OBJECT,
	GROUP,
	ACTION,
	SOURCE,
	STATE,
	CAUSE,
	CERTAINTY,
	USER,
	ADDRESS,
	PRESSED,
	CLAIMED,
	KIND,
	CODE,
	ERROR,
	STOP,
	SUCCESS,
	STARTED,
	ENDED,
	LASTED,
	PLACE,
	WHY,
	PAYLOAD,
	SHA256,
	SIZE,
	COLUMNS_,
};

static void bind_end(sqlite3_stmt *q, const struct run_end *e)
{
	db_bind_int(q, KIND + 1, e->kind);
	db_bind_int(q, CODE + 1, e->code);
	db_bind_int(q, ERROR + 1, e->error);
	db_bind_int(q, STOP + 1, e->stop);
	db_bind_int(q, SUCCESS + 1, e->success);
	db_bind_int(q, STARTED + 1, e->started);
	db_bind_int(q, ENDED + 1, e->ended);
	db_bind_int(q, LASTED + 1, (int64_t)e->lasted);
	if (e->where[0])
		sqlite3_bind_text(q, PLACE + 1, e->where, (int)strnlen(e->where, sizeof e->where),
			SQLITE_STATIC);
	else
		sqlite3_bind_null(q, PLACE + 1);
}

static void bind_run(sqlite3_stmt *q, const struct run *r)
{
	db_bind_int(q, ID + 1, (int64_t)r->id);
	db_bind_token(q, TOKEN + 1, &r->token);
	db_bind_text(q, OBJECT + 1, r->object);
	db_bind_text(q, GROUP + 1, r->group);
	db_bind_text(q, ACTION + 1, r->action);
	db_bind_text(q, SOURCE + 1, trigger_word(r->trigger));
	db_bind_text(q, STATE + 1, state_word(r->state));
	db_bind_text(q, CAUSE + 1, cause_word(r->cause));
	db_bind_text(q, CERTAINTY + 1, certainty_word(r->certainty));
	db_bind_text(q, USER + 1, r->user);
	db_bind_text(q, ADDRESS + 1, r->address);
	db_bind_int(q, PRESSED + 1, r->pressed);
	db_bind_int(q, CLAIMED + 1, r->claimed);
	bind_end(q, &r->end);
	db_bind_text(q, WHY + 1, r->why);
	db_bind_text(q, PAYLOAD + 1, r->payload);
	db_bind_text(q, SHA256 + 1, r->payload_sha256);
	db_bind_int(q, SIZE + 1, (int64_t)r->payload_size);
}

/* What a run is -- number, token, names, trigger -- never changes: its indices are left alone. */
int store_put_run(struct store *s, const struct run *r)
{
	sqlite3_stmt *q;

	if (r->id == 0 || r->id > INT64_MAX || !r->object || !r->group || !r->action)
		return db_fail(s, -EINVAL, "run");
	int e = db_prepare_write(s, DB_PUT_RUN,
		"INSERT INTO runs (" RUN_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,"
		" ?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26)"
		" ON CONFLICT (id) DO UPDATE SET state=?7, cause=?8, certainty=?9, user=?10,"
		" address=?11, pressed=?12, claimed=?13, kind=?14, code=?15, error=?16, stop=?17,"
		" success=?18, started=?19, ended=?20, lasted=?21, place=?22, why=?23, payload=?24,"
		" payload_sha256=?25, payload_size=?26",
		&q);
	if (e < 0)
		return e;
	bind_run(q, r);
	return db_write(s, q);
}

static enum certainty read_certainty(const char *word)
{
	for (int c = 0; word && c < CERTAINTY_MAX_; c++)
		if (strcmp(word, certainty_word((enum certainty)c)) == 0)
			return (enum certainty)c;
	return CERTAINTY_UNKNOWN;
}

static int read_word(const char *word, int (*value)(const char *), int otherwise)
{
	int v = word ? value(word) : -1;

	return v < 0 ? otherwise : v;
}

static void read_end(sqlite3_stmt *q, struct run_end *e)
{
	const char *place = db_text(q, PLACE);

	e->kind = (uint32_t)sqlite3_column_int(q, KIND);
	e->code = sqlite3_column_int(q, CODE);
	e->error = sqlite3_column_int(q, ERROR);
	e->stop = (uint32_t)sqlite3_column_int(q, STOP);
	e->success = (uint32_t)sqlite3_column_int(q, SUCCESS);
	e->started = sqlite3_column_int64(q, STARTED);
	e->ended = sqlite3_column_int64(q, ENDED);
	e->lasted = (uint64_t)sqlite3_column_int64(q, LASTED);
	if (place)
		snprintf(e->where, sizeof e->where, "%s", place);
}

/* The strings of *R are borrowed from the row. */
static void read_run(sqlite3_stmt *q, struct run *r)
{
	*r = (struct run){
		.id = (uint64_t)sqlite3_column_int64(q, ID),
		.object = db_text(q, OBJECT),
		.group = db_text(q, GROUP),
		.action = db_text(q, ACTION),
		.trigger =
			(enum trigger)read_word(db_text(q, SOURCE), trigger_from_word, TRIGGER_CLI),
		.state = (enum state)read_word(db_text(q, STATE), state_from_word, STATE_FAILED),
		.cause = (enum cause)read_word(db_text(q, CAUSE), cause_from_word, CAUSE_NONE),
		.certainty = read_certainty(db_text(q, CERTAINTY)),
		.user = db_text(q, USER),
		.address = db_text(q, ADDRESS),
		.pressed = sqlite3_column_int64(q, PRESSED),
		.claimed = sqlite3_column_int64(q, CLAIMED),
		.why = db_text(q, WHY),
		.payload = db_text(q, PAYLOAD),
		.payload_sha256 = db_text(q, SHA256),
		.payload_size = (uint64_t)sqlite3_column_int64(q, SIZE),
	};
	(void)db_token(q, TOKEN, &r->token); /* a wrong one stays zero and matches nothing */
	read_end(q, &r->end);
}

static int get_one(struct store *s, sqlite3_stmt *q, struct run *ret)
{
	struct run r;
	int e = db_step(s, q);

	if (e <= 0)
		return e < 0 ? e : -ENOENT;
	read_run(q, &r);
	e = run_copy(ret, &r);
	db_reset(q);
	return e;
}

int store_get_run(struct store *s, uint64_t id, struct run *ret)
{
	sqlite3_stmt *q;
	int e = db_prepare(s, DB_GET_RUN, "SELECT " RUN_COLUMNS " FROM runs WHERE id=?1", &q);

	if (e < 0)
		return e;
	db_bind_int(q, 1, (int64_t)id);
	return get_one(s, q, ret);
}

int store_get_run_by_token(struct store *s, const struct token *t, struct run *ret)
{
	sqlite3_stmt *q;
	int e = db_prepare(s, DB_GET_RUN_BY_TOKEN,
		"SELECT " RUN_COLUMNS " FROM runs WHERE token=?1 ORDER BY id DESC LIMIT 1", &q);

	if (e < 0)
		return e;
	db_bind_token(q, 1, t);
	return get_one(s, q, ret);
}

uint64_t store_last_run_id(struct store *s)
{
	sqlite3_stmt *q;
	uint64_t id = 0;
	int rc = sqlite3_prepare_v2(s->db, "SELECT max(id) FROM runs", -1, &q, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		id = (uint64_t)sqlite3_column_int64(q, 0);
	else
		(void)db_error(s, rc);
	sqlite3_finalize(q);
	return id;
}

static int each_row(struct store *s, sqlite3_stmt *q, store_run_handler *handler, void *userdata)
{
	struct run r;
	int e;

	while ((e = db_step(s, q)) > 0) {
		read_run(q, &r);
		if (!handler(&r, userdata)) {
			db_reset(q);
			return 0;
		}
	}
	return e;
}

static int each_once(struct store *s, sqlite3_stmt *q, store_run_handler *handler, void *userdata)
{
	int e = each_row(s, q, handler, userdata);

	sqlite3_finalize(q);
	return e;
}

int store_each_open_run(struct store *s, store_run_handler *handler, void *userdata)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(s->db,
		"SELECT " RUN_COLUMNS " FROM runs WHERE state IN " STORE_OPEN_STATES " ORDER BY id",
		-1, &q, NULL);

	return rc == SQLITE_OK ? each_once(s, q, handler, userdata) : db_error(s, rc);
}

/* `flagman history`: any mix of names, prepared for the occasion. */
static int prepare_history(struct store *s, const char *object, const char *group,
	const char *action, bool open, sqlite3_stmt **ret)
{
	char sql[768];

	snprintf(sql, sizeof sql,
		"SELECT " RUN_COLUMNS " FROM runs WHERE true%s%s%s%s ORDER BY id DESC LIMIT ?1",
		object ? " AND object=?2" : "", group ? " AND grp=?3" : "",
		action ? " AND action=?4" : "", open ? "" : " AND state NOT IN " STORE_OPEN_STATES);
	int rc = sqlite3_prepare_v2(s->db, sql, -1, ret, NULL);
	return rc == SQLITE_OK ? 0 : db_error(s, rc);
}

static const char *given(const char *name)
{
	return name && name[0] ? name : NULL;
}

int store_each_run(struct store *s, const char *object, const char *group, const char *action,
	unsigned limit, bool open, store_run_handler *handler, void *userdata)
{
	sqlite3_stmt *q;
	bool kept = given(object) && given(action) && !open && !s->statement_busy;
	int e;

	object = given(object);
	group = given(group);
	action = given(action);
	if (kept) /* a flag's own list, at each of its updates */
		e = db_prepare(s, DB_RUNS_OF_ACTION,
			"SELECT " RUN_COLUMNS " FROM runs WHERE object=?2 AND action=?4"
			" AND (?3 IS NULL OR grp=?3) AND state NOT IN " STORE_OPEN_STATES
			" ORDER BY id DESC LIMIT ?1",
			&q);
	else
		e = prepare_history(s, object, group, action, open, &q);
	if (e < 0)
		return e;
	db_bind_int(q, 1, limit ? (int64_t)limit : -1);
	db_bind_text(q, 2, object);
	db_bind_text(q, 3, group);
	db_bind_text(q, 4, action);
	if (!kept)
		return each_once(s, q, handler, userdata);
	s->statement_busy = true;
	e = each_row(s, q, handler, userdata);
	s->statement_busy = false;
	return e;
}

int store_starts_since(struct store *s, const char *object, const char *group, const char *action,
	int64_t since, int64_t until, int64_t *ret, unsigned max)
{
	sqlite3_stmt *q;
	int n = 0;
	int e = db_prepare(s, DB_STARTS_SINCE,
		"SELECT claimed FROM runs WHERE object=?1 AND grp=?2 AND action=?3 AND claimed<>0"
		" AND claimed BETWEEN ?4 AND ?5 ORDER BY id DESC LIMIT ?6",
		&q);

	if (e < 0)
		return e;
	db_bind_text(q, 1, object);
	db_bind_text(q, 2, group);
	db_bind_text(q, 3, action);
	db_bind_int(q, 4, since);
	db_bind_int(q, 5, until);
	db_bind_int(q, 6, max);
	while ((e = db_step(s, q)) > 0)
		ret[n++] = sqlite3_column_int64(q, 0);
	return e < 0 ? e : n;
}
