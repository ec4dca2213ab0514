/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/fd.h"
#include "common/names.h"
#include "common/states.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NFC_E         "\xC3\xA9"  /* e acute, as Windows and Linux send it */
#define NFD_E         "e\xCC\x81" /* and as macOS does */
#define NFC_CAPITAL_E "\xC3\x89"

static const char *const invalid_utf8[] = {
	"\xFF.txt",
	"abc\xC3",          /* cut off */
	"\xC0\xAF",         /* an overlong '/' */
	"\xED\xA0\x80",     /* a surrogate */
	"\xF4\x90\x80\x80", /* above U+10FFFF */
	"a\x80z",
};

static void test_normalise(void **state)
{
	_cleanup_free_ char *a = NULL, *b = NULL;

	(void)state;
	assert_int_equal(name_normalise("Caf" NFD_E " Restart", &a), 0);
	assert_string_equal(a, "Caf" NFC_E " Restart");
	assert_int_equal(name_normalise("Restart", &b), 0);
	assert_string_equal(b, "Restart");
}

static void test_fold(void **state)
{
	_cleanup_free_ char *a = NULL, *b = NULL;

	(void)state;
	assert_int_equal(name_fold("CAF" NFC_CAPITAL_E " Restart", &a), 0);
	assert_string_equal(a, "caf" NFC_E " restart");
	assert_int_equal(name_fold("RESTART [Running]", &b), 0);
	assert_string_equal(b, "restart [running]");
}

static void test_equal(void **state)
{
	static const char *const pairs[][2] = {
		{"Restart", "Restart"}, {"Restart", "rESTART"}, {"", ""},
		{"Caf" NFC_E, "Caf" NFD_E}, {"CAF" NFC_CAPITAL_E, "caf" NFD_E},
		{"\xE2\x84\xAB", "\xC3\xA5"},             /* Angstrom sign */
		{"\xCE\xA3\xCE\xA3", "\xCF\x83\xCF\x82"}, /* a final sigma */
		{"Stra\xC3\x9F"
		 "e",
			"STRASSE"},                                   /* sharp s */
		{"\xE1\xBE\x84", "\xCE\xB1\xCC\x93\xCC\x81\xCD\x85"}, /* alpha with three marks */
		{"\xEA\xB0\x80", "\xE1\x84\x80\xE1\x85\xA1"}, /* Hangul: syllable, letters */
	};

	(void)state;
	for (size_t i = 0; i < N_OF(pairs); i++) {
		assert_true(name_equal(pairs[i][0], pairs[i][1]));
		assert_true(name_equal(pairs[i][1], pairs[i][0]));
	}
}

static void test_not_equal(void **state)
{
	static const char *const pairs[][2] = {
		{"Restart", "Restart "}, {"Restart", "Restar"}, {"Restart", ""},
		{"Cafe", "Caf" NFC_E}, {"@", "`"},         /* a letter's distance, and no letters */
		{"[", "{"}, {"Restart", "R\xD0\xB5start"}, /* a Cyrillic e */
	};

	(void)state;
	for (size_t i = 0; i < N_OF(pairs); i++) {
		assert_false(name_equal(pairs[i][0], pairs[i][1]));
		assert_false(name_equal(pairs[i][1], pairs[i][0]));
	}
}

static void test_invalid_utf8_matches_nothing(void **state)
{
	char *untouched = NULL;

	(void)state;
	for (size_t i = 0; i < N_OF(invalid_utf8); i++) {
		const char *s = invalid_utf8[i];

		assert_int_equal(name_normalise(s, &untouched), -EILSEQ);
		assert_int_equal(name_fold(s, &untouched), -EILSEQ);
		assert_null(untouched);
		assert_false(name_equal(s, s));
		assert_false(name_equal(s, "Restart"));
		assert_false(name_matches("*", s));
		assert_string_equal(name_problem(s), "is not valid UTF-8");
	}
}

static void test_good_names(void **state)
{
	static const char *const good[] = {"Restart", "Clear cache", "Caf" NFC_E, "Caf" NFD_E,
		"name.with.dots.v1.2", "{}", ";,=+'", "^&@#!", "50% done", "Restart (Running)", "a",
		"~tilde", "Console", "com", "COM", "com10", "LPT", "nullify", "auxiliary", "12h30",
		"\xE2\x8F\x8F Eject", "\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xAE", "Status", "#hash",
		"Run", "4914"};

	(void)state;
	for (size_t i = 0; i < N_OF(good); i++)
		assert_null(name_problem(good[i]));
}

