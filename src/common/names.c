/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/names.h"

#include "common/fd.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

static int map(const char *in, utf8proc_option_t options, char **ret)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)in, 0, &out,
		UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | options);

	if (n < 0) {
		free(out);
		return n == UTF8PROC_ERROR_INVALIDUTF8 ? -EILSEQ : -ENOMEM;
	}
	*ret = (char *)out;
	return 0;
}

int name_normalise(const char *in, char **ret)
{
	char *out;

	if (!is_ascii(in))
		return map(in, 0, ret);
	out = strdup(in);
	if (!out)
		return -ENOMEM;
	*ret = out;
	return 0;
}

static char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

int name_fold(const char *in, char **ret)
{
	_cleanup_free_ char *normal = NULL;
	int r = name_normalise(in, &normal);

	if (r < 0)
		return r;
	/* From the NFC form, so that equivalent spellings fold alike (U+0345 would not). */
	if (!is_ascii(normal))
		return map(normal, UTF8PROC_CASEFOLD, ret);
	for (char *p = normal; *p; p++)
		*p = ascii_lower(*p);
	*ret = steal_ptr(&normal);
	return 0;
}

bool name_equal(const char *a, const char *b)
{
	_cleanup_free_ char *fa = NULL, *fb = NULL;

	if (is_ascii(a) && is_ascii(b)) {
		while (*a && ascii_lower(*a) == ascii_lower(*b))
			a++, b++;
		return ascii_lower(*a) == ascii_lower(*b);
	}
	return name_fold(a, &fa) == 0 && name_fold(b, &fb) == 0 && strcmp(fa, fb) == 0;
}

/* What Windows takes for a device, with or without an extension: "aux.log" too. */
static bool is_device_name(const char *name)
{
	static const char *const devices[] = {
		"con", "prn", "aux", "nul", "clock$", "conin$", "conout$"};
	size_t len = strcspn(name, ".");

	while (len > 0 && name[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (strlen(devices[i]) == len && strncasecmp(name, devices[i], len) == 0)
			return true;
	if (strncasecmp(name, "com", 3) != 0 && strncasecmp(name, "lpt", 3) != 0)
		return false;
	if (len == 4)
		return name[3] >= '0' && name[3] <= '9';
	/* Superscript one, two and three count as digits. */
	return len == 5 &&
	       (memcmp(name + 3, "\xC2\xB9", 2) == 0 || memcmp(name + 3, "\xC2\xB2", 2) == 0 ||
		       memcmp(name + 3, "\xC2\xB3", 2) == 0);
}

static const char *character_problem(utf8proc_int32_t c)
{
	switch (c) {
	case '/':
		return "contains '/', which separates directories";
	case '\\':
		return "contains '\\', which Windows cannot show";
	case ':':
		return "contains ':', which Windows cannot show";
	case '?':
		return "contains '?', which Windows cannot show";
	case '*':
		return "contains '*', which Windows cannot show";
	case '|':
		return "contains '|', which Windows cannot show";
	case '<':
	case '>':
		return "contains '<' or '>', which Windows cannot show";
	case '"':
		return "contains '\"', which Windows cannot show";
	case '[':
	case ']':
		return "contains '[' or ']', which are kept for the state";
	default:
		break;
	}
	switch (utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return "contains a control character";
	default:
		return NULL;
	}
}

static const char *characters_problem(const char *name)
{
	const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)name;

	while (*p) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate(p, -1, &c);
		const char *problem;

		if (n <= 0)
			return "is not valid UTF-8";
		problem = character_problem(c);
		if (problem)
			return problem;
		p += n;
	}
	return NULL;
}

static const char *shape_problem(const char *name)
{
	size_t len = strlen(name);

	if (name[0] == ' ')
		return "begins with a space";
	if (name[0] == '.')
		return "begins with a dot, which hides it";
	if (name[len - 1] == ' ')
		return "ends in a space, which Windows cannot show";
	if (name[len - 1] == '.')
		return "ends in a dot, which Windows cannot show";
	if (is_device_name(name))
		return "is a device's name on Windows";
	if (name_is_litter(name))
		return "is a name that editors and systems use for files of their own";
	return NULL;
}

const char *name_problem(const char *name)
{
	_cleanup_free_ char *normal = NULL;
	const char *problem;

	if (!*name)
		return "is empty";
	problem = characters_problem(name);
	if (problem)
		return problem;
	if (name_normalise(name, &normal) < 0)
		return "cannot be normalised";
	_Static_assert(NAME_ACTION_MAX == 120, "the text below says so");
	if (strlen(normal) > NAME_ACTION_MAX)
		return "is longer than 120 bytes";
	return shape_problem(normal);
}

