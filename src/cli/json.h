/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records as JSON, in the words of DESIGN: states by state_word(), times RFC 3339 with
 * microseconds, null for what is unknown or not yet.
 *
 * Threat: names and payloads may be any bytes.  What is not UTF-8 becomes U+FFFD, and what a
 * terminal might obey (C1 controls, bidi controls) is escaped as \uNNNN; json-c does that for C0.
 */
#ifndef FLAGMAN_CLI_JSON_H
#define FLAGMAN_CLI_JSON_H

#include "wire/control.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json_object *json_text(const char *s, size_t len);
struct json_object *json_text_or_null(const char *s); /* null where S is NULL or "" */
struct json_object *json_time(int64_t realtime_us);   /* null for 0 */
struct json_object *json_run(const struct control_run *r);
/* The run, with what it did to a disc under "disc". */
struct json_object *json_disc(const struct control_disc *d);
struct json_object *json_action(const struct control_action *a);

/* One value and a newline; PRETTY over several lines.  VALUE is released. */
void json_print(struct json_object *value, bool pretty, FILE *out);

#endif
