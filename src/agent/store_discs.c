/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Discs.  A run that has one stays in the history for as long as its disc does. */
#include "agent/store_db.h"

#include <errno.h>
#include <stdio.h>

#define DISCS_KEPT   10000
#define DISC_COLUMNS "run, verb, verdict, against, sha256, id, media, product, image, length, speed"

int store_put_disc(struct store *s, const struct disc *d)
{
	sqlite3_stmt *q;
	int r = db_prepare_write(s, DB_PUT_DISC,
		"INSERT OR REPLACE INTO discs (" DISC_COLUMNS
		") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
		&q);

	if (r < 0)
		return r;
	db_bind_int(q, 1, (int64_t)d->run);
	db_bind_text(q, 2, d->verb);
	db_bind_text(q, 3, d->verdict);
	db_bind_text(q, 4, d->against);
	db_bind_text(q, 5, d->sha256);
	db_bind_text(q, 6, d->id);
	db_bind_text(q, 7, d->media);
	db_bind_text(q, 8, d->product);
	db_bind_text(q, 9, d->image);
	db_bind_int(q, 10, (int64_t)d->length);
	db_bind_int(q, 11, (int64_t)d->speed);
	r = db_write(s, q);
	if (r < 0)
		return r;
	r = db_prepare_write(s, DB_PRUNE_DISCS,
		"DELETE FROM discs WHERE run<="
		"(SELECT run FROM discs ORDER BY run DESC LIMIT 1 OFFSET ?1)",
		&q);
	if (r < 0)
		return r;
	db_bind_int(q, 1, DISCS_KEPT);
	return db_write(s, q);
}

static void copy(sqlite3_stmt *q, int i, char *to, size_t size)
{
	const char *text = db_text(q, i);

	snprintf(to, size, "%s", text ? text : "");
}

static void read_disc(sqlite3_stmt *q, struct disc *d)
{
	d->run = (uint64_t)sqlite3_column_int64(q, 0);
	copy(q, 1, d->verb, sizeof(d->verb));
	copy(q, 2, d->verdict, sizeof(d->verdict));
	copy(q, 3, d->against, sizeof(d->against));
	copy(q, 4, d->sha256, sizeof(d->sha256));
	copy(q, 5, d->id, sizeof(d->id));
	copy(q, 6, d->media, sizeof(d->media));
	copy(q, 7, d->product, sizeof(d->product));
	copy(q, 8, d->image, sizeof(d->image));
	d->length = (uint64_t)sqlite3_column_int64(q, 9);
	d->speed = (uint64_t)sqlite3_column_int64(q, 10);
}

/* Its run may be missing only where the turn is not over that puts it. */
static int handle(struct store *s, sqlite3_stmt *q, store_disc_handler *handler, void *userdata)
{
	struct disc d;
	struct run run = {0};

	read_disc(q, &d);
	int r = store_get_run(s, d.run, &run);
	if (r < 0 && r != -ENOENT)
		return r;
	r = handler(&d, &run, userdata) ? 1 : 0;
	run_done(&run);
	return r;
}

int store_each_disc(struct store *s, store_disc_handler *handler, void *userdata)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(
		s->db, "SELECT " DISC_COLUMNS " FROM discs ORDER BY run DESC", -1, &q, NULL);
	int r = rc == SQLITE_OK ? 1 : db_error(s, rc), next = r;

	while (r > 0 && (next = db_step(s, q)) > 0)
		r = handle(s, q, handler, userdata);
	sqlite3_finalize(q);
	return r < 0 ? r : next < 0 ? next : 0;
}
