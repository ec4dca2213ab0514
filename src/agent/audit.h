/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who pressed, where Samba's audit log says so: inotify names nobody.
 *
 * The executor has the log followed where flagman.yaml says `samba-audit`, and hands the reading
 * end of a pipe over (EXEC_AUDIT).  smbd writes the line after it has deleted or renamed, so it may
 * be read before or after the agent has looked: gestures that no line was found for, and lines that
 * no gesture was found for, wait for each other, each in a small ring, for AUDIT_PATIENCE at most.
 * They find each other by path: the line must be of exactly the name under which the flag was
 * shown.  Each is used once, the oldest first; so also a gesture that was no run takes its line.
 *
 * A press never waits for it.  Its command has FLAGMAN_USER if the line was there in time (the hold
 * is long enough); history, texts and answers get it later.  It is Samba's word through a log that
 * others may write to: it is shown, and decides nothing.
 *
 *	audit_follow()			the log: a pipe of lines
 *	audit_name()			before a gesture is taken: has its line been read?
 *	audit_expect()			after it: if not, the line may come
 */
#ifndef FLAGMAN_AGENT_AUDIT_H
#define FLAGMAN_AGENT_AUDIT_H

#include "agent/agent.h"

struct audit;

/* Takes FD over, instead of the one before. */
void audit_follow(struct agent *a, int fd);
struct audit *audit_free(struct audit *t); /* NULL is fine; returns NULL */

/* Fills in user, address and certainty of RUN, a gesture (its trigger says which) on F, which was
 * shown as PUBLISHED.  False: no line told of it yet, or no log is followed. */
bool audit_name(struct agent *a, const struct flag *f, const char *published, struct run *run);
/* RUN is the number of what it became; 0: no run. */
void audit_expect(struct agent *a, const struct flag *f, const char *published,
	enum trigger trigger, uint64_t run);

#endif
