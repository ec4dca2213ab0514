/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known while the verdicts are given: shared by adopt.c (claims, rows, the order of
 * things), adopt_runs.c (what becomes of a press or run) and adopt_boards.c (what lies where).
 */
#ifndef FLAGMAN_AGENT_ADOPT_FACTS_H
#define FLAGMAN_AGENT_ADOPT_FACTS_H

#include "agent/agent.h"
#include "agent/verdict.h"

struct claim {
	struct exec_claim m;
	int fds[2]; /* its file, alive */
	bool used;
};

/* A flag's row, while the verdicts are given. */
struct row {
	struct token token;
	struct file_id id;
	int64_t since;
	int64_t pressed; /* us since 1970: when its directory (or Run) was last changed */
	uint64_t run;
	char *note, *shown; /* owned; shown: its name now, where it is not what it should be */
	char *replaced;     /* owned; its name, under which another file stands */
	bool known, same_boot, resolved;
	bool payload; /* FOUND_TAKEN: .flagman/<token> is no flag */
	bool present; /* on its board, though it may be FOUND_TAKEN as well: a copy in Run */
	uint8_t state;
	uint8_t found;
};

/* A row whose action is no longer configured: its file is taken away. */
struct dead {
	char *object, *group, *action;
	struct file_id id;
};

struct adoption {
	struct claim *claims;
	size_t n_claims;
	struct row *rows; /* by flag */
	struct dead *dead;
	size_t n_dead;
	struct run *open; /* runs that had not ended */
	size_t n_open;
};

/* The claim of a token, or NULL. */
struct claim *adopt_claim_of(struct adoption *ad, const struct token *t);
char *adopt_copy(const char *s);

/* adopt_runs.c */
/* missed: run, and pressed less than missed-at-most ago. */
bool adopt_is_young(const struct agent *a, const struct flag *f, int64_t pressed);
/* RUN is moved from. */
void adopt_run(struct agent *a, struct flag *f, struct run *run, enum verdict v, struct claim *c);
/* A run that was starting, waiting or running when the agent died. */
void adopt_open_run(struct agent *a, struct run *run);

/* adopt_boards.c: the boards of one object together, for the number of its missing flags counts;
 * returns how many. */
size_t adopt_object(struct agent *a, size_t first);

#endif
