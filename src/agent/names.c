/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/names.h"

#include "agent/control.h"
#include "agent/press.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEPT_USEC (300 * USEC_PER_SEC)
#define NOBODY_USEC \
	(30 * USEC_PER_SEC) /* an account that is being made, a service that is down \
			     */

static bool is_fresh(const struct known_name *k, uint64_t now)
{
	return k->asked || now < k->until;
}

/* UID's place, or that of the one that can be done without best.  NULL: all wait for answers. */
static struct known_name *place_of(struct agent *a, uid_t uid)
{
	struct known_name *oldest = NULL;

	for (size_t i = 0; i < NAMES_KNOWN; i++) {
		struct known_name *k = &a->names[i];
		if (k->uid == uid && (k->asked || k->until))
			return k;
		if (!k->asked && (!oldest || k->until < oldest->until))
			oldest = k;
	}
	return oldest;
}

static void ask(struct agent *a, struct known_name *k, uid_t uid)
{
	struct exec_name m = {.header.type = EXEC_NAME, .uid = uid};
	int r = channel_send(a->executor, &m, sizeof(m), NULL, 0);

	if (r < 0)
		log_fatal(71, "the executor cannot be reached: %s", strerror(-r));
	free(k->name);
	*k = (struct known_name){.uid = uid, .asked = true};
}

bool names_known(struct agent *a, uid_t uid)
{
	struct known_name *k = place_of(a, uid);

	if (!k)
		return true; /* too many at once: it stays a number */
	if (k->uid != uid || !is_fresh(k, now_boottime()))
		ask(a, k, uid);
	return !k->asked;
}

bool names_fill(struct agent *a, struct run *run)
{
	const struct known_name *k;
	char number[32];

	if (!run->nameless)
		return true;
	if (!names_known(a, run->uid))
		return false;
	run->nameless = false;
	k = place_of(a, run->uid);
	snprintf(number, sizeof(number), "uid %u", run->uid);
	if (k && k->uid == run->uid && k->name)
		run->user = strdup(k->name);
	else if (run->certainty == CERTAINTY_PEER)
		run->user = strdup(number);
	else
		run->certainty = CERTAINTY_UNKNOWN;
	return true;
}

static void remember(struct known_name *k, const char *name)
{
	k->asked = false;
	k->name = *name ? strdup(name) : NULL;
	k->until = now_boottime() + (k->name ? KEPT_USEC : NOBODY_USEC);
}

static void go_on(struct agent *a)
{
	for (size_t i = 0; i < a->n_flags; i++) {
		struct flag *f = &a->flags[i];
		struct live *l = f->live;
		if (!l || !names_fill(a, &l->run) || !l->waits_for_name)
			continue;
		l->waits_for_name = false;
		if (f->state == STATE_STARTING)
			press_go(a, l);
	}
}

void names_answer(struct agent *a, const struct exec_named *m)
{
	struct known_name *k = place_of(a, m->uid);

	if (k && k->uid == m->uid && k->asked)
		remember(k, m->name);
	else
		log_panic("the executor names a user that was not asked for");
	go_on(a);
	control_named(a);
}
