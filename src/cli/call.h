/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One call to the agent: <run-dir>/control, one request, records, and one CONTROL_END.
 *
 *	_cleanup_close_ int fd = -1;
 *	r = call_open(cli, false, &fd);          complains and returns an exit status
 *	r = call_send(fd, &request, -1);
 *	while ((c = call_next(fd, -1, NULL, &m)) == CALL_MESSAGE) ...;
 *
 * or all of it in one with call_agent().
 *
 * Threat: the agent runs unprivileged and reads what strangers write, so root must be able to
 * believe none of it: sizes and strings' ends are checked by the wire, and a value that is no
 *member of its enum is a breach of contract here.
 */
#ifndef FLAGMAN_CLI_CALL_H
#define FLAGMAN_CLI_CALL_H

#include "cli/cli.h"
#include "wire/control.h"

#include <signal.h>
#include <stdbool.h>

union control_message {
	struct wire_header header;
	struct control_action action;
	struct control_run run;
	struct control_disc disc;
	struct control_output output;
	struct control_fact fact;
	struct control_end end;
};

/* 0, or an exit status: EX_UNAVAILABLE when nobody serves there, EX_NOPERM.  QUIET: no complaint.
 */
int call_open(const struct cli *cli, bool quiet, int *ret_fd);
/* FD of a payload, or -1.  0 or an exit status, after complaining. */
int call_send(int fd, struct control_request *request, int payload_fd);

enum call_result {
	CALL_MESSAGE = 1,
	CALL_TIMEOUT,
	CALL_SIGNAL, /* poll(2) was interrupted */
	CALL_OVER, /* hung up without CONTROL_END, or broke the contract; has been complained of */
};
/* Waits for the next record, at most TIMEOUT_MS (-1: for ever), with the signal mask MASK meanwhile
 * (ppoll(2); NULL: as it is). */
enum call_result call_next(
	int fd, int timeout_ms, const sigset_t *mask, union control_message *ret);

/* Called for each record but the last. */
typedef void call_handler(const union control_message *m, void *userdata);

/*
 * The whole conversation.  RET_END has the agent's last word; it is not printed here.  Returns 0
 * when there was one, else the exit status for what went wrong (complained of).
 */
int call_agent(const struct cli *cli, struct control_request *request, int payload_fd,
	call_handler *handler, void *userdata, struct control_end *ret_end);

/* Says the agent's last word, where there is one, on stderr (stdout has the answer), and returns
 * its exit status. */
int call_conclude(const struct control_end *end);

#endif
