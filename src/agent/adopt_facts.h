/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known while the verdicts are given: shared by adopt.c (claims, rows, the order of
 * things), adopt_find.c (what lies where), adopt_runs.c (what becomes of a press or run) and
 * adopt_boards.c (what becomes of the flags).
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
	int fd; /* of its file where the row says that it is, or -1 */
	int64_t since;
	int64_t pressed; /* us since 1970: when its directory (or Run) was last changed */
	uint64_t run;
	char *note, *shown; /* owned; shown: its name now, where it is not what it should be */
	char *replaced;     /* owned; its name, under which another file stands */
	bool known, same_boot, resolved;
	bool reappeared; /* `replaced` is the name under which it was pressed, not its own */
	bool called_off; /* so was its run, which had not begun */
	bool mass;       /* flags of other objects went at once with it */
	bool blank;      /* FOUND_PRESENT, and its text was lost in a power cut */
	bool disowned;   /* FOUND_PRESENT, and its owner or mode is not the configured one */
	bool payload;    /* FOUND_TAKEN: staging/<token> is no flag */
	bool present;    /* on its board, though it may be FOUND_TAKEN as well: a copy in Run */
	uint8_t state;
	uint8_t found;
};

/* A row whose action is no longer configured: its file is taken away. */
struct dead {
	char *object, *group, *action;
	struct file_id id;
	uint64_t run;
};

/* A board, as it was found. */
struct seen {
	unsigned gone; /* flags of its object that went by somebody's gesture */
	bool changed;  /* its directory is not the recorded one */
};

struct adoption {
	struct claim *claims;
	size_t n_claims;
	struct row *rows;  /* by flag; NULL: nothing is gathered yet */
	struct seen *seen; /* by board */
	size_t n_rows, n_gathered;
	struct dead *dead;
	size_t n_dead;
	struct dead *renamed; /* what is noted under another spelling of an action's name */
	size_t n_renamed;
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

/* adopt_find.c: what lies where on a board. */
void adopt_find(struct agent *a, struct board *b);

/* adopt_boards.c: when the open runs are known too, how many flags of one object went (returns how
 * many boards it has); then what follows. */
size_t adopt_count(struct agent *a, size_t first);
void adopt_verdicts(struct agent *a, struct board *b);
/* It went by a gesture that nobody has answered yet. */
bool adopt_is_gone(struct adoption *ad, const struct row *row);
/* Is what was done to it (FOUND_ABSENT, FOUND_TAKEN) how it is pressed? */
bool adopt_is_trigger(const struct agent *a, const struct flag *f, enum found found);

/* adopt_mass.c: flags of three objects went at once. */
void adopt_mass(struct agent *a);

#endif