static void test_bad_names(void **state)
{
	static const struct {
		const char *name, *part; /* of what is said */
	} bad[] = {
		{"", "empty"},
		{"a/b", "'/'"},
		{"a\\b", "'\\'"},
		{"12:30", "':'"},
		{"what?", "'?'"},
		{"a*", "'*'"},
		{"a|b", "'|'"},
		{"<a", "'<'"},
		{"a>", "'>'"},
		{"\"a\"", "'\"'"},
		{"Restart [now]", "'['"},
		{"]", "']'"},
		{"a\nb", "control"},
		{"\x1B[31mred", "control"},
		{"a\tb", "control"},
		{"a\x7F", "control"},
		{"a\xC2\x85z", "control"},
		{"a\xE2\x80\xA8z", "control"},
		{" a", "begins with a space"},
		{"a ", "ends in a space"},
		{"a.", "ends in a dot"},
		{".hidden", "begins with a dot"},
		{".", "begins with a dot"},
		{"..", "begins with a dot"},
		{"CON", "device"},
		{"con", "device"},
		{"aux.log", "device"},
		{"nul.tar.gz", "device"},
		{"Prn .x", "device"},
		{"COM1", "device"},
		{"lpt9.txt", "device"},
		{"com\xC2\xB2", "device"},
		{"clock$", "device"},
		{"CONIN$", "device"},
		{"Thumbs.db", "editors"},
		{"~$Letter", "editors"},
		{"back~", "editors"},
		{"a.swp", "editors"},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(bad); i++) {
		const char *problem = name_problem(bad[i].name);

		assert_non_null(problem);
		if (!strstr(problem, bad[i].part))
			fail_msg("\"%s\" %s", bad[i].name, problem);
	}
}

static void test_longest_name(void **state)
{
	char name[NAME_ACTION_MAX + 2], file[256], decomposed[3 * 60 + 1] = "";

	(void)state;
	memset(name, 'x', sizeof(name));
	name[NAME_ACTION_MAX] = '\0';
	assert_null(name_problem(name));
	/* With the longest label it still is a file's name: 255 bytes. */
	char label[NAME_LABEL_MAX + 1];
	memset(label, 'L', NAME_LABEL_MAX);
	label[NAME_LABEL_MAX] = '\0';
	assert_true(name_format(file, sizeof(file), name, label, MONIKER_SUFFIX) > 0);
	name[NAME_ACTION_MAX] = 'x';
	name[NAME_ACTION_MAX + 1] = '\0';
	assert_string_equal(name_problem(name), "is longer than 120 bytes");
	/* What counts is what is kept: 60 letters of 2 bytes, though macOS needs 3 for each. */
	for (int i = 0; i < 60; i++)
		memcpy(decomposed + 3 * i, NFD_E, 4);
	assert_null(name_problem(decomposed));
}

static void test_format(void **state)
{
	char buf[64];

	(void)state;
	assert_int_equal(name_format(buf, sizeof(buf), "Restart", NULL, MONIKER_SUFFIX), 11);
	assert_string_equal(buf, "Restart.txt");
	name_format(buf, sizeof(buf), "Restart", "", MONIKER_PREFIX);
	assert_string_equal(buf, "Restart.txt");
	name_format(buf, sizeof(buf), "Restart", "Running 40%", MONIKER_SUFFIX);
	assert_string_equal(buf, "Restart [Running 40%].txt");
	name_format(buf, sizeof(buf), "Restart", "Running 40%", MONIKER_PREFIX);
	assert_string_equal(buf, "[Running 40%] Restart.txt");
	assert_int_equal(name_format(buf, 11, "Restart", NULL, MONIKER_SUFFIX), 0);
	assert_int_equal(name_format(buf, 12, "Restart", NULL, MONIKER_SUFFIX), 11);
}

static void test_parse_undoes_format(void **state)
{
	static const char *const actions[] = {
		"Restart", "Clear cache", "a", NFC_E, "x.txt", "Restart (old)"};
	char file[256], back[256];

	(void)state;
	for (size_t a = 0; a < N_OF(actions); a++)
		for (int s = 0; s < STATE_MAX_; s++)
			for (int m = MONIKER_SUFFIX; m <= MONIKER_PREFIX; m++) {
				assert_true(
					name_format(file, sizeof(file), actions[a],
						state_label((enum state)s), (enum moniker)m) > 0);
				assert_int_equal(
					name_parse(file, back, sizeof(back)), strlen(actions[a]));
				assert_string_equal(back, actions[a]);
			}
}

