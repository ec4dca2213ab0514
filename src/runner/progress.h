/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a command says over NOTIFY_SOCKET (sd_notify(3)): of its lines, STATUS= is heard.  A number
 * with '%' at its beginning is the progress: "STATUS=42% writing".
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

#define PROGRESS_TEXT_MAX 256

struct progress {
	uint32_t percent;             /* UINT32_MAX: none */
	char text[PROGRESS_TEXT_MAX]; /* one line of valid UTF-8 */
};

/* Takes the STATUS= of a datagram, if it has one; DATA need not end in NUL. */
bool progress_parse(struct progress *p, const char *data, size_t len);
/* Reads all datagrams there are.  True if one of them changed *P. */
bool progress_receive(struct progress *p, int fd, uid_t uid, pid_t session);

#endif
