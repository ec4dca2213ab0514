/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagmand --withdraw: everything that flagman has put into shares is taken out again, before its
 * programs are removed.  A flag that nobody serves is a lie.
 *
 * It is a start like any other, but that nothing is run (start.c).  Once the agent has adopted the
 * configuration, it gets one without any object: it then removes its flags, Status.txt and empty
 * folders, and returns the payloads that it has kept, as where the last snippet was taken away.
 * What is left are directories: those that carry our mark and are empty go, from within outwards.
 * Whatever somebody else has put there stays, with the directory that it is in.
 *
 * An agent that ends half way leaves the rest to the next one, which is given the objects again: it
 * would know of nothing otherwise, and say that it is done.
 */
#ifndef FLAGMAN_EXECUTOR_WITHDRAW_H
#define FLAGMAN_EXECUTOR_WITHDRAW_H

struct executor;
struct generation;

/* It ends within a minute, in success (x->withdrawn) or not, whatever the agent does. */
void withdraw_open(struct executor *x);
/* The agent has adopted G, or NULL for one that is not known. */
void withdraw_adopted(struct executor *x, const struct generation *g);
/* The agent has ended by itself, and another one is to be started. */
void withdraw_agent_ended(struct executor *x);
/* All is over: whatever directories are empty now. */
void withdraw_directories(struct executor *x);

#endif