static void test_parse_what_people_make_of_it(void **state)
{
	static const char *const pairs[][2] = {
		{"RESTART.TXT", "RESTART"},
		{"Restart.Txt", "Restart"},
		{"Restart [].txt", "Restart"},
		{"[] Restart.txt", "Restart"},
		{"Restart.txt.txt", "Restart.txt"},
		{"[Done] [x.txt", NULL},
		{"Restart", NULL},
		{".txt", NULL},
		{"", NULL},
		{"txt", NULL},
		{"[Done].txt", NULL},
		{"[Done] .txt", NULL},
		{" [Done].txt", NULL},
		{"[Done]Restart.txt", NULL},
		{"Restart[Done].txt", NULL},
		{"Restart [Done] [Done].txt", NULL},
		{"[Done] Restart [Done].txt", NULL},
		{"Restart [a]b].txt", NULL},
		{"Restart [Done] - Copy.txt", NULL},
		{"Restart Done].txt", NULL},
		{"].txt", NULL},
		{"[.txt", NULL},
		{"[[Done] Restart.txt", "Restart"},
	};
	char buf[256];

	(void)state;
	for (size_t i = 0; i < N_OF(pairs); i++) {
		size_t n = name_parse(pairs[i][0], buf, sizeof(buf));

		if (!pairs[i][1]) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_string_equal(buf, pairs[i][1]);
		assert_int_equal(n, strlen(buf));
	}
}

static void test_parse_without_room(void **state)
{
	char name[256], buf[252];

	(void)state;
	memset(name, 'x', 251);
	memcpy(name + 251, ".txt", 5);
	assert_int_equal(name_parse(name, buf, 251), 0);
	assert_int_equal(name_parse(name, buf, 252), 251);
	assert_int_equal(name_parse("Restart.txt", buf, 0), 0);
}

static void test_litter(void **state)
{
	static const char *const litter[] = {".DS_Store", "._Restart.txt", "Thumbs.db", "thumbs.DB",
		"desktop.ini", "~$Restart.txt", ".~lock.Restart.txt#", ".Restart.txt.swp",
		"Restart.txt.swx", "Restart.txt~", "#Restart.txt#", ".#Restart.txt",
		".nfs000000000a3b00000001", ".fuse_hidden0000000100000001", "~WRL0001.tmp",
		"Restart.txt.sb-1a2b3c4d-AbCdEf", ".goutputstream-ABC123", "Icon\r", "4913"};
	static const char *const others[] = {"Restart.txt", "Restart [Done].txt", "Status.txt",
		"image.iso", "image.iso.part", ".hidden", "Thumbs.db.txt", "", "~", "swp", "Icon",
		"a~b", "#5.txt"};

	(void)state;
	for (size_t i = 0; i < N_OF(litter); i++)
		assert_true(name_is_litter(litter[i]));
	for (size_t i = 0; i < N_OF(others); i++)
		assert_int_equal(name_is_litter(others[i]), strcmp(others[i], "~") == 0);
}

static void test_partial(void **state)
{
	static const char *const partial[] = {"image.iso.part", "image.iso.crdownload",
		"image.iso.PARTIAL", "image.iso.filepart", "x.tmp", "Safari.download",
		"image.opdownload", "~image.iso"};
	static const char *const whole[] = {
		"image.iso", "part", "party.iso", "tmp", "x.tmp.iso", "app~1.war"};

	(void)state;
	for (size_t i = 0; i < N_OF(partial); i++)
		assert_true(name_is_partial(partial[i]));
	for (size_t i = 0; i < N_OF(whole); i++)
		assert_false(name_is_partial(whole[i]));
}

static void test_patterns(void **state)
{
	(void)state;
	assert_true(name_matches("*.iso", "Image.ISO"));
	assert_true(name_matches("*.ISO", "image.iso"));
	assert_true(name_matches("caf" NFC_E "*.war", "CAF" NFD_E "-1.WAR"));
	assert_true(name_matches("#recycle", "#Recycle"));
	assert_true(name_matches(".Trash-*", ".trash-1000"));
	assert_true(name_matches("disc[0-9].iso", "Disc7.iso"));
	assert_false(name_matches("*.iso", "image.iso.part"));
	assert_false(name_matches("*.iso", "iso"));
	assert_false(name_matches("", "image.iso"));
	assert_false(name_matches("\xFF*", "image.iso"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normalise),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_not_equal),
		cmocka_unit_test(test_invalid_utf8_matches_nothing),
		cmocka_unit_test(test_good_names),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_parse_undoes_format),
		cmocka_unit_test(test_parse_what_people_make_of_it),
		cmocka_unit_test(test_parse_without_room),
		cmocka_unit_test(test_litter),
		cmocka_unit_test(test_partial),
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
