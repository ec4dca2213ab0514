/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent must still know after a restart: the flags' identities and the runs, in SQLite
 * (<state>/agent/flagman.db, WAL).  The share reflects state and never holds it.
 *
 * Writes are grouped: store_begin() at the first write of a loop's turn, store_commit() at its
 * end; a commit does not sync (a flag without a row is replaced), store_commit_durable() does and
 * must come before a claim is given up (EXEC_SPENT).
 *
 * Every function that can fail returns 0 or -errno (-EIO for SQLite's own errors, -ENOSPC for a
 * full disk, -EUCLEAN for a damaged data base) and logs nothing; store_error() has the words.
 * Statements are prepared once and kept.
 */
#ifndef FLAGMAN_AGENT_STORE_H
#define FLAGMAN_AGENT_STORE_H

#include "agent/disc.h"
#include "agent/run.h"
#include "common/fd.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/*
 * PATH is <state>/agent/flagman.db, in a directory that is the agent's alone.  Makes or upgrades
 * the schema (user_version).  A damaged file is put aside as flagman.db.damaged-<time> and a new
 * one made: *RET_DAMAGED tells.  Damage that is only met later answers -EUCLEAN and is noted beside
 * the file: open again (a new agent does), the whole file is checked then.  -EPROTONOSUPPORT: a
 * newer flagman wrote it.  -EBUSY: another process has it.  After a failure store_error(NULL) has
 * the words.
 */
int store_open(const char *path, struct store **ret, bool *ret_damaged);
/* What SQLite reads outside the state directory, it reads now (walls.h). */
void store_read_ahead(void);
struct store *store_close(struct store *s);
const char *store_error(const struct store *s);

/*
 * A turn is all or nothing: after a write that failed the others answer with its error, and the
 * commit rolls all of them back and answers with it too.  What mattered must then be put again.
 */
int store_begin(struct store *s);  /* idempotent */
int store_commit(struct store *s); /* nothing to do is fine */
/* Syncs what this and every earlier commit wrote, also those of a former process. */
int store_commit_durable(struct store *s);
bool store_dirty(const struct store *s); /* a transaction is open */

/*
 * Flags.  One row for each action that has (or had) a flag: the token and identity under which it
 * is, or was, published, and what it showed.
 */
struct stored_flag {
	const char *object, *group, *action; /* borrowed for the call */
	struct token token;
	struct file_id id;
	const char *boot; /* 32 hex digits */
	enum state state; /* what it showed of its own: never STATE_BLOCKED */
	uint64_t run;     /* the run whose result it shows; 0: none */
	int64_t since;    /* us since 1970 */
	const char *note; /* shown text ("called off", ...), or NULL */
};
int store_put_flag(struct store *s, const struct stored_flag *f); /* insert or replace */
int store_delete_flag(struct store *s, const char *object, const char *group, const char *action);
/* The action is written otherwise now: its flag and its history are found under TO. */
int store_rename_action(
	struct store *s, const char *object, const char *group, const char *from, const char *to);
/* In the order of object, group, action; F is valid during the call. */
typedef void store_flag_handler(const struct stored_flag *f, void *userdata);
int store_each_flag(struct store *s, store_flag_handler *handler, void *userdata);

/* All of a board. */
int store_delete_flags(struct store *s, const char *object, const char *group);

/* The directories of the boards as last known good: where the rows of their flags belong, by
 * whatever path.  Another one, and what is missing there was not pressed: so these rows must go in
 * the same turn as the record changes. */
int store_put_directory(
	struct store *s, const char *object, const char *group, const struct file_id *id);
/* -ENOENT when not recorded. */
int store_get_directory(
	struct store *s, const char *object, const char *group, struct file_id *ret);

/* Runs. */
int store_put_run(struct store *s, const struct run *r); /* insert or update, by id */
/* Fills *RET (the caller run_done()s it); -ENOENT. */
int store_get_run(struct store *s, uint64_t id, struct run *ret);
int store_get_run_by_token(struct store *s, const struct token *t, struct run *ret);
uint64_t store_last_run_id(struct store *s); /* 0: none */
/* Runs that have not ended (starting, waiting, running), oldest first.  A run that a handler gets
 * is borrowed: run_copy() what shall stay.  A handler may write, and ask for other lists. */
typedef bool store_run_handler(const struct run *r, void *userdata); /* false: stop */
int store_each_open_run(struct store *s, store_run_handler *handler, void *userdata);
/* Newest first; NULL or "" names match all; LIMIT 0: all; OPEN: with those not ended. */
int store_each_run(struct store *s, const char *object, const char *group, const char *action,
	unsigned limit, bool open, store_run_handler *handler, void *userdata);
/* When an action's runs were claimed (us since 1970), from SINCE to UNTIL: at most MAX times,
 * newest first; returns how many. */
int store_starts_since(struct store *s, const char *object, const char *group, const char *action,
	int64_t since, int64_t until, int64_t *ret, unsigned max);

/* Output of ended runs: head and tail with LEFT_OUT bytes between them (each may be empty). */
int store_put_output(struct store *s, uint64_t run, const struct buf *head, const struct buf *tail,
	uint64_t left_out);
int store_get_output(struct store *s, uint64_t run, struct buf *head, struct buf *tail,
	uint64_t *ret_left_out); /* -ENOENT */

/* What became of discs, by run; the newest are kept, and so are their runs. */
int store_put_disc(struct store *s, const struct disc *d); /* insert or replace */
/* Newest first.  RUN has no id where it is not noted yet.  Both are valid during the call. */
typedef bool store_disc_handler(const struct disc *d, const struct run *run, void *userdata);
int store_each_disc(struct store *s, store_disc_handler *handler, void *userdata);

/* Tokens whose run is noted as ended but whose claim may still exist: for EXEC_SPENT. */
int store_put_spent(struct store *s, const struct token *t); /* also: this token may never run */
/* A run of it ended, or put_spent.  True also if the data base can't be read: never twice. */
bool store_is_spent(struct store *s, const struct token *t);

/*
 * Retention: keep RUNS for each action, none older than AGE us, SIZE bytes of output in all, the
 * newest.  Works for a few ms and goes on at the next call; an idle history costs a few look-ups.
 * A run that has not ended, has a disc, or that a flag's row shows is kept; so is the highest
 * number.  Tokens of runs that go stay spent.  Begins a transaction.
 */
int store_prune(struct store *s, uint32_t runs, uint64_t age, uint64_t size);

#endif
