/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store_db.h"

#include <errno.h>
#include <string.h>

#define BOOT_HEX 32

/* 32 hex digits to 16 bytes, half the room in each of 30,000 rows. */
static bool boot_pack(const char *hex, struct token *ret)
{
	return hex && token_parse(hex, ret);
}

int store_put_flag(struct store *s, const struct stored_flag *f)
{
	sqlite3_stmt *q;
	struct token boot;

	if (f->state == STATE_BLOCKED || (unsigned)f->state >= STATE_MAX_ ||
		!boot_pack(f->boot, &boot))
		return db_fail(s, -EINVAL, "flag");
	int r = db_prepare_write(s, DB_PUT_FLAG,
		"INSERT OR REPLACE INTO flags (object, grp, action, token, dev, ino, btime, boot,"
		" state, run, since, note) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
		&q);
	if (r < 0)
		return r;
	db_bind_text(q, 1, f->object);
	db_bind_text(q, 2, f->group);
	db_bind_text(q, 3, f->action);
	db_bind_token(q, 4, &f->token);
	db_bind_int(q, 5, (int64_t)f->id.dev);
	db_bind_int(q, 6, (int64_t)f->id.ino);
	db_bind_int(q, 7, (int64_t)f->id.btime_ns);
	db_bind_token(q, 8, &boot);
	db_bind_text(q, 9, state_word(f->state));
	db_bind_int(q, 10, (int64_t)f->run);
	db_bind_int(q, 11, f->since);
	db_bind_text(q, 12, f->note);
	return db_write(s, q);
}

int store_delete_flag(struct store *s, const char *object, const char *group, const char *action)
{
	sqlite3_stmt *q;
	int r = db_prepare_write(s, DB_DELETE_FLAG,
		"DELETE FROM flags WHERE object=?1 AND grp=?2 AND action=?3", &q);

	if (r < 0)
		return r;
	db_bind_text(q, 1, object);
	db_bind_text(q, 2, group);
	db_bind_text(q, 3, action);
	return db_write(s, q);
}

int store_delete_flags(struct store *s, const char *object, const char *group)
{
	sqlite3_stmt *q;
	int r = db_prepare_write(
		s, DB_DELETE_FLAGS, "DELETE FROM flags WHERE object=?1 AND grp=?2", &q);

	if (r < 0)
		return r;
	db_bind_text(q, 1, object);
	db_bind_text(q, 2, group);
	return db_write(s, q);
}

static int rename_in(struct store *s, enum db_statement which, const char *sql, const char *object,
	const char *group, const char *from, const char *to)
{
	sqlite3_stmt *q;
	int r = db_prepare_write(s, which, sql, &q);

	if (r < 0)
		return r;
	db_bind_text(q, 1, object);
	db_bind_text(q, 2, group);
	db_bind_text(q, 3, from);
	db_bind_text(q, 4, to);
	return db_write(s, q);
}

int store_rename_action(
	struct store *s, const char *object, const char *group, const char *from, const char *to)
{
	int r = rename_in(s, DB_RENAME_FLAG,
		"UPDATE OR REPLACE flags SET action=?4 WHERE object=?1 AND grp=?2 AND action=?3",
		object, group, from, to);

	if (r == 0)
		r = rename_in(s, DB_RENAME_RUNS,
			"UPDATE runs SET action=?4 WHERE object=?1 AND grp=?2 AND action=?3",
			object, group, from, to);
	return r;
}

/* Nearly all rows have the same boot: format it once. */
struct boot_text {
	struct token packed;
	char hex[BOOT_HEX + 1];
};

/* False for a row that makes no sense: a flag without a row is replaced, which is harmless. */
static bool read_flag(sqlite3_stmt *q, struct stored_flag *f, struct boot_text *boot)
{
	struct token packed;
	const char *word = db_text(q, 8);
	int state = word ? state_from_word(word) : -1;

	if (state < 0 || !db_token(q, 3, &f->token) || !db_token(q, 7, &packed))
		return false;
	if (!boot->hex[0] || !token_equal(&packed, &boot->packed)) {
		boot->packed = packed;
		token_hex(&packed, boot->hex);
	}
	f->boot = boot->hex;
	f->object = db_text(q, 0);
	f->group = db_text(q, 1);
	f->action = db_text(q, 2);
	f->id.dev = (uint64_t)sqlite3_column_int64(q, 4);
	f->id.ino = (uint64_t)sqlite3_column_int64(q, 5);
	f->id.btime_ns = (uint64_t)sqlite3_column_int64(q, 6);
	f->state = (enum state)state;
	f->run = (uint64_t)sqlite3_column_int64(q, 9);
	f->since = sqlite3_column_int64(q, 10);
	f->note = db_text(q, 11);
	return f->object && f->group && f->action;
}

int store_each_flag(struct store *s, store_flag_handler *handler, void *userdata)
{
	struct boot_text boot = {0};
	sqlite3_stmt *q;
	int r = db_prepare(s, DB_EACH_FLAG,
		"SELECT object, grp, action, token, dev, ino, btime, boot, state, run, since, note"
		" FROM flags ORDER BY object, grp, action",
		&q);

	if (r < 0)
		return r;
	while ((r = db_step(s, q)) > 0) {
		struct stored_flag f;
		if (read_flag(q, &f, &boot))
			handler(&f, userdata);
	}
	return r;
}

int store_put_directory(
	struct store *s, const char *object, const char *group, const struct file_id *id)
{
	sqlite3_stmt *q;
	int r = db_prepare_write(s, DB_PUT_DIRECTORY,
		"INSERT OR REPLACE INTO directories (object, grp, dev, ino, btime)"
		" VALUES (?1,?2,?3,?4,?5)",
		&q);

	if (r < 0)
		return r;
	db_bind_text(q, 1, object);
	db_bind_text(q, 2, group);
	db_bind_int(q, 3, (int64_t)id->dev);
	db_bind_int(q, 4, (int64_t)id->ino);
	db_bind_int(q, 5, (int64_t)id->btime_ns);
	return db_write(s, q);
}

int store_get_directory(struct store *s, const char *object, const char *group, struct file_id *ret)
{
	sqlite3_stmt *q;
	int r = db_prepare(s, DB_GET_DIRECTORY,
		"SELECT dev, ino, btime FROM directories WHERE object=?1 AND grp=?2", &q);

	if (r < 0)
		return r;
	db_bind_text(q, 1, object);
	db_bind_text(q, 2, group);
	r = db_step(s, q);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	ret->dev = (uint64_t)sqlite3_column_int64(q, 0);
	ret->ino = (uint64_t)sqlite3_column_int64(q, 1);
	ret->btime_ns = (uint64_t)sqlite3_column_int64(q, 2);
	db_reset(q);
	return 0;
}
