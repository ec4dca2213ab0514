/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/exec.h"

#define FITS(type) _Static_assert(sizeof(type) <= WIRE_MESSAGE_MAX, #type " is too large")
FITS(struct exec_start);
FITS(struct exec_spent);
FITS(struct exec_claim);
FITS(struct exec_started);
FITS(struct exec_ended);
FITS(struct exec_result);
FITS(struct exec_reloaded);
FITS(struct exec_named);

static const struct wire_string start_strings[] = {
	WIRE_STRING(struct exec_start, user),
	WIRE_STRING(struct exec_start, payload_name),
	{0},
};
static const struct wire_string claim_strings[] = {
	WIRE_STRING(struct exec_claim, end.where),
	{0},
};
static const struct wire_string started_strings[] = {
	WIRE_STRING(struct exec_started, why),
	{0},
};
static const struct wire_string ended_strings[] = {
	WIRE_STRING(struct exec_ended, end.where),
	{0},
};
static const struct wire_string result_strings[] = {
	WIRE_STRING(struct exec_result, why),
	{0},
};
static const struct wire_string reloaded_strings[] = {
	WIRE_STRING(struct exec_reloaded, first),
	{0},
};
static const struct wire_string named_strings[] = {
	WIRE_STRING(struct exec_named, name),
	{0},
};

const struct wire_type exec_from_agent[EXEC_TYPE_MAX_] = {
	[EXEC_ADOPTED] = WIRE_TYPE(struct exec_generation, 0, 0),
	[EXEC_START] = WIRE_TEXT(struct exec_start, 0, 0, start_strings),
	[EXEC_CANCEL] = WIRE_TYPE(struct exec_token, 0, 0),
	[EXEC_SPENT] = WIRE_TYPE(struct exec_spent, 0, 0),
	[EXEC_OWN] = WIRE_TYPE(struct exec_own, 1, 1),
	[EXEC_TAKE] = WIRE_TYPE(struct exec_payload, 0, 0),
	[EXEC_MEND] = WIRE_TYPE(struct exec_board, 0, 0),
	[EXEC_WATCH] = WIRE_TYPE(struct exec_watch, 2, 2),
	[EXEC_UNWATCH] = WIRE_TYPE(struct exec_watch, 0, 0),
	[EXEC_RELOAD] = WIRE_TYPE(struct exec_reload, 0, 0),
	[EXEC_NAME] = WIRE_TYPE(struct exec_name, 0, 0),
};

const struct wire_type exec_from_executor[EXEC_TYPE_MAX_] = {
	[EXEC_CONFIG] = WIRE_TYPE(struct exec_config, 1, 1),
	[EXEC_CLAIM] = WIRE_TEXT(struct exec_claim, 0, 2, claim_strings),
	[EXEC_CLAIMS_END] = WIRE_TYPE(struct exec_claims_end, 0, 0),
	[EXEC_STARTED] = WIRE_TEXT(struct exec_started, 0, 2, started_strings),
	[EXEC_ENDED] = WIRE_TEXT(struct exec_ended, 0, 0, ended_strings),
	[EXEC_OWNED] = WIRE_TEXT(struct exec_result, 0, 0, result_strings),
	[EXEC_TAKEN] = WIRE_TEXT(struct exec_result, 0, 0, result_strings),
	[EXEC_MENDED] = WIRE_TEXT(struct exec_result, 0, 0, result_strings),
	[EXEC_RELOADED] = WIRE_TEXT(struct exec_reloaded, 0, 0, reloaded_strings),
	[EXEC_QUIT] = WIRE_TYPE(struct exec_generation, 0, 0),
	[EXEC_NAMED] = WIRE_TEXT(struct exec_named, 0, 0, named_strings),
	[EXEC_AUDIT] = WIRE_TYPE(struct exec_audit, 0, 1),
};
