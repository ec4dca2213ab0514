/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies in a drop folder: which files may become payloads, since when each has been quiet, and
 * what is said to people beside those that may not ("NAME [Not accepted].txt").
 */
#ifndef FLAGMAN_AGENT_DROP_FOLDER_H
#define FLAGMAN_AGENT_DROP_FOLDER_H

#include "agent/agent.h"

#define RETURNED     "Returned"
#define NOT_ACCEPTED " [Not accepted].txt"
#define RESULT       ".result.txt"

struct candidate {
	char *name; /* owned */
	struct file_id id;
	uint64_t size;
	int64_t mtime_ns;
	uint64_t changed; /* boottime us: seen to change last */
	bool seen;
};

struct candidates {
	struct candidate *list;
	size_t n;
};

void candidates_done(struct candidates *c);
/* Something is still settling.  *RET_DUE is when to look again (boottime us; UINT64_MAX: not). */
bool candidates_unsettled(
	const struct candidates *c, uint64_t settle, uint64_t now, uint64_t *ret_due);
/* The settled one that came first, or NULL. */
struct candidate *candidates_oldest(struct candidates *c, uint64_t settle, uint64_t now);

/* Brings C up to date with FOLDER, and the notes in it with what is not accepted. */
void drop_folder_scan(struct agent *a, struct board *b, const struct view_drop *v, int folder,
	struct candidates *c, uint64_t now);
/* TEXT becomes FOLDER/NAME.result.txt, in place of an older one. */
void drop_folder_say_result(struct agent *a, struct board *b, const struct view_drop *v,
	const char *name, const struct buf *text);
/* Takes away the notes of files that stay: nobody looks at them here any more.  FILE_UID: whose
 * flagman's files are made, beside its own. */
void drop_folder_leave(int folder, uid_t file_uid);
/* STAGING/<token> becomes FOLDER/Returned/NAME, or "NAME (2)", ...; owned like a flag. */
int drop_folder_return(gid_t gid, int staging, const struct token *t, int folder, const char *name);

#endif
