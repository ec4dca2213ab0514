/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Pages of WAL.  A checkpoint takes some ms, for it syncs: it is made where the caller expects a
 * sync, and elsewhere only lest the WAL grow without end.
 */
#define WAL_WHEN_SYNCED 1000
#define WAL_MAX         4096

#define PATH_LIMIT 480 /* SQLite takes 512, and suffixes follow */

static char open_error[256]; /* of the last store_open() that failed */

/*
 * Before SQLite's first use: the agent has one thread, so no mutexes.  The store is the only user
 * of SQLite in the process; a second call finds it initialised and changes nothing.
 */
static void set_up_sqlite(void)
{
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

void store_read_ahead(void)
{
	char byte;

	set_up_sqlite();
	sqlite3_randomness(sizeof(byte), &byte);
}

int store_open(const char *path, struct store **ret, bool *ret_damaged)
{
	struct store *s;
	bool damaged = false;
	int r = -ENOMEM;

	if (strlen(path) >= PATH_LIMIT)
		return -ENAMETOOLONG;
	s = calloc(1, sizeof *s);
	if (!s)
		return r;
	set_up_sqlite();
	s->path = strdup(path);
	if (s->path)
		r = db_open(s);
	if (r == -EUCLEAN) {
		r = db_put_aside(s);
		if (r == 0)
			r = db_open(s);
		damaged = r == 0;
	}
	if (r < 0) {
		snprintf(
			open_error, sizeof open_error, "%s", s->error[0] ? s->error : strerror(-r));
		store_close(s);
		return r;
	}
	*ret = s;
	*ret_damaged = damaged;
	return 0;
}

struct store *store_close(struct store *s)
{
	if (!s)
		return NULL;
	db_close(s); /* rolls back what was not committed */
	free(s->path);
	free(s);
	return NULL;
}

const char *store_error(const struct store *s)
{
	return s ? s->error : open_error;
}

int store_begin(struct store *s)
{
	sqlite3_stmt *q;

	if (s->open)
		return s->spoilt;
	int r = db_prepare(s, DB_BEGIN, "BEGIN", &q);
	if (r == 0)
		r = db_step(s, q);
	s->open = r == 0;
	return r;
}

static int end_transaction(struct store *s)
{
	sqlite3_stmt *q;
	int r = s->spoilt;

	if (r == 0)
		r = db_prepare(s, DB_COMMIT, "COMMIT", &q);
	if (r == 0)
		r = db_step(s, q);
	if (r < 0) {
		/* SQLite may have rolled back by itself, on a full disk for one. */
		if (!sqlite3_get_autocommit(s->db))
			sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		s->output_bytes = STORE_OUTPUT_UNKNOWN;
		s->counted_to = 0;
	}
	s->open = false;
	s->spoilt = 0;
	return r;
}

int store_commit(struct store *s)
{
	int r = s->open ? end_transaction(s) : 0;

	db_checkpoint(s, WAL_MAX);
	return r;
}

int store_commit_durable(struct store *s)
{
	int r = store_commit(s);

	if (r < 0 || !s->unsynced)
		return r;
	r = db_sync(s);
	if (r < 0)
		return r;
	s->unsynced = false;
	db_checkpoint(s, WAL_WHEN_SYNCED);
	return 0;
}

bool store_dirty(const struct store *s)
{
	return s->open;
}
