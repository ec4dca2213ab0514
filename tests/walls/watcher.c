/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "try.h"

#include <stdbool.h>
#include <stdint.h>

int __real_watches_next(bool block, uint32_t *slot);
int __wrap_watches_next(bool block, uint32_t *slot);

int __wrap_watches_next(bool block, uint32_t *slot)
{
	static bool tried;

	if (!tried)
		try_everything("watcher");
	tried = true;
	return __real_watches_next(block, slot);
}
