/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/states.h"

#include <stddef.h>
#include <string.h>

/* Not a word anybody may write: an invalid value must show in a log, not crash it. */
#define NO_WORD "invalid"

static const struct {
	const char *word, *label;
} states[] = {
	[STATE_READY] = {"ready", ""},
	[STATE_STARTING] = {"starting", "Starting"},
	[STATE_WAITING] = {"waiting", "Waiting"},
	[STATE_RUNNING] = {"running", "Running"},
	[STATE_DONE] = {"done", "Done"},
	[STATE_FAILED] = {"failed", "Failed"},
	[STATE_BLOCKED] = {"blocked", "Blocked"},
	[STATE_CANCELLED] = {"cancelled", "Cancelled"},
	[STATE_MISSED] = {"missed", "Not run"},
	[STATE_CONFIRM] = {"confirm", "Press again to confirm"},
	[STATE_RECEIVING] = {"receiving", "Receiving"},
	[STATE_PAUSED] = {"paused", "Paused"},
	[STATE_MISCONFIGURED] = {"misconfigured", "Misconfigured"},
};
_Static_assert(sizeof(states) / sizeof(states[0]) == STATE_MAX_, "a state has no words");

static const char *const triggers[] = {
	[TRIGGER_DELETE] = "delete",
	[TRIGGER_MOVE] = "move",
	[TRIGGER_DROP] = "drop",
	[TRIGGER_CLI] = "cli",
};
_Static_assert(sizeof(triggers) / sizeof(triggers[0]) == TRIGGER_MAX_, "a trigger has no word");

static const char *const certainties[] = {
	[CERTAINTY_UNKNOWN] = "unknown",
	[CERTAINTY_OWNER] = "owner",
	[CERTAINTY_PEER] = "peer",
	[CERTAINTY_AUDIT] = "audit",
};
_Static_assert(
	sizeof(certainties) / sizeof(certainties[0]) == CERTAINTY_MAX_, "a certainty has no word");

const char *state_word(enum state s)
{
	return (unsigned)s < STATE_MAX_ ? states[s].word : NO_WORD;
}

const char *state_label(enum state s)
{
	return (unsigned)s < STATE_MAX_ ? states[s].label : NO_WORD;
}

const char *trigger_word(enum trigger t)
{
	return (unsigned)t < TRIGGER_MAX_ ? triggers[t] : NO_WORD;
}

const char *certainty_word(enum certainty c)
{
	return (unsigned)c < CERTAINTY_MAX_ ? certainties[c] : NO_WORD;
}

int state_from_word(const char *word)
{
	for (int i = 0; i < STATE_MAX_; i++)
		if (strcmp(states[i].word, word) == 0)
			return i;
	return -1;
}

int trigger_from_word(const char *word)
{
	for (int i = 0; i < TRIGGER_MAX_; i++)
		if (strcmp(triggers[i], word) == 0)
			return i;
	return -1;
}
