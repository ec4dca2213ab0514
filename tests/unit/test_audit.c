/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samba's audit lines: which are taken, and what for. */
#include "unit.h"

#include "agent/audit_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAG "/srv/flagman/Apache/Restart.txt"
#define RUN  "/srv/flagman/Apache/Run/Restart.txt"

struct heard {
	unsigned n;
	char user[AUDIT_USER_MAX], address[AUDIT_ADDRESS_MAX], path[256], to[256];
};

static void hear(const struct audit_record *r, void *userdata)
{
	struct heard *h = userdata;

	h->n++;
	snprintf(h->user, sizeof(h->user), "%s", r->user);
	snprintf(h->address, sizeof(h->address), "%s", r->address);
	snprintf(h->path, sizeof(h->path), "%s", r->path);
	snprintf(h->to, sizeof(h->to), "%s", r->to ? r->to : "");
}

static struct heard read_bytes(const char *data, size_t len, size_t step)
{
	struct audit_lines *l = calloc(1, sizeof(*l));
	struct heard h = {0};

	assert_non_null(l);
	for (size_t at = 0; at < len; at += step)
		audit_lines_add(l, data + at, len - at < step ? len - at : step, hear, &h);
	free(l);
	return h;
}

static struct heard read_text(const char *text)
{
	return read_bytes(text, strlen(text), strlen(text));
}

static void takes(const char *text, const char *user, const char *address, const char *to)
{
	struct heard h = read_text(text);

	assert_int_equal(h.n, 1);
	assert_string_equal(h.user, user);
	assert_string_equal(h.address, address);
	assert_string_equal(h.path, FLAG);
	assert_string_equal(h.to, to);
}

static void refuses(const char *text)
{
	struct heard h = read_text(text);

	if (h.n)
		print_error("taken: %s", text);
	assert_int_equal(h.n, 0);
}

static void forms_are_taken(void **state)
{
	(void)state;
	takes("alice|127.0.0.1|pc7|flags|unlinkat|ok|" FLAG "\n", "alice", "127.0.0.1", "");
	takes("alice|127.0.0.1||flags|renameat|ok|" FLAG "|" RUN "\n", "alice", "127.0.0.1", RUN);
	takes("alice|127.0.0.1||flags|unlink|ok|" FLAG "\n", "alice", "127.0.0.1", "");
	takes("alice|127.0.0.1||flags|rename|ok|" FLAG "|" RUN "\n", "alice", "127.0.0.1", RUN);
	takes("<173>Nov 20 23:49:11 smbd_audit: alice|10.1.2.3||flags|unlinkat|ok|" FLAG "\n",
		"alice", "10.1.2.3", "");
	takes("2026-11-20T23:49:11.123456+00:00 host smbd_audit[4711]: alice|10.1.2.3||flags|"
	      "unlinkat|ok|" FLAG "\n",
		"alice", "10.1.2.3", "");
	takes("[2026/11/20 23:49:07.256938,  1] "
	      "../../source3/modules/vfs_full_audit.c:643(do_log)\n"
	      "  alice|127.0.0.1||flags|unlinkat|ok|" FLAG "\n",
		"alice", "127.0.0.1", "");
}

static void people_and_addresses(void **state)
{
	(void)state;
	takes("DOM\\alice|::1||f|unlinkat|ok|" FLAG "\n", "DOM\\alice", "::1", "");
	takes("DOM\\al ice|fe80::1%eth0||f|unlinkat|ok|" FLAG "\n", "DOM\\al ice", "fe80::1%eth0",
		"");
	takes("J\xc3\xbcrgen|::ffff:10.1.2.3||f|unlinkat|ok|" FLAG "\n", "J\xc3\xbcrgen",
		"::ffff:10.1.2.3", "");
	takes("alice|||f|unlinkat|ok|" FLAG "\n", "alice", "", "");
	takes("smbd_audit|::1||f|unlinkat|ok|" FLAG "\n", "smbd_audit", "::1", "");
}

static void other_lines_are_refused(void **state)
{
	(void)state;
	refuses("\n\n\n");
	refuses("alice\n");
	refuses("|||||||||||||||||||||||||||||\n");
	refuses("alice|::1||f|unlinkat|fail (Permission denied)|" FLAG "\n");
	refuses("alice|::1||f|create_file|ok|0x110080|file|open|" FLAG "\n");
	refuses("alice|::1||f|mkdirat|ok|" FLAG "\n");
	refuses("alice|::1||f|unlinkat|ok\n");
	refuses("alice|::1||f|renameat|ok|" FLAG "\n");
	refuses("alice|::1||f|renameat|ok|" FLAG "|Run/Restart.txt\n");
	refuses("alice|::1||f|unlinkat|ok|Restart.txt\n");
	refuses("alice|::1||f|unlinkat|ok|" FLAG); /* not ended */
}

