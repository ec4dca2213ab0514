/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payloads that leave custody (custody.h): when their run is over, and those that a kill, a power
 * cut or an unmounted share has left there.  The agent's rules find them in staging, under the
 * token of their run, as if they had never been away.
 */
#include "executor/executor.h"

#include "common/log.h"
#include "executor/custody.h"
#include "executor/refusals.h"

#include <errno.h>
#include <string.h>

void payload_return(struct executor *x, const char *path, const struct token *token)
{
	int r = custody_return(path, token, &x->id);
	char hex[TOKEN_HEX + 1];

	if (r < 0)
		refusal_log("%s: payload %s stays in custody until its directory is back: %s", path,
			token_hex(token, hex), strerror(-r));
}

/* The base of an adopted run is not known, nor whether it had a payload: there are few of both. */
static void look_for(struct executor *x, const struct token *token)
{
	const struct generation *g = x->generations;
	int r = -ENOENT;

	for (uint32_t i = 0; g && i < g->n_bases && r < 0; i++)
		if (g->bases[i].dev)
			r = custody_return(g->bases[i].path, token, &x->id);
}

void payload_return_of(struct executor *x, const struct run *run)
{
	if (run->payload)
		payload_return(x, run->payload, &run->token);
	else if (run->adopted)
		look_for(x, &run->token);
}

static bool is_in_use(const struct token *token, void *executor)
{
	return runs_find(&((struct executor *)executor)->runs, token) != NULL;
}

void payloads_tidy(struct executor *x, const struct base_state *b)
{
	int r = b->dev && !b->error ? custody_return_all(b->path, &x->id, is_in_use, x) : 0;

	if (r < 0)
		refusal_log("%s: not all payloads can leave custody: %s", b->path, strerror(-r));
}
