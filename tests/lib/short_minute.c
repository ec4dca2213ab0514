/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded by tests: a time limit of a minute is one of two seconds. */
#include <dlfcn.h>
#include <systemd/sd-event.h>

#define MINUTE (60 * 1000000ULL)
#define SHORT  (2 * 1000000ULL)

typedef int add(sd_event *, sd_event_source **, clockid_t, uint64_t, uint64_t,
	sd_event_time_handler_t, void *);

int sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec,
	uint64_t accuracy, sd_event_time_handler_t callback, void *userdata)
{
	add *real = (add *)dlsym(RTLD_NEXT, "sd_event_add_time_relative");

	return real(e, ret, clock, usec == MINUTE ? SHORT : usec, accuracy, callback, userdata);
}
