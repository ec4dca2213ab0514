/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a flag that is found (or not found) at start means: DESIGN section 4.4, as a pure function.
 *
 * Never twice, under any death of any process or of the machine; never silently lost.
 */
#ifndef FLAGMAN_AGENT_VERDICT_H
#define FLAGMAN_AGENT_VERDICT_H

#include "wire/exec.h"

#include <stdbool.h>

enum found {
	FOUND_PRESENT,  /* on its board, the row matches */
	FOUND_TAKEN,    /* in Run, or in staging/<token> */
	FOUND_STAGED,   /* in staging: it was never shown, or it is hidden */
	FOUND_ABSENT,   /* a row, and no file */
	FOUND_REPLACED, /* another file stands under its name: an editor saved it */
	FOUND_UNKNOWN,  /* no row, or a file that is not the row's */
};

struct facts {
	enum found found;
	bool claimed;
	enum claim_state claim; /* if claimed */
	bool agent_restarted;   /* by a living executor, within 5 s */
	bool same_boot;
	bool directory_changed;    /* it is not the recorded inode */
	unsigned absent_of_object; /* flags of this object that are absent or taken, not claimed */
	bool mass;                 /* flags of other objects went at once with it */
	bool no_trigger;           /* what was done to it is not how it is pressed */
	bool unconfirmed;          /* it wants two presses, and this is the first */
	bool missed_run;           /* missed: run, and younger than missed-at-most */
};

enum verdict {
	VERDICT_KEEP,        /* ready, or whatever it showed */
	VERDICT_FRESH,       /* a fresh flag, silently: nothing was pressed */
	VERDICT_RESULT,      /* the claim has the result */
	VERDICT_ADOPT,       /* it runs */
	VERDICT_INTERRUPTED, /* Failed: it may have run */
	VERDICT_PRESS,       /* a press, with its hold */
	VERDICT_CONFIRM,     /* the first press of two: it asks for the second */
	VERDICT_MISSED,      /* Not run */
	VERDICT_MISSED_BOOT, /* Not run: the machine went down, it may have run */
	VERDICT_RUN,         /* missed: run */
};

enum verdict verdict_of(const struct facts *f);

#endif
