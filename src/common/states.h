/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of flagman: states, triggers and certainties.
 *
 * A state has two words.  The one for machines is fixed (JSON, the data base); the one for people
 * is a label that a group may translate (`labels:`) and that stands in the flag's name.  Both
 * tables live here so that no other file spells a state.
 */
#ifndef FLAGMAN_STATES_H
#define FLAGMAN_STATES_H

enum state {
	STATE_READY,     /* waits to be pressed; the only state without a moniker */
	STATE_STARTING,  /* pressed, within its hold */
	STATE_WAITING,   /* pressed, queued behind another run or a lock */
	STATE_RUNNING,   /* the command runs */
	STATE_DONE,      /* it ended with a status of success-exit-status */
	STATE_FAILED,    /* it did not, or could not be started, or was interrupted */
	STATE_BLOCKED,   /* another action of the object (or group) runs; derived, never stored */
	STATE_CANCELLED, /* stopped by somebody */
	STATE_MISSED,    /* "Not run": pressed while flagman could not run it */
	STATE_CONFIRM,   /* pressed once, asks for a second press */
	STATE_RECEIVING, /* a payload is being written into the drop folder */
	STATE_PAUSED,    /* start-limit-burst reached */
	STATE_MISCONFIGURED, /* the configuration of this action is wrong */
	STATE_MAX_,
};

enum trigger {
	TRIGGER_DELETE, /* the flag was unlinked (or moved to a trash folder) */
	TRIGGER_MOVE,   /* it, or a copy of it, was put into Run */
	TRIGGER_DROP,   /* a payload settled in a drop folder */
	TRIGGER_CLI,    /* flagman run */
	TRIGGER_MAX_,
};

/* How flagman knows who pressed. */
enum certainty {
	CERTAINTY_UNKNOWN, /* inotify names nobody */
	CERTAINTY_OWNER,   /* the owner of the file that was dropped or copied */
	CERTAINTY_PEER,    /* peer credentials of the control socket: certain */
	CERTAINTY_AUDIT,   /* Samba's audit line */
	CERTAINTY_MAX_,
};

/* Machine words, as in JSON: "ready", "missed", ...; never NULL for a valid value. */
const char *state_word(enum state s);
const char *trigger_word(enum trigger t);
const char *certainty_word(enum certainty c);

/* The value of a machine word, or -1. */
int state_from_word(const char *word);
int trigger_from_word(const char *word);

/* The English label that people see: "Not run" for STATE_MISSED; "" for STATE_READY. */
const char *state_label(enum state s);

#endif
