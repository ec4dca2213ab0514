/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of files in the share: NAME, and behind a line feed another one, or a pattern. */
#include "fuzz.h"

#include "common/names.h"
#include "common/states.h"

/* What was made of an action's name gives that name. */
static void there_and_back(const char *action)
{
	char file[256], back[256];

	for (int s = 0; s < STATE_MAX_; s++)
		for (int m = MONIKER_SUFFIX; m <= MONIKER_PREFIX; m++) {
			size_t n = name_format(file, sizeof(file), action,
				state_label((enum state)s), (enum moniker)m);

			CHECK(n == strlen(file) && n > 0);
			CHECK(name_parse(file, back, sizeof(back)) == strlen(action));
			CHECK(strcmp(back, action) == 0);
		}
}

static void good_name(const char *name)
{
	_cleanup_free_ char *normal = NULL;

	CHECK(name_normalise(name, &normal) == 0 && strlen(normal) <= NAME_ACTION_MAX);
	CHECK(!name_is_litter(name) && !name_problem(normal));
	CHECK(fuzz_is_text(normal, strlen(normal), ""));
	CHECK(name_matches(name, name));
	there_and_back(normal);
}

/* Decomposed and composed spellings are one name. */
static void other_spellings(const char *name)
{
	_cleanup_free_ char *normal = NULL, *again = NULL, *fold = NULL, *same = NULL;
	_cleanup_free_ char *apart =
		(char *)utf8proc_NFD((const utf8proc_uint8_t *)(uintptr_t)name);
	int r = name_normalise(name, &normal);

	CHECK(r == 0 || r == -EILSEQ);
	CHECK((r == 0) == fuzz_is_text(name, strlen(name),
				  "\001\002\003\004\005\006\a\b\t\n\v\f\r"
				  "\016\017\020\021\022\023\024\025\026"
				  "\027\030\031\032\033\034\035\036\037"
				  "\177"));
	if (r < 0) {
		CHECK(name_problem(name) && name_fold(name, &fold) == -EILSEQ);
		CHECK(!name_matches("*", name));
		return;
	}
	CHECK(name_normalise(normal, &again) == 0 && strcmp(again, normal) == 0);
	CHECK(name_fold(name, &fold) == 0 && name_fold(normal, &same) == 0);
	CHECK(strcmp(fold, same) == 0);
	CHECK(apart && name_equal(name, name) && name_equal(name, normal) &&
		name_equal(apart, name));
}

static void parse(const char *name)
{
	char all[4096], small[16];
	size_t n = name_parse(name, all, sizeof(all));

	CHECK(n < sizeof(all) && (n == 0 || (strlen(all) == n && n + 4 <= strlen(name))));
	CHECK(n == 0 || !strpbrk(all, "[]"));
	CHECK(name_parse(name, small, sizeof(small)) == (n < sizeof(small) ? n : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *name = fuzz_string(data, size), *fold = NULL, *other_fold = NULL;
	char *line = strchr(name, '\n');
	const char *other = line ? line + 1 : "";

	if (size > 1024)
		return 0;
	if (line)
		*line = '\0';
	parse(name);
	other_spellings(name);
	if (!name_problem(name))
		good_name(name);
	name_is_litter(name);
	name_is_partial(name);
	name_matches(other, name);
	CHECK(name_equal(name, other) == name_equal(other, name));
	if (name_fold(name, &fold) == 0 && name_fold(other, &other_fold) == 0)
		CHECK(name_equal(name, other) == (strcmp(fold, other_fold) == 0));
	return 0;
}
