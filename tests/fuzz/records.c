/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of what was burned here, which a weaker process writes. */
#include "fuzz.h"

#include "disc/records.h"

#define ID "0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int next = fuzz_next_fd();
	struct burned found[RECORDS_MAX];
	char path[32];
	int fd = fuzz_file(data, size, 0);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	size_t n = records_find(path, ID, found);
	CHECK(n <= RECORDS_MAX);
	for (size_t i = 0; i < n; i++) {
		CHECK(found[i].length > 0 && fuzz_is_hex(found[i].sha256, 64));
		CHECK(memchr(found[i].when, '\0', sizeof(found[i].when)));
		CHECK(memchr(found[i].name, '\0', sizeof(found[i].name)));
		CHECK(i == 0 || found[i - 1].length <= found[i].length);
		for (size_t k = 0; k < i; k++)
			CHECK(found[k].length != found[i].length ||
				strcmp(found[k].sha256, found[i].sha256) != 0);
	}
	CHECK(records_find(path, "", found) == 0);
	close(fd);
	CHECK(fuzz_next_fd() == next);
	return 0;
}
