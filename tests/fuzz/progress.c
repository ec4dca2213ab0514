/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a command says of itself (sd_notify(3)): a line of valid text that fits, whatever it said.
 */
#include "fuzz.h"

#include "runner/progress.h"

static void parse(const uint8_t *data, size_t size, bool takes_record)
{
	struct progress p = {.percent = 7, .text = "before", .takes_record = takes_record};
	bool changed = progress_parse(&p, (const char *)data, size);

	CHECK(p.percent <= 100 || p.percent == UINT32_MAX);
	CHECK(memchr(p.text, '\0', sizeof(p.text)) && memchr(p.record, '\0', sizeof(p.record)));
	CHECK(fuzz_is_text(p.text, strlen(p.text), ""));
	CHECK(fuzz_is_text(p.record, strlen(p.record), "\t"));
	CHECK(takes_record || !*p.record);
	CHECK(changed || (p.percent == 7 && strcmp(p.text, "before") == 0 && !*p.record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse(data, size, false);
	parse(data, size, true);
	return 0;
}
