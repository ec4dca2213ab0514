/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An environment-file: what is taken is NAME=value, each name once. */
#include "fuzz.h"

#include "executor/environment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	struct environment e = {.n = 0};
	unsigned wrong = environment_parse(&e, (const char *)data, size);

	CHECK(!e.error && wrong <= size);
	for (size_t i = 0; i < e.n; i++) {
		size_t n = strspn(e.items[i], letters);

		CHECK(n > 0 && e.items[i][n] == '=' && (*e.items[i] < '0' || *e.items[i] > '9'));
		CHECK(!strchr(e.items[i], '\n'));
		for (size_t k = 0; k < i; k++)
			CHECK(strncmp(e.items[i], e.items[k], n + 1) != 0);
	}
	CHECK(!e.items || !e.items[e.n]);
	environment_done(&e);
	return 0;
}
