/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flagman reload, release, restore: a word to the agent, its answer to the reader. */
#include "cli/call.h"
#include "cli/json.h"
#include "cli/target.h"
#include "cli/term.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int conclude(const struct cli *cli, const struct control_end *end)
{
	struct json_object *o;

	if (!cli->json && end->exit_status)
		return call_conclude(end);
	if (!cli->json) {
		if (*end->message)
			term_line(end->message);
		return EX_OK;
	}
	o = json_object_new_object();
	json_object_object_add(o, "ok", json_object_new_boolean(end->exit_status == 0));
	json_object_object_add(o, "exit-status", json_object_new_int(end->exit_status));
	json_object_object_add(o, "message", json_text_or_null(end->message));
	json_print(o, true, stdout);
	return end->exit_status;
}

static int tell(const struct cli *cli, struct control_request *q)
{
	struct control_end end;
	int r = call_agent(cli, q, -1, NULL, NULL, &end);

	return r ? r : conclude(cli, &end);
}

int verb_reload(const struct cli *cli)
{
	struct control_request q = {.header.type = CONTROL_RELOAD};

	return tell(cli, &q);
}

/* An object, not a button of it.  It may be one that the agent can't show now, so it is not looked
 * up first. */
static int tell_object(const struct cli *cli, enum control_type type)
{
	struct control_request q = {.header.type = (uint16_t)type};
	struct target t;
	int r;

	r = target_parse(cli->args[0], &t);
	if (r)
		return r;
	if (!*t.object || *t.group || (*t.action && !target_reread(&t))) {
		cli_error("usage: flagman %s %s", cli->verb->name, cli->verb->usage);
		return EX_USAGE;
	}
	target_fill(&t, &q);
	return tell(cli, &q);
}

int verb_release(const struct cli *cli)
{
	return tell_object(cli, CONTROL_RELEASE);
}

int verb_restore(const struct cli *cli)
{
	return tell_object(cli, CONTROL_RESTORE);
}
