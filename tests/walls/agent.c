/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "try.h"

#include <systemd/sd-event.h>

int __real_sd_event_loop(sd_event *e);
int __wrap_sd_event_loop(sd_event *e);

int __wrap_sd_event_loop(sd_event *e)
{
	try_everything("agent");
	return __real_sd_event_loop(e);
}
