/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store_db.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Beside the file, in a directory that is the agent's alone: "-wal", SQLite's; SUSPECT: check the
 * whole file at the next start; ".damaged-<time>": what was put aside.
 */
#define SUSPECT ".suspect"

static const char *beside(const struct store *s, const char *suffix, char *buf)
{
	snprintf(buf, PATH_MAX, "%s%s", s->path, suffix);
	return buf;
}

int db_fail(struct store *s, int error, const char *words)
{
	snprintf(s->error, sizeof s->error, "%s: %s", words, strerror(-error));
	return error;
}

static void note_suspicion(const struct store *s)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd =
		open(beside(s, SUSPECT, path), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	(void)fd; /* on a full disk the next start does without it */
}

/* What a commit meets is forgotten by SQLite's connection; the WAL's file knows it still. */
static int wal_errno(const struct store *s)
{
	sqlite3_file *wal = NULL;
	int e = 0;

	if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK &&
		wal && wal->pMethods)
		(void)wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &e);
	return e;
}

static int system_errno(const struct store *s, int otherwise)
{
	int e = s->db ? sqlite3_system_errno(s->db) : 0;

	if (e == 0 && s->db)
		e = wal_errno(s);
	switch (e) {
	case 0:
		return -otherwise;
	case EDQUOT:
	case EFBIG: /* RLIMIT_FSIZE: for us the disk ends there */
		return -ENOSPC;
	default:
		return -e;
	}
}

int db_error(struct store *s, int rc)
{
	snprintf(s->error, sizeof s->error, "%s: %s", s->path,
		s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		note_suspicion(s);
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
		return system_errno(s, EIO);
	case SQLITE_IOERR:
		return system_errno(s, EIO) == -ENOSPC ? -ENOSPC : -EIO;
	default:
		return -EIO;
	}
}

int db_exec(struct store *s, const char *sql)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_error(s, rc);
}

int db_prepare(struct store *s, enum db_statement which, const char *sql, sqlite3_stmt **ret)
{
	sqlite3_stmt *q = s->statement[which];

	if (!q) {
		int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL);
		if (rc != SQLITE_OK)
			return db_error(s, rc);
		s->statement[which] = q;
	}
	sqlite3_reset(q);
	*ret = q;
	return 0;
}

int db_prepare_write(struct store *s, enum db_statement which, const char *sql, sqlite3_stmt **ret)
{
	return s->spoilt ? s->spoilt : db_prepare(s, which, sql, ret);
}

int db_step(struct store *s, sqlite3_stmt *q)
{
	int rc = sqlite3_step(q);

	if (rc == SQLITE_ROW)
		return 1;
	int r = rc == SQLITE_DONE ? 0 : db_error(s, rc);
	sqlite3_reset(q);
	return r;
}

int db_write(struct store *s, sqlite3_stmt *q)
{
	int rc = sqlite3_step(q);

	if (rc == SQLITE_DONE || rc == SQLITE_ROW) {
		sqlite3_reset(q);
		s->unsynced = true;
		return 0;
	}
	int r = db_error(s, rc);
	sqlite3_reset(q);
	if (s->open)
		s->spoilt = r;
	return r;
}

void db_reset(sqlite3_stmt *q)
{
	sqlite3_reset(q);
}

/*
 * An fsync that failed once may succeed the next time although the kernel has dropped the pages.
 * After a failure only what is written anew counts: a checkpoint copies the WAL's frames, which are
 * still in the page cache, into the data base and syncs that.
 */
static int sync_anew(struct store *s)
{
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_error(s, rc);
}

/*
 * An empty transaction syncs nothing, and synchronous can't be raised within one.  So the WAL is
 * synced by itself: all its frames, those of older commits too.
 */
static int sync_wal(struct store *s)
{
	sqlite3_file *wal = NULL;
	int rc = sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);

	if (rc != SQLITE_OK)
		return db_error(s, rc);
	if (!wal || !wal->pMethods)
		return 0; /* there is none: what was in it is in the data base, synced */
	rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
	if (rc == SQLITE_OK)
		return 0;
	snprintf(s->error, sizeof s->error, "%s-wal: %s", s->path, sqlite3_errstr(rc));
	return -EIO;
}

int db_sync(struct store *s)
{
	int r = s->sync_failed ? sync_anew(s) : sync_wal(s);

	s->sync_failed = r < 0;
	return r;
}

