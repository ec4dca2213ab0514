/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of a disc, as a command put it into its claim. */
#include "fuzz.h"

#include "agent/disc.h"

#define ENDS(array) (memchr((array), '\0', sizeof(array)) != NULL)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_string(data, size);
	_cleanup_(buf_done) struct buf out = BUF_INIT(64 * 1024);
	struct run r = {.id = 1};
	char words[128];
	struct disc d;

	if (!disc_parse(text, &d))
		return 0;
	CHECK(d.run == 0 && *d.verb && *d.verdict);
	CHECK(ENDS(d.verb) && ENDS(d.verdict) && ENDS(d.against) && ENDS(d.sha256) && ENDS(d.id));
	CHECK(ENDS(d.media) && ENDS(d.product) && ENDS(d.image));
	CHECK((!*d.sha256 || fuzz_is_hex(d.sha256, 64)) && (!*d.id || fuzz_is_hex(d.id, 32)));
	CHECK(d.length <= INT64_MAX && d.speed <= INT64_MAX);
	disc_verdict_words(&d, words, sizeof(words));
	CHECK(strlen(words) < sizeof(words) - 1 &&
		strncmp(words, d.verdict, strlen(d.verdict)) == 0);
	CHECK(disc_result(&out, &r, &d, 0) == 0);
	CHECK(fuzz_is_text(buf_str(&out), out.len, "\r\n"));
	return 0;
}
