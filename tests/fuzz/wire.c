/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent and the executor may say to each other: see packet.h. */
#include "packet.h"

#include "wire/exec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct packet_table tables[2] = {
		{exec_from_agent, EXEC_TYPE_MAX_},
		{exec_from_executor, EXEC_TYPE_MAX_},
	};

	packet_try(tables, data, size);
	return 0;
}
