/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers what content.h needs to write a flag's or a board's text. */
#ifndef FLAGMAN_AGENT_RENDER_H
#define FLAGMAN_AGENT_RENDER_H

#include "agent/agent.h"
#include "common/buf.h"

int render_flag(struct agent *a, struct flag *f, struct buf *out);
int render_status(struct agent *a, struct board *b, struct buf *out);

#endif
