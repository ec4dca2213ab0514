/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a command says over NOTIFY_SOCKET (sd_notify(3)): of its lines, STATUS= is heard.  A number
 * with '%' at its beginning is the progress: "STATUS=42% writing".  Of a disc tool, X_FLAGMAN_DISC=
 * is too: the record of what became of a disc.
 *
 * The socket is the command's user's (0600), but what comes in is looked at all the same: senders
 * are the command's user, root, or processes of its session; a datagram that is too long or has
 * descriptors is ignored, and what is no text is made text.
 */
#ifndef FLAGMAN_RUNNER_PROGRESS_H
#define FLAGMAN_RUNNER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROGRESS_TEXT_MAX   256
#define PROGRESS_RECORD_MAX 480 /* as CLAIM_RECORD_MAX */

struct progress {
	uint32_t percent;             /* UINT32_MAX: none */
	char text[PROGRESS_TEXT_MAX]; /* one line of valid UTF-8 */
	bool takes_record;
	char record[PROGRESS_RECORD_MAX]; /* the caller empties it; tabs stand for themselves */
};

/* Takes what is heard of a datagram, if it has any; DATA need not end in NUL. */
bool progress_parse(struct progress *p, const char *data, size_t len);
/* Reads all datagrams there are, but none behind a record: that is to be kept first, for a barrier
 * may follow (sd_notify_barrier(3)).  True if one of them changed *P. */
bool progress_receive(struct progress *p, int fd, uid_t uid, pid_t session);

#endif
