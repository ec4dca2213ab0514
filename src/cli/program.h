/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another program's answer: it is started, read to its end, and waited for.  It gets no input, and
 * not for ever: what does not answer in time is killed.
 */
#ifndef FLAGMAN_CLI_PROGRAM_H
#define FLAGMAN_CLI_PROGRAM_H

#include "common/buf.h"

#include <stdbool.h>

#define PROGRAM_MS 5000

/*
 * ARGV[0] is looked for in PATH.  OUT gets what it writes, with WITH_STDERR also its complaints;
 * what is more than OUT may hold is an error.  0 and its exit status (128 and the signal's number
 * where one ended it); -ENOENT: it is not there; -ETIMEDOUT; -errno.
 */
int program_run(char *const argv[], bool with_stderr, struct buf *out, int *ret_status);

#endif
