/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a command wrote, as the part of a flag's text.  Bytes of strangers: all of it goes through
 * text_output().
 */
#ifndef FLAGMAN_AGENT_CONTENT_OUTPUT_H
#define FLAGMAN_AGENT_CONTENT_OUTPUT_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Head, "N bytes left out here" where LEFT_OUT is not 0, tail; ends with a line end.  LIVE: more
 * may come, so a character that is cut at the end is left away until the rest of it is there. */
void content_output(struct buf *out, const struct buf *head, const struct buf *tail,
	uint64_t left_out, bool live);

#endif
