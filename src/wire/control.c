/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/control.h"

#define FITS(type) _Static_assert(sizeof(type) <= WIRE_MESSAGE_MAX, #type " is too large")
FITS(struct control_request);
FITS(struct control_run);
FITS(struct control_disc);
FITS(struct control_action);
FITS(struct control_output);
FITS(struct control_fact);
FITS(struct control_end);

static const struct wire_string request_strings[] = {
	WIRE_STRING(struct control_request, object),
	WIRE_STRING(struct control_request, group),
	WIRE_STRING(struct control_request, action),
	WIRE_STRING(struct control_request, payload_name),
	{0},
};

/* A run stands alone, and inside an action's record. */
#define RUN_STRINGS(type, prefix) \
	WIRE_STRING(type, prefix token), WIRE_STRING(type, prefix object), \
		WIRE_STRING(type, prefix group), WIRE_STRING(type, prefix action), \
		WIRE_STRING(type, prefix user), WIRE_STRING(type, prefix address), \
		WIRE_STRING(type, prefix payload), WIRE_STRING(type, prefix payload_sha256), \
		WIRE_STRING(type, prefix result)

static const struct wire_string run_strings[] = {
	RUN_STRINGS(struct control_run, ),
	{0},
};
static const struct wire_string disc_strings[] = {
	WIRE_STRING(struct control_disc, verb),
	WIRE_STRING(struct control_disc, verdict),
	WIRE_STRING(struct control_disc, against),
	WIRE_STRING(struct control_disc, sha256),
	WIRE_STRING(struct control_disc, id),
	WIRE_STRING(struct control_disc, media),
	WIRE_STRING(struct control_disc, product),
	WIRE_STRING(struct control_disc, image),
	RUN_STRINGS(struct control_disc, run.),
	{0},
};
static const struct wire_string action_strings[] = {
	WIRE_STRING(struct control_action, object),
	WIRE_STRING(struct control_action, group),
	WIRE_STRING(struct control_action, action),
	WIRE_STRING(struct control_action, description),
	WIRE_STRING(struct control_action, path),
	WIRE_STRING(struct control_action, file_name),
	WIRE_STRING(struct control_action, progress),
	WIRE_STRING(struct control_action, note),
	RUN_STRINGS(struct control_action, last.),
	{0},
};
static const struct wire_string fact_strings[] = {
	WIRE_STRING(struct control_fact, name),
	WIRE_STRING(struct control_fact, value),
	{0},
};
static const struct wire_string end_strings[] = {
	WIRE_STRING(struct control_end, message),
	{0},
};

#define REQUEST(max_fds) WIRE_TEXT(struct control_request, 0, max_fds, request_strings)

const struct wire_type control_from_client[CONTROL_TYPE_MAX_] = {
	[CONTROL_STATUS] = REQUEST(0),
	[CONTROL_RUN] = REQUEST(1),
	[CONTROL_CANCEL] = REQUEST(0),
	[CONTROL_LOG] = REQUEST(0),
	[CONTROL_HISTORY] = REQUEST(0),
	[CONTROL_RELOAD] = REQUEST(0),
	[CONTROL_RELEASE] = REQUEST(0),
	[CONTROL_RESTORE] = REQUEST(0),
	[CONTROL_HEALTH] = REQUEST(0),
};

const struct wire_type control_from_agent[CONTROL_TYPE_MAX_] = {
	[CONTROL_ACTION] = WIRE_TEXT(struct control_action, 0, 0, action_strings),
	[CONTROL_RECORD] = WIRE_TEXT(struct control_run, 0, 0, run_strings),
	[CONTROL_OUTPUT] = WIRE_TYPE(struct control_output, 0, 0),
	[CONTROL_FACT] = WIRE_TEXT(struct control_fact, 0, 0, fact_strings),
	[CONTROL_DISC] = WIRE_TEXT(struct control_disc, 0, 0, disc_strings),
	[CONTROL_END] = WIRE_TEXT(struct control_end, 0, 0, end_strings),
};
