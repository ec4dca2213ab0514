/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OBJECT[/GROUP][/ACTION] on the command line.  Names hold no slash, so the parts are plain; but of
 * two parts the second may be an action's name or a group's: the agent is asked.
 */
#ifndef FLAGMAN_CLI_TARGET_H
#define FLAGMAN_CLI_TARGET_H

#include "cli/cli.h"
#include "wire/control.h"

#include <stdbool.h>
#include <stddef.h>

struct target {
	char object[CONTROL_NAME_MAX], group[CONTROL_NAME_MAX], action[CONTROL_NAME_MAX];
	bool two_parts; /* action may turn out to be a group */
};

/* TEXT may be NULL: everything.  0 or EX_USAGE (complained). */
int target_parse(const char *text, struct target *ret);
void target_fill(const struct target *t, struct control_request *request);
/* Reads the second part as a group's name instead; false if there is nothing to read anew. */
bool target_reread(struct target *t);

/* All actions that match, as they are now. */
struct target_matches {
	struct control_action *actions; /* owned */
	size_t n;
};
void target_matches_done(struct target_matches *m);

/*
 * Asks the agent; T is reread where that is what matches.  Nothing matches: complains with what
 * there is, EX_USAGE.  0, or an exit status.
 */
int target_find(const struct cli *cli, struct target *t, struct target_matches *ret);
/* As above, for verbs that act on one button: exactly one must match, and T is made exact. */
int target_find_one(const struct cli *cli, struct target *t);

/* "Apache/Restart" or "Apache/prod/Restart"; BUF is returned. */
#define TARGET_NAME_MAX (3 * CONTROL_NAME_MAX)
char *target_name(char *buf, const char *object, const char *group, const char *action);

#endif
