/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket's server: what flagman(1) asks (wire/control.h).
 *
 * SECURITY: anybody on the machine may connect.  The peer's credentials decide, never its words:
 * root and the service's user may do everything; members of a board's group see and press that
 * board; to others it does not exist.  One request a connection; a limited number of connections,
 * of all and of each user.
 */
#ifndef FLAGMAN_AGENT_CONTROL_H
#define FLAGMAN_AGENT_CONTROL_H

#include "agent/agent.h"

struct control;

int control_new(struct agent *a, int listen_fd, struct control **ret);
/* From now on: until then there is no answer, and whoever asks waits for one. */
int control_serve(struct control *k);
struct control *control_free(struct control *c);

/* News for those who follow. */
void control_changed(struct agent *a, struct flag *f);
/* ACTION of V, the view before, is no more. */
void control_removed(struct agent *a, const struct view *v, uint32_t action);
void control_output(struct agent *a, struct live *l);
void control_ended(struct agent *a, struct live *l);
/* A name is known now: requests that waited for it are done. */
void control_named(struct agent *a);
void control_reloaded(struct agent *a, const struct exec_reloaded *m);

#endif
