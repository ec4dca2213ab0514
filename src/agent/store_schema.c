/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schema and its history.  A step, once released, is never edited: the next version is a new
 * step behind it.  States and causes are stored as words, so that the enums may be reordered;
 * 64-bit numbers of the kernel are stored as they are, the sign is read away.
 */
#include "agent/store_db.h"

#include <errno.h>
#include <stdio.h>

#define APPLICATION_ID "0x666c6167" /* "flag", for file(1) */

const char *const schema_steps[STORE_SCHEMA] = {
	/* to 1 */
	"PRAGMA application_id=" APPLICATION_ID ";"
	"CREATE TABLE flags ("
	"  object TEXT NOT NULL, grp TEXT NOT NULL, action TEXT NOT NULL,"
	"  token BLOB NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL,"
	"  btime INTEGER NOT NULL, boot BLOB NOT NULL, state TEXT NOT NULL,"
	"  run INTEGER NOT NULL, since INTEGER NOT NULL, note TEXT,"
	"  PRIMARY KEY (object, grp, action)) WITHOUT ROWID;"
	"CREATE TABLE directories ("
	"  path TEXT PRIMARY KEY, dev INTEGER NOT NULL, ino INTEGER NOT NULL,"
	"  btime INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE runs ("
	"  id INTEGER PRIMARY KEY, token BLOB NOT NULL,"
	"  object TEXT NOT NULL, grp TEXT NOT NULL, action TEXT NOT NULL, source TEXT NOT NULL,"
	"  state TEXT NOT NULL, cause TEXT NOT NULL, certainty TEXT NOT NULL,"
	"  user TEXT, address TEXT, pressed INTEGER NOT NULL, claimed INTEGER NOT NULL,"
	"  kind INTEGER NOT NULL, code INTEGER NOT NULL, error INTEGER NOT NULL,"
	"  stop INTEGER NOT NULL, success INTEGER NOT NULL, started INTEGER NOT NULL,"
	"  ended INTEGER NOT NULL, lasted INTEGER NOT NULL, place TEXT,"
	"  why TEXT, payload TEXT, payload_sha256 TEXT, payload_size INTEGER NOT NULL);"
	"CREATE INDEX runs_token ON runs (token);"
	"CREATE INDEX runs_action ON runs (object, action);"
	"CREATE INDEX runs_open ON runs (id) WHERE state IN " STORE_OPEN_STATES ";"
	/* The size stands before the bytes: to add them up reads no overflow page. */
	"CREATE TABLE outputs ("
	"  run INTEGER PRIMARY KEY, size INTEGER NOT NULL, left_out INTEGER NOT NULL,"
	"  head BLOB NOT NULL, tail BLOB NOT NULL);"
	"CREATE TABLE spent (number INTEGER PRIMARY KEY, token BLOB NOT NULL UNIQUE);",
	/* to 2 */
	"CREATE TABLE discs ("
	"  run INTEGER PRIMARY KEY, verb TEXT NOT NULL, verdict TEXT NOT NULL,"
	"  against TEXT NOT NULL, sha256 TEXT NOT NULL, id TEXT NOT NULL, media TEXT NOT NULL,"
	"  product TEXT NOT NULL, image TEXT NOT NULL, length INTEGER NOT NULL,"
	"  speed INTEGER NOT NULL);",
	/* to 3 */
	"DROP TABLE directories;"
	"CREATE TABLE directories ("
	"  object TEXT NOT NULL, grp TEXT NOT NULL, dev INTEGER NOT NULL,"
	"  ino INTEGER NOT NULL, btime INTEGER NOT NULL,"
	"  PRIMARY KEY (object, grp)) WITHOUT ROWID;",
};

static int read_version(struct store *s, int *ret)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL);

	if (rc != SQLITE_OK)
		return db_error(s, rc);
	rc = sqlite3_step(q);
	int r = 0;
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int(q, 0);
	else
		r = db_error(s, rc);
	sqlite3_finalize(q);
	return r;
}

/* Also proves that the schema can be read at all: damage there is found now, not at a press. */
static int read_schema(struct store *s)
{
	return db_exec(s, "SELECT count(*) FROM sqlite_schema");
}

int schema_upgrade(struct store *s, const char *const *steps, int n)
{
	char set[64];
	int version = 0, r = read_version(s, &version);

	if (r < 0)
		return r;
	if (version > n || version < 0) {
		snprintf(s->error, sizeof s->error,
			"%s was written by a newer flagman (version %d, this one knows %d)",
			s->path, version, n);
		return -EPROTONOSUPPORT;
	}
	if (version == n)
		return read_schema(s);

	r = db_exec(s, "BEGIN");
	for (int i = version; r == 0 && i < n; i++)
		r = db_exec(s, steps[i]);
	if (r == 0) {
		snprintf(set, sizeof set, "PRAGMA user_version=%d; COMMIT", n);
		r = db_exec(s, set);
	}
	if (r < 0 && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL,
			NULL); /* the first error is the one to tell */
	return r;
}
