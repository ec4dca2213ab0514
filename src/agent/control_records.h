/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's things as records of wire/control.h. */
#ifndef FLAGMAN_AGENT_CONTROL_RECORDS_H
#define FLAGMAN_AGENT_CONTROL_RECORDS_H

#include "agent/agent.h"
#include "agent/disc.h"
#include "wire/control.h"

void control_record_disc(const struct disc *d, const struct run *r, struct control_disc *out);
void control_record_run(const struct run *r, uint64_t timeout, struct control_run *out);
void control_record_action(struct agent *a, struct flag *f, struct control_action *out);
void control_record_removed(const struct view *v, uint32_t action, struct control_action *out);

#endif
