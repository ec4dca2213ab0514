/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watcher's list of directories: of one that is taken, each entry can be read. */
#include "fuzz.h"

#include "watcher/list.h"

#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = fuzz_file(data, size, MFD_ALLOW_SEALING), r;
	struct list_entry entry;
	struct list l = {.size = 0};
	char why[256] = "";
	size_t at = 0;
	uint32_t n = 0;

	CHECK(list_map(fd, &l, why, sizeof(why)) == -EBADMSG);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE) == 0);
	*why = '\0';
	r = list_map(fd, &l, why, sizeof(why));
	close(fd);
	CHECK(r == 0 || (r == -EBADMSG && *why && !l.data));
	if (r < 0)
		return 0;
	for (; list_next(&l, &at, &entry); n++) {
		CHECK(*entry.path == '/' && entry.path[strlen(entry.path) - 1] != '/');
		CHECK(entry.path + strlen(entry.path) < l.data + l.size);
	}
	CHECK(n == l.n && at == l.size);
	list_unmap(&l);
	return 0;
}