static void forged_lines_are_refused(void **state)
{
	static const char with_nul[] = "alice\0|::1||f|unlinkat|ok|" FLAG "\n";

	(void)state;
	refuses("al|ice|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("alice|::1||f|unlinkat|ok|" FLAG "|more\n");
	refuses("alice|::1||f|renameat|ok|" FLAG "|" RUN "|more\n");
	refuses("|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("-rf|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("../alice|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("$(reboot)|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("alice;reboot|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("'alice|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("alice|somewhere||f|unlinkat|ok|" FLAG "\n");
	refuses("alice|999.1.1.1||f|unlinkat|ok|" FLAG "\n");
	refuses("alice|10.1.2.3%eth0||f|unlinkat|ok|" FLAG "\n");
	refuses("alice|fe80::1%a b||f|unlinkat|ok|" FLAG "\n");
	refuses("a\x1b[31mlice|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("alice|::1|\t|f|unlinkat|ok|" FLAG "\n");
	refuses("a\xff|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("a\xe2\x80\xae|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("Nov 20 23:49:11 host other[17]: alice|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("host smbd_audit[x]: alice|::1||f|unlinkat|ok|" FLAG "\n");
	refuses("alice|::1||f|unlinkat|ok|" FLAG "\r\n");
	assert_int_equal(read_bytes(with_nul, sizeof(with_nul) - 1, 64).n, 0);
}

/* PREFIX, N times FILL, SUFFIX. */
static struct heard read_filled(const char *prefix, size_t n, char fill, const char *suffix)
{
	size_t len = strlen(prefix) + n + strlen(suffix);
	char *text = malloc(len + 1);
	struct heard h;

	assert_non_null(text);
	memset(text, fill, len);
	memcpy(text, prefix, strlen(prefix));
	memcpy(text + strlen(prefix) + n, suffix, strlen(suffix) + 1);
	h = read_bytes(text, len, 4096);
	free(text);
	return h;
}

static void lengths(void **state)
{
	(void)state;
	assert_int_equal(
		read_filled("", AUDIT_USER_MAX - 1, 'a', "|::1||f|unlinkat|ok|" FLAG "\n").n, 1);
	assert_int_equal(
		read_filled("", AUDIT_USER_MAX, 'a', "|::1||f|unlinkat|ok|" FLAG "\n").n, 0);
	assert_int_equal(read_filled("alice|::1||f|unlinkat|ok|/", 4094, 'x', "\n").n, 1);
	assert_int_equal(read_filled("alice|::1||f|unlinkat|ok|/", 4095, 'x', "\n").n, 0);
	assert_int_equal(
		read_filled("alice|::1|", AUDIT_ADDRESS_MAX, ':', "|f|unlinkat|ok|" FLAG "\n").n,
		1); /* the machine's name is the client's, and nobody's business */
	assert_int_equal(
		read_filled("alice|", AUDIT_ADDRESS_MAX, ':', "||f|unlinkat|ok|" FLAG "\n").n, 0);
}

static void an_endless_line_costs_nothing_but_itself(void **state)
{
	struct heard h = read_filled(
		"alice|::1||f|unlinkat|ok|/", 1 << 20, 'x', "\nbob|::1||f|unlinkat|ok|" FLAG "\n");

	(void)state;
	assert_int_equal(h.n, 1);
	assert_string_equal(h.user, "bob");
	/* its end alone is no line */
	h = read_filled("", 1 << 20, 'x', "alice|::1||f|unlinkat|ok|" FLAG "\n");
	assert_int_equal(h.n, 0);
}

static void reads_may_end_anywhere(void **state)
{
	static const char text[] = "noise\n"
				   "alice|10.1.2.3||f|unlinkat|ok|" FLAG "\n"
				   "bob|10.1.2.4||f|renameat|ok|" FLAG "|" RUN "\n";

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		struct heard h = read_bytes(text, sizeof(text) - 1, step);

		assert_int_equal(h.n, 2);
		assert_string_equal(h.user, "bob");
		assert_string_equal(h.address, "10.1.2.4");
		assert_string_equal(h.to, RUN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_taken),
		cmocka_unit_test(people_and_addresses),
		cmocka_unit_test(other_lines_are_refused),
		cmocka_unit_test(forged_lines_are_refused),
		cmocka_unit_test(lengths),
		cmocka_unit_test(an_endless_line_costs_nothing_but_itself),
		cmocka_unit_test(reads_may_end_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
