/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/records.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX         "0123456789abcdef"
#define LINE_LENGTH 1024               /* what the agent writes has less than 700 */
#define BYTES_MAX   (16 * 1024 * 1024) /* it writes 4 MiB at most; the newest come first */

static bool copy(char *to, size_t size, const char *from)
{
	return from && snprintf(to, size, "%s", from) < (int)size;
}

/* Takes LINE apart. */
static bool read_record(char *line, const char *id, struct burned *ret)
{
	const char *its = strsep(&line, "\t"), *length = strsep(&line, "\t");
	const char *sha256 = strsep(&line, "\t"), *when = strsep(&line, "\t");
	char *end = NULL;

	if (!line || strcmp(its, id) != 0)
		return false;
	line[strcspn(line, "\n")] = '\0';
	ret->length = strtoull(length, &end, 10);
	return *length >= '1' && *length <= '9' && !*end && ret->length <= INT64_MAX &&
	       strlen(sha256) == 64 && strspn(sha256, HEX) == 64 &&
	       copy(ret->sha256, sizeof(ret->sha256), sha256) &&
	       copy(ret->when, sizeof(ret->when), when) && copy(ret->name, sizeof(ret->name), line);
}

static bool is_known(const struct burned *found, size_t n, const struct burned *b)
{
	for (size_t i = 0; i < n; i++)
		if (found[i].length == b->length && strcmp(found[i].sha256, b->sha256) == 0)
			return true;
	return false;
}

static int shorter(const void *a, const void *b)
{
	const struct burned *x = a, *y = b;

	return (x->length > y->length) - (x->length < y->length);
}

size_t records_find(const char *path, const char *id, struct burned found[RECORDS_MAX])
{
	bool standard_input = path && strcmp(path, "-") == 0;
	FILE *f = !path ? NULL : standard_input ? stdin : fopen(path, "re");
	char line[LINE_LENGTH];
	size_t n = 0, bytes = 0;
	bool begins = true;

	while (f && *id && n < RECORDS_MAX && bytes < BYTES_MAX && fgets(line, sizeof(line), f)) {
		bool whole = begins && strchr(line, '\n');
		begins = strchr(line, '\n');
		bytes += begins ? strlen(line) : sizeof(line);
		if (whole && read_record(line, id, &found[n]) && !is_known(found, n, &found[n]))
			n++;
	}
	if (f && !standard_input)
		fclose(f);
	qsort(found, n, sizeof(*found), shorter);
	return n;
}
