/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run, from a waiting runner to the command's end.
 *
 * It writes into its claim (claim.h) and holds the claim's FIFO open for writing: its hang-up
 * tells executor and agent, also those that were started later, that it has ended or died.  It is
 * subreaper: whatever the command starts stays its descendant, however often it forks, so that
 * the executor finds all of it when it must be killed.  It ignores signals that would end it and
 * kills nothing itself.
 *
 * A run ends with its main process (with its last descendant, for SPEC_WAIT and when it was told to
 * stop: stopping stops everything).  After the result is
 * written and `alive` closed, the runner stays as long as something that was left running may
 * still write into the output pipe -- else it would die of SIGPIPE -- and reads it to nowhere.
 */
#ifndef FLAGMAN_RUNNER_RUN_H
#define FLAGMAN_RUNNER_RUN_H

#include <stdint.h>

struct run_fds {
	int socket; /* from it comes the specification; its end means that there will be no run */
	int claim;  /* its file, for reading and writing */
	int notify; /* bound datagram socket, or what is not a socket: none */
	int alive;  /* the FIFO, for writing, non-blocking */
	int cgroup; /* directory, or -1 */
};

/* Waits, runs, reports.  BOUNDING is the bounding set, TICKS the time before this process was
 * forked (launch_ticks()).  Returns the process's exit status. */
int run_main(const struct run_fds *fds, uint64_t bounding, uint64_t ticks);

#endif
