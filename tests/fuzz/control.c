/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What flagman(1), or anybody who may connect, and the agent say to each other: see packet.h. */
#include "packet.h"

#include "wire/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct packet_table tables[2] = {
		{control_from_client, CONTROL_TYPE_MAX_},
		{control_from_agent, CONTROL_TYPE_MAX_},
	};

	packet_try(tables, data, size);
	return 0;
}
