/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of flagman.yaml(5) are those of the schema.  With FLAGMAN_UPDATE set in the environment
 * the page is written anew instead.
 */
#include "unit.h"

#include "common/buf.h"
#include "common/fd.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN    ".\\\" keys begin"
#define END      ".\\\" keys end"
#define COLUMNS  78U
#define PAGE_MAX (1024U * 1024)

/* A line of text may be broken at any blank; mandoc(1) dislikes long ones.  A line that would begin
 * with a dot or a quote would be a request, so it stays where it is. */
static void add_wrapped(struct buf *b, const char *line, size_t len)
{
	size_t cut;

	while (len > COLUMNS && *line != '.') {
		for (cut = COLUMNS; cut && (line[cut] != ' ' || strchr(".'", line[cut + 1])); cut--)
			;
		if (!cut)
			break;
		buf_add(b, line, cut);
		buf_addc(b, '\n');
		line += cut + 1;
		len -= cut + 1;
	}
	buf_add(b, line, len);
	buf_addc(b, '\n');
}

static void table(struct buf *b)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0, n;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	config_print_man_table(f);
	assert_int_equal(fclose(f), 0);
	assert_true(size > 1000);
	for (const char *p = text; *p; p += n + 1) {
		n = strcspn(p, "\n");
		add_wrapped(b, p, n);
	}
}

static void read_page(struct buf *b)
{
	FILE *f = fopen(MAN_PAGE, "re");
	char piece[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(b, piece, n);
	fclose(f);
}

static void write_page(const char *head, size_t head_len, const char *keys, const char *tail)
{
	FILE *f = fopen(MAN_PAGE, "we");

	assert_non_null(f);
	fwrite(head, 1, head_len, f);
	fputs(keys, f);
	fputs(tail, f);
	assert_int_equal(fclose(f), 0);
}

static void test_keys(void **state)
{
	_cleanup_(buf_done) struct buf page = BUF_INIT(PAGE_MAX), want = BUF_INIT(PAGE_MAX);
	const char *begin, *end;

	(void)state;
	read_page(&page);
	table(&want);
	begin = strstr(buf_str(&page), BEGIN);
	end = strstr(buf_str(&page), END);
	assert_true(begin && end && begin < end);
	begin += strcspn(begin, "\n") + 1;
	if (getenv("FLAGMAN_UPDATE")) {
		write_page(page.data, (size_t)(begin - page.data), buf_str(&want), end);
		return;
	}
	if ((size_t)(end - begin) != want.len || memcmp(begin, want.data, want.len) != 0)
		fail_msg("man/flagman.yaml.5 is not what the schema says; run this test with "
			 "FLAGMAN_UPDATE=1 in the environment, and read the difference");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
