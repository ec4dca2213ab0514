/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent is told of a generation (wire/view.h): nothing that runs.
 */
#ifndef FLAGMAN_EXECUTOR_MAKE_VIEW_H
#define FLAGMAN_EXECUTOR_MAKE_VIEW_H

#include "executor/generation.h"
#include "executor/identity.h"

/* A sealed memfd, or -errno. */
int make_view(const struct generation *g, const struct identity *id);

#endif
