/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data base below the store: one connection, its statements, its errors.  Only store*.c may
 * include this; nothing else in the agent sees SQLite.
 *
 * Settings and why:
 *	WAL, synchronous=NORMAL   a commit is some writes and no sync; the file can't be damaged by
 *	                          a power cut, only the last commits can be lost.  db_sync() syncs
 *	                          the WAL when the caller says so.
 *	locking_mode=EXCLUSIVE    set before the first access: the WAL's index lives on the heap,
 *not in a shared file, and no commit pays for lock calls.  Two agents never overlap; `flagman
 *history` is how others read. cache_size=32 pages       the working set is a few leaves; the kernel
 *caches the rest. temp_store=MEMORY         no file is made outside <state>/agent.
 *
 * A turn's writes are one transaction, all or nothing: a write that fails spoils it, later writes
 * answer with the same error, and the commit rolls back and reports it.
 */
#ifndef FLAGMAN_AGENT_STORE_DB_H
#define FLAGMAN_AGENT_STORE_DB_H

#include "agent/store.h"

#include <sqlite3.h>

#define STORE_SCHEMA         3
#define STORE_OPEN_STATES    "('starting','waiting','running')"
#define STORE_OUTPUT_UNKNOWN UINT64_MAX

/* Statements that are kept.  Prepared at first use. */
enum db_statement {
	DB_BEGIN,
	DB_COMMIT,
	DB_PUT_FLAG,
	DB_DELETE_FLAG,
	DB_RENAME_FLAG,
	DB_RENAME_RUNS,
	DB_EACH_FLAG,
	DB_PUT_DIRECTORY,
	DB_DELETE_FLAGS,
	DB_GET_DIRECTORY,
	DB_PUT_RUN,
	DB_GET_RUN,
	DB_GET_RUN_BY_TOKEN,
	DB_RUNS_OF_ACTION,
	DB_STARTS_SINCE,
	DB_PUT_OUTPUT,
	DB_GET_OUTPUT,
	DB_OUTPUT_SIZE,
	DB_DELETE_OUTPUT,
	DB_PUT_DISC,
	DB_PRUNE_DISCS,
	DB_PUT_SPENT,
	DB_IS_SPENT,
	DB_KEEP_TOKEN,
	DB_DELETE_RUN,
	DB_PRUNE_AGE,
	DB_PRUNE_ACTIONS,
	DB_PRUNE_COUNT,
	DB_PRUNE_SIZE,
	DB_PRUNE_SPENT,
	DB_FORGET_TOKENS,
	DB_STATEMENT_MAX_,
};

struct store {
	sqlite3 *db;
	char *path; /* of the file */
	sqlite3_stmt *statement[DB_STATEMENT_MAX_];
	bool statement_busy; /* DB_RUNS_OF_ACTION: its handler asks for another list */
	bool open;           /* a transaction of ours */
	int spoilt;          /* -errno: what spoilt it */
	bool unsynced;       /* commits may be in the WAL that no sync followed */
	bool sync_failed;    /* the kernel may have dropped what it could not write */
	int wal_frames;      /* pages in the WAL after the last commit */
	/* Where store_prune() goes on; see there. */
	uint64_t aged_to, counted_to;
	int64_t anchor; /* us since 1970: the time of the last run that was there at the start */
	uint64_t anchor_at; /* boottime us, when that was looked up */
	uint32_t counted_runs;
	uint64_t output_bytes; /* of all outputs; STORE_OUTPUT_UNKNOWN: not counted yet */
	char error[256];
};

/* Opens s->path, which is made (0600) where there is none, and brings its schema up.
 * 0 or -errno, with the words in s->error; nothing is left open then. */
int db_open(struct store *s);
void db_close(struct store *s);
/* Renames what is damaged out of the way; 0 or -errno. */
int db_put_aside(struct store *s);

/* -errno for SQLite's RC, whose words are noted.  A damaged file is noted on disk too, so that the
 * next start looks closely. */
int db_error(struct store *s, int rc);
/* Notes WORDS for a failure that is not SQLite's; returns ERROR. */
int db_fail(struct store *s, int error, const char *words);

int db_exec(struct store *s, const char *sql);
/* The kept statement, reset and ready to be bound. */
int db_prepare(struct store *s, enum db_statement which, const char *sql, sqlite3_stmt **ret);
/* As db_prepare() for one that changes the data base: fails if the turn is spoilt. */
int db_prepare_write(struct store *s, enum db_statement which, const char *sql, sqlite3_stmt **ret);
/* Runs it to its end and resets it. */
int db_write(struct store *s, sqlite3_stmt *q);
/* The next row: 1, 0 at the end (then it is reset), -errno. */
int db_step(struct store *s, sqlite3_stmt *q);
void db_reset(sqlite3_stmt *q);

/* Syncs the WAL; 0 or -errno. */
int db_sync(struct store *s);
/* Copies the WAL into the data base if it has more than FRAMES pages.  A failure is no loss: the
 * WAL goes on. */
void db_checkpoint(struct store *s, int frames);

/* What is bound must live until the statement has run.  NULL is NULL. */
void db_bind_text(sqlite3_stmt *q, int i, const char *text);
void db_bind_int(sqlite3_stmt *q, int i, int64_t value);
void db_bind_token(sqlite3_stmt *q, int i, const struct token *t);
/* Valid until the next step; NULL for NULL.  The pointer must not be written through. */
char *db_text(sqlite3_stmt *q, int i);
bool db_token(sqlite3_stmt *q, int i, struct token *ret); /* false: not 16 bytes */

/* store_schema.c: runs STEPS[user_version..N) in one transaction; each takes the schema one version
 * further.  -EPROTONOSUPPORT when the file is newer than N. */
int schema_upgrade(struct store *s, const char *const *steps, int n);
extern const char *const schema_steps[STORE_SCHEMA];

/* store_prune.c: once, when all is open; 0 or -errno. */
int prune_anchor(struct store *s);

/* store_output.c */
int store_delete_output(struct store *s, uint64_t run, uint64_t size);

#endif
