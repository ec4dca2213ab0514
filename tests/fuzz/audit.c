/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samba's audit lines, cut anywhere: what is taken can be shown and given to a command as it is,
 * and where the bytes are cut into reads makes no difference. */
#include "fuzz.h"

#include "agent/audit_line.h"

#include <arpa/inet.h>
#include <limits.h>

struct taken {
	unsigned n;
	uint64_t sum;
};

static void add(struct taken *t, const char *s)
{
	while (*s)
		t->sum = t->sum * 31 + (unsigned char)*s++;
	t->sum = t->sum * 31 + '|';
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '|')
			return false;
	return true;
}

static bool is_address(const char *s)
{
	char plain[AUDIT_ADDRESS_MAX];
	unsigned char bytes[16];

	CHECK(strlen(s) < sizeof(plain));
	strcpy(plain, s);
	plain[strcspn(plain, "%")] = '\0';
	return !*s || inet_pton(AF_INET, s, bytes) == 1 || inet_pton(AF_INET6, plain, bytes) == 1;
}

static void check(const struct audit_record *r, void *userdata)
{
	struct taken *t = userdata;

	CHECK(*r->user && strlen(r->user) < AUDIT_USER_MAX && *r->user != '-');
	CHECK(fuzz_is_text(r->user, strlen(r->user), "") && !strpbrk(r->user, AUDIT_NOT_IN_USER));
	CHECK(is_plain(r->address) && is_address(r->address));
	CHECK(*r->path == '/' && strlen(r->path) < PATH_MAX && is_plain(r->path));
	CHECK(!r->to || (*r->to == '/' && strlen(r->to) < PATH_MAX && is_plain(r->to)));
	t->n++;
	add(t, r->user);
	add(t, r->address);
	add(t, r->path);
	add(t, r->to ? r->to : "");
}

/* In reads of STEP bytes. */
static struct taken read_all(const uint8_t *data, size_t size, size_t step)
{
	struct audit_lines *l = calloc(1, sizeof(*l));
	struct taken t = {0};

	CHECK(l);
	for (size_t at = 0; at < size; at += step)
		audit_lines_add(
			l, (const char *)data + at, size - at < step ? size - at : step, check, &t);
	audit_lines_add(l, "\n", 1, check, &t);
	CHECK(l->len == 0 && !l->skip);
	free(l);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct taken whole, pieces;
	size_t step = size ? data[0] % 97 + 1 : 1;

	whole = read_all(data, size, size + 1);
	pieces = read_all(data, size, step);
	CHECK(whole.n == pieces.n && whole.sum == pieces.sum);
	return 0;
}