size_t name_format(
	char *buf, size_t size, const char *action, const char *label, enum moniker moniker)
{
	int n;

	if (!label || !*label)
		n = snprintf(buf, size, "%s" NAME_SUFFIX, action);
	else if (moniker == MONIKER_PREFIX)
		n = snprintf(buf, size, "[%s] %s" NAME_SUFFIX, label, action);
	else
		n = snprintf(buf, size, "%s [%s]" NAME_SUFFIX, action, label);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

size_t name_parse(const char *file_name, char *buf, size_t size)
{
	const size_t suffix = strlen(NAME_SUFFIX);
	const char *begin = file_name, *end, *bracket;
	size_t len = strlen(file_name);

	if (len <= suffix || strcasecmp(file_name + len - suffix, NAME_SUFFIX) != 0)
		return 0;
	end = file_name + len - suffix;
	if (*begin == '[') {
		bracket = memchr(begin, ']', (size_t)(end - begin));
		if (!bracket || bracket + 1 >= end || bracket[1] != ' ')
			return 0;
		begin = bracket + 2;
	} else if (end[-1] == ']') {
		bracket = memrchr(begin, '[', (size_t)(end - begin));
		if (!bracket || bracket - begin < 2 || bracket[-1] != ' ' ||
			memchr(bracket, ']', (size_t)(end - 1 - bracket)))
			return 0;
		end = bracket - 1;
	}
	len = (size_t)(end - begin);
	/* No action's name has brackets: what is left with one is somebody else's file. */
	if (len == 0 || len >= size || memchr(begin, '[', len) || memchr(begin, ']', len))
		return 0;
	memcpy(buf, begin, len);
	buf[len] = '\0';
	return len;
}

/* Can the character C of a name stand where the pattern has P? */
static bool same_character(char p, char c)
{
	return p == '*' || p == '?' || tolower((unsigned char)p) == tolower((unsigned char)c);
}

/* The first and last character of a pattern already tell most names apart; fnmatch(3) is slow, and
 * slower still where characters have several bytes.  No pattern here begins or ends with a set. */
static bool may_match(const char *pattern, const char *name)
{
	size_t len = strlen(name);

	return same_character(*pattern, *name) &&
	       same_character(pattern[strlen(pattern) - 1], len ? name[len - 1] : '\0');
}

static bool matches_any(const char *const *patterns, const char *name)
{
	for (; *patterns; patterns++)
		if (may_match(*patterns, name) && fnmatch(*patterns, name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

bool name_is_litter(const char *file_name)
{
	static const char *const patterns[] = {
		/* macOS */
		".DS_Store",
		"._*",
		".AppleDouble",
		".AppleDB",
		".AppleDesktop",
		".apdisk",
		".localized",
		".Spotlight-V100",
		".TemporaryItems",
		".fseventsd",
		".Trashes",
		".VolumeIcon.icns",
		"Icon\r",
		"*.sb-*-??????", /* TextEdit saves through Restart.txt.sb-1a2b3c4d-AbCdEf */
		/* Windows and its Office */
		"Thumbs.db",
		"ehthumbs.db",
		"desktop.ini",
		"$RECYCLE.BIN",
		"System Volume Information",
		"~$*",
		"~WR[A-Z]*.tmp",
		/* editors and desktops */
		".~lock.*#",
		"*.swp",
		"*.swo",
		"*.swx",
		"*~",
		"#*#",
		".#*",
		"4913", /* vim looks with it whether it can write here */
		".goutputstream-*",
		".directory",
		/* NFS and FUSE: a file that was unlinked while open */
		".nfs*",
		".fuse_hidden*",
		NULL,
	};

	return matches_any(patterns, file_name);
}

bool name_is_partial(const char *file_name)
{
	static const char *const patterns[] = {
		"*.part",
		"*.crdownload",
		"*.partial",
		"*.filepart",
		"*.tmp",
		"*.download",
		"*.opdownload",
		"~*",
		".goutputstream-*",
		NULL,
	};

	return matches_any(patterns, file_name);
}

bool name_matches(const char *pattern, const char *name)
{
	_cleanup_free_ char *p = NULL, *n = NULL;

	return name_fold(pattern, &p) == 0 && name_fold(name, &n) == 0 && fnmatch(p, n, 0) == 0;
}