void db_checkpoint(struct store *s, int frames)
{
	if (s->wal_frames > frames && sqlite3_wal_checkpoint_v2(s->db, NULL,
					      SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK)
		s->wal_frames = 0;
}

static int note_wal(void *userdata, sqlite3 *db, const char *name, int frames)
{
	struct store *s = userdata;

	(void)db;
	(void)name;
	s->wal_frames = frames;
	return SQLITE_OK;
}

static int configure(struct store *s)
{
	int r = db_exec(s, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA mmap_size=0;"
			   "PRAGMA cache_size=32; PRAGMA temp_store=MEMORY;"
			   "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
			   "PRAGMA journal_size_limit=4194304; PRAGMA trusted_schema=OFF;");

	if (r < 0)
		return r;
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_wal_hook(s->db, note_wal, s);
	if (sqlite3_db_readonly(s->db, "main") != 0)
		return db_fail(s, -EROFS, s->path);
	return 0;
}

/* A former process found damage somewhere in the file: read all of it. */
static int check_if_suspect(struct store *s)
{
	char path[PATH_MAX];

	if (access(beside(s, SUSPECT, path), F_OK) < 0)
		return 0;

	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &q, NULL);
	if (rc != SQLITE_OK)
		return db_error(s, rc);
	rc = sqlite3_step(q);
	int r = 0;
	if (rc != SQLITE_ROW)
		r = db_error(s, rc);
	else if (strcmp(db_text(q, 0), "ok") != 0)
		r = db_error(s, SQLITE_CORRUPT);
	sqlite3_finalize(q);
	if (r == 0)
		unlink(path);
	return r;
}

/* SQLite would make the file 0644; what people pressed and what came of it is not everybody's. */
static int make_file(struct store *s)
{
	_cleanup_close_ int fd = open(s->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? db_fail(s, -errno, s->path) : 0;
}

int db_open(struct store *s)
{
	int r = make_file(s);

	if (r < 0)
		return r;
	int rc = sqlite3_open_v2(s->path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	r = rc == SQLITE_OK ? 0 : db_error(s, rc);
	if (r == 0) {
		/* The former agent may be about to end, or somebody makes a backup. */
		sqlite3_busy_timeout(s->db, 5000);
		r = configure(s);
	}
	if (r == 0)
		r = check_if_suspect(s);
	if (r == 0)
		r = schema_upgrade(s, schema_steps, STORE_SCHEMA);
	if (r == 0)
		r = prune_anchor(s);
	if (r < 0) {
		db_close(s);
		return r;
	}
	/* A former process may have committed and died before its sync. */
	s->unsynced = true;
	s->output_bytes = STORE_OUTPUT_UNKNOWN;
	return 0;
}

void db_close(struct store *s)
{
	for (size_t i = 0; i < DB_STATEMENT_MAX_; i++) {
		sqlite3_finalize(s->statement[i]);
		s->statement[i] = NULL;
	}
	sqlite3_close(s->db);
	s->db = NULL;
}

/*
 * The data base goes first: a WAL that stays alone is removed by SQLite when it finds an empty
 * data base beside it.
 */
int db_put_aside(struct store *s)
{
	char suffix[64], wal[80], from[PATH_MAX], to[PATH_MAX];

	snprintf(suffix, sizeof suffix, ".damaged-%lld", (long long)now_realtime());
	if (rename(s->path, beside(s, suffix, to)) < 0)
		return db_fail(s, -errno, to);
	snprintf(wal, sizeof wal, "%s-wal", suffix);
	if (rename(beside(s, "-wal", from), beside(s, wal, to)) < 0 && errno != ENOENT)
		return db_fail(s, -errno, to);
	unlink(beside(s, SUSPECT, to));
	return 0;
}

void db_bind_text(sqlite3_stmt *q, int i, const char *text)
{
	if (text)
		sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(q, i);
}

void db_bind_int(sqlite3_stmt *q, int i, int64_t value)
{
	sqlite3_bind_int64(q, i, value);
}

void db_bind_token(sqlite3_stmt *q, int i, const struct token *t)
{
	sqlite3_bind_blob(q, i, t->b, sizeof t->b, SQLITE_STATIC);
}

char *db_text(sqlite3_stmt *q, int i)
{
	return (char *)(uintptr_t)sqlite3_column_text(q, i);
}

bool db_token(sqlite3_stmt *q, int i, struct token *ret)
{
	const void *blob = sqlite3_column_blob(q, i);

	if (!blob || sqlite3_column_bytes(q, i) != sizeof ret->b)
		return false;
	memcpy(ret->b, blob, sizeof ret->b);
	return true;
}
