/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent asks for and does not get, in the log. */
#include "executor/refusals.h"

#include "common/log.h"
#include "common/text.h"
#include "executor/priority.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

static struct {
	sd_event *event;
	sd_event_source *timer;
	uint64_t last;      /* us, monotonic; 0: never */
	unsigned kept_back; /* since then */
	char newest[512];   /* of those */
} refusals;

static void say(void)
{
	if (refusals.kept_back > 1)
		log_warning("%s (and %u more refusals)", refusals.newest, refusals.kept_back - 1);
	else
		log_warning("%s", refusals.newest);
	refusals.kept_back = 0;
	refusals.last = now_monotonic();
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	(void)s;
	(void)usec;
	(void)userdata;
	if (refusals.kept_back > 0)
		say();
	return 0;
}

/* It goes before the agent's requests, or a flood would put off its own report. */
static void say_later(uint64_t when)
{
	if (!refusals.event)
		return;
	if (!refusals.timer) {
		if (sd_event_add_time(refusals.event, &refusals.timer, CLOCK_MONOTONIC, when, 0,
			    on_timer, NULL) >= 0)
			(void)sd_event_source_set_priority(refusals.timer, PRIORITY_MUST);
		return;
	}
	(void)sd_event_source_set_time(refusals.timer, when);
	(void)sd_event_source_set_enabled(refusals.timer, SD_EVENT_ONESHOT);
}

void refusals_open(sd_event *event)
{
	refusals.event = event;
}

void refusals_close(void)
{
	if (refusals.kept_back > 0)
		say();
	refusals.timer = sd_event_source_disable_unref(refusals.timer);
	refusals.event = NULL;
}

void refusal_log(const char *fmt, ...)
{
	uint64_t due = refusals.last + USEC_PER_SEC;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(refusals.newest, sizeof(refusals.newest), fmt, ap);
	va_end(ap);
	refusals.kept_back++;
	if (refusals.last == 0 || now_monotonic() >= due)
		say();
	else if (refusals.kept_back == 1)
		say_later(due);
}
