/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading words and numbers off a line of text. */
#include "executor/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

bool scan_number(const char **text, uint64_t *ret)
{
	const char *at = skip_blanks(*text);
	unsigned long long value;
	char *end;

	if (*at < '0' || *at > '9') /* strtoull() would take signs */
		return false;
	errno = 0;
	value = strtoull(at, &end, 10);
	if (errno)
		return false;
	*ret = value;
	*text = end;
	return true;
}

bool scan_numbers(const char **text, uint64_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!scan_number(text, &ret[i]))
			return false;
	return true;
}

bool scan_word(const char **text, const char *word)
{
	const char *at = skip_blanks(*text);
	size_t len = strcspn(at, " \t\n");

	if (len != strlen(word) || strncmp(at, word, len) != 0)
		return false;
	*text = at + len;
	return true;
}

bool scan_skip(const char **text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *at = skip_blanks(*text);
		size_t len = strcspn(at, " \t\n");
		if (len == 0)
			return false;
		*text = at + len;
	}
	return true;
}
