/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A command's output on its way to the reader: raw bytes where stdout is a file or a pipe (it may
 * be a tar), printable lines where it is a terminal, one JSON object a line under --json.  Pieces
 * come cut anywhere, so what must be read as lines is kept until its line ends.
 */
#ifndef FLAGMAN_CLI_OUTPUT_H
#define FLAGMAN_CLI_OUTPUT_H

#include "cli/cli.h"
#include "common/buf.h"
#include "wire/control.h"

#include <stdbool.h>

struct output {
	bool json, tty;
	uint64_t run;
	struct buf line;
};

void output_init(struct output *o, const struct cli *cli);
void output_done(struct output *o);
void output_add(struct output *o, const struct control_output *piece);
void output_finish(struct output *o); /* what is left without a newline */

#endif
