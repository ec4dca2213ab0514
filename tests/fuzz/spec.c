/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The run specification: what is believed says the same when it is written again. */
#include "fuzz.h"

#include "wire/spec.h"

#define SIZE_AT 8 /* magic, version, size */

static void walk(const struct spec *s, const char *begin, const char *end)
{
	uint32_t sum = 0;
	const char *const *lists[] = {s->argv, s->env};

	CHECK(s->argv[0] && s->leftovers <= SPEC_WAIT);
	CHECK(s->directory >= begin && s->directory + strlen(s->directory) < end);
	CHECK((const char *)(s->groups + s->n_groups) <= s->directory);
	CHECK(!s->apparmor_profile ||
		(*s->apparmor_profile && s->apparmor_profile > s->directory &&
			s->apparmor_profile + strlen(s->apparmor_profile) < end));
	for (uint32_t i = 0; i < s->n_groups; i++)
		sum += s->groups[i];
	for (size_t l = 0; l < 2; l++)
		for (const char *const *at = lists[l]; *at; at++) {
			CHECK(*at > s->directory && *at + strlen(*at) < end);
			sum += (uint32_t) * *at;
		}
	(void)sum;
}

static void decode(const uint8_t *data, size_t size)
{
	_cleanup_(buf_done) struct buf again = BUF_INIT(SPEC_SIZE_MAX);
	_cleanup_(buf_done) struct buf third = BUF_INIT(SPEC_SIZE_MAX);
	_cleanup_free_ struct spec *s = NULL, *copy = NULL;
	int r = spec_decode(data, size, &s);

	CHECK(r == 0 || (r == -EBADMSG && !s));
	if (r < 0)
		return;
	walk(s, (const char *)data, (const char *)data + size);
	CHECK(spec_encode(&again, s) == 0 && again.len == size);
	CHECK(spec_decode(again.data, again.len, &copy) == 0);
	CHECK(spec_encode(&third, copy) == 0 && third.len == size);
	CHECK(memcmp(again.data, third.data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t right = (uint32_t)size;
	uint8_t *copy;

	if (size > SPEC_SIZE_MAX)
		return 0;
	decode(data, size);
	if (size < SIZE_AT + sizeof(right))
		return 0;
	/* A size that is right, which is hard to hit. */
	copy = malloc(size);
	CHECK(copy);
	memcpy(copy, data, size);
	memcpy(copy + SIZE_AT, &right, sizeof(right));
	decode(copy, size);
	free(copy);
	return 0;
}
