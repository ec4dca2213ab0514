/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store_db.h"

#include <errno.h>

static uint64_t old_size(struct store *s, uint64_t run)
{
	sqlite3_stmt *q;
	uint64_t size = 0;

	if (db_prepare(s, DB_OUTPUT_SIZE, "SELECT size FROM outputs WHERE run=?1", &q) < 0)
		return 0;
	db_bind_int(q, 1, (int64_t)run);
	if (db_step(s, q) > 0) {
		size = (uint64_t)sqlite3_column_int64(q, 0);
		db_reset(q);
	}
	return size;
}

static void bind_bytes(sqlite3_stmt *q, int i, const struct buf *b)
{
	if (b && b->len)
		sqlite3_bind_blob64(q, i, b->data, b->len, SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(q, i, 0);
}

int store_put_output(struct store *s, uint64_t run, const struct buf *head, const struct buf *tail,
	uint64_t left_out)
{
	sqlite3_stmt *q;
	uint64_t size = (head ? head->len : 0) + (tail ? tail->len : 0), old;
	int r = db_prepare_write(s, DB_PUT_OUTPUT,
		"INSERT OR REPLACE INTO outputs (run, size, left_out, head, tail)"
		" VALUES (?1,?2,?3,?4,?5)",
		&q);

	if (r < 0)
		return r;
	old = old_size(s, run);
	db_bind_int(q, 1, (int64_t)run);
	db_bind_int(q, 2, (int64_t)size);
	db_bind_int(q, 3, (int64_t)left_out);
	bind_bytes(q, 4, head);
	bind_bytes(q, 5, tail);
	r = db_write(s, q);
	if (r == 0 && s->output_bytes != STORE_OUTPUT_UNKNOWN)
		s->output_bytes += size - old;
	return r;
}

static int add_bytes(struct buf *b, sqlite3_stmt *q, int i)
{
	const void *bytes = sqlite3_column_blob(q, i);
	int n = sqlite3_column_bytes(q, i);

	return n > 0 && bytes ? buf_add(b, bytes, (size_t)n) : 0;
}

int store_get_output(
	struct store *s, uint64_t run, struct buf *head, struct buf *tail, uint64_t *ret_left_out)
{
	sqlite3_stmt *q;
	int r = db_prepare(
		s, DB_GET_OUTPUT, "SELECT left_out, head, tail FROM outputs WHERE run=?1", &q);

	if (r < 0)
		return r;
	db_bind_int(q, 1, (int64_t)run);
	r = db_step(s, q);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	uint64_t left_out = (uint64_t)sqlite3_column_int64(q, 0);
	r = add_bytes(head, q, 1);
	if (r == 0)
		r = add_bytes(tail, q, 2);
	db_reset(q);
	if (r == 0)
		*ret_left_out = left_out;
	return r;
}

int store_delete_output(struct store *s, uint64_t run, uint64_t size)
{
	sqlite3_stmt *q;
	int r = db_prepare_write(s, DB_DELETE_OUTPUT, "DELETE FROM outputs WHERE run=?1", &q);

	if (r < 0)
		return r;
	db_bind_int(q, 1, (int64_t)run);
	r = db_write(s, q);
	if (r == 0 && s->output_bytes != STORE_OUTPUT_UNKNOWN)
		s->output_bytes -= size;
	return r;
}
