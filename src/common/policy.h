/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The choices that an administrator has, as numbers: what the configuration reads and the view
 * carries to the agent.
 */
#ifndef FLAGMAN_POLICY_H
#define FLAGMAN_POLICY_H

enum access { ACCESS_GROUP, ACCESS_PRESS_ONLY };
enum serialise { SERIALISE_OBJECT, SERIALISE_GROUP, SERIALISE_NONE };
enum when_busy { WHEN_BUSY_BLOCK, WHEN_BUSY_QUEUE };
enum while_running { WHILE_RUNNING_MARK, WHILE_RUNNING_HIDE };
enum missed { MISSED_SHOW, MISSED_RUN };
enum leftovers { LEFTOVERS_LEAVE, LEFTOVERS_KILL, LEFTOVERS_WAIT };
enum after { AFTER_RETURN, AFTER_DELETE };
enum via { VIA_DIRECT, VIA_SUDO };

#define TRIGGER_BIT(t) (1U << (t))

#endif
