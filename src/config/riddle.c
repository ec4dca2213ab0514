/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libyaml says where it stopped understanding, in a parser's words: "did not find expected key".
 * Here that becomes what a person did.  It looks at the text around the place and guesses; a guess
 * costs nothing, as the place is right in any case.
 */
#include "config/loader.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct line {
	const char *text;
	size_t len;
	size_t indent; /* spaces and tabs before the first other character */
};

static struct line measure(const char *text, const char *end)
{
	const char *stop = memchr(text, '\n', (size_t)(end - text));
	struct line line = {.text = text};

	line.len = (size_t)((stop ? stop : end) - text);
	while (line.len && isspace((unsigned char)line.text[line.len - 1]))
		line.len--;
	while (line.indent < line.len &&
		(line.text[line.indent] == ' ' || line.text[line.indent] == '\t'))
		line.indent++;
	return line;
}

/* Line NUMBER (from 1); empty behind the end. */
static struct line get_line(const struct loader *l, unsigned number)
{
	const char *p = l->text, *end = l->text + l->text_len;

	if (l->text_len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (unsigned i = 1; i < number; i++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return (struct line){.text = ""};
		p++;
	}
	return measure(p, end);
}

/* The nearest line above NUMBER that says something; its number, or 0. */
static unsigned line_above(const struct loader *l, unsigned number, struct line *ret)
{
	while (--number > 0) {
		*ret = get_line(l, number);
		if (ret->len && ret->text[ret->indent] != '#')
			return number;
	}
	return 0;
}

static bool tab_in_indent(const struct line *line)
{
	return memchr(line->text, '\t', line->indent) != NULL;
}

/* Where in the line ": " (or ":" at its end) stands first, from FROM; its length if nowhere. */
static size_t find_colon(const struct line *line, size_t from)
{
	for (size_t i = from; i < line->len; i++)
		if (line->text[i] == ':' && (i + 1 == line->len || line->text[i + 1] == ' '))
			return i;
	return line->len;
}

/* "key: value", with something behind the colon that is a plain text. */
static bool has_plain_value(const struct line *line)
{
	size_t i = find_colon(line, line->indent);

	if (i >= line->len)
		return false;
	i++;
	while (i < line->len && line->text[i] == ' ')
		i++;
	return i < line->len && !strchr("#&*!|>'\"%@`[{", line->text[i]);
}

static bool has_hash(const struct line *line)
{
	return memmem(line->text, line->len, " #", 2) != NULL;
}

/* The token at COLUMN (from 1), up to the next space or a closing bracket. */
static const char *token_at(const struct line *line, unsigned column, char buf[static 40])
{
	size_t n = 0;

	for (size_t i = column - 1; i < line->len && n < 39; i++) {
		if (strchr(" ,]}#", line->text[i]))
			break;
		buf[n++] = line->text[i];
	}
	buf[n] = '\0';
	return buf;
}

static bool says(const struct yaml_trouble *t, const char *words)
{
	return strstr(t->problem, words) != NULL;
}

static bool in_context(const struct yaml_trouble *t, const char *words)
{
	return t->context && strstr(t->context, words) != NULL;
}

/* What is no text at all. */
static bool encoding(struct loader *l, const struct yaml_trouble *t, struct place *at)
{
	size_t offset = t->offset < l->text_len ? t->offset : l->text_len;

	if (t->line)
		return false;
	/* libyaml blames the byte behind the one that promised more. */
	for (int i = 0; i < 3 && offset > 0 && says(t, "trailing"); i++)
		if ((unsigned char)l->text[--offset] >= 0xc0)
			break;
	at->line = at->column = 1;
	for (size_t i = 0; i < offset; i++) {
		if (((unsigned char)l->text[i] & 0xc0) != 0x80)
			at->column++;
		if (l->text[i] == '\n') {
			at->line++;
			at->column = 1;
		}
	}
	if (says(t, "control characters"))
		wrong_at(l, at, "a control character stands here");
	else
		wrong_at(l, at, "this is not UTF-8 (byte 0x%02x); save the file as UTF-8",
			(unsigned)(unsigned char)l->text[offset]);
	return true;
}

/* Characters that begin something else than a text. */
static bool first_character(struct loader *l, const struct yaml_trouble *t, struct place *at)
{
	struct line line = get_line(l, at->line);
	char token[40];
	unsigned column = t->began_line == at->line ? t->began_column : at->column;

	if (in_context(t, "scanning an alias") || in_context(t, "scanning an anchor") ||
		in_context(t, "a tag") || says(t, "undefined tag handle")) {
		at->column = column;
		token_at(&line, column, token);
		/* Nothing else is repeated: it may be half a password. */
		if (strncmp(token, "*.", 2) == 0)
			return !wrong_at(l, at, "a pattern needs quotes: \"%s\"", token);
		return !wrong_at(l, at, "a text that begins with %c needs quotes", token[0]);
	}
	if (says(t, "cannot start any token") || in_context(t, "scanning a directive")) {
		token_at(&line, column, token);
		return !wrong_at(l, at, "a text that begins with %c needs quotes", token[0]);
	}
	return false;
}

static bool quotes(struct loader *l, const struct yaml_trouble *t, struct place *at)
{
	if (says(t, "unknown escape") || says(t, "hexdecimal") || says(t, "escape code"))
		return !wrong_at(l, at,
			"in double quotes a backslash begins an escape; write \\\\, or use single "
			"quotes");
	if (!in_context(t, "quoted scalar"))
		return false;
	at->line = t->began_line;
	at->column = t->began_column;
	return !wrong_at(l, at, "the quote that begins here is not closed");
}

static bool brackets(struct loader *l, const struct yaml_trouble *t, struct place *at)
{
	if (in_context(t, "flow sequence") || in_context(t, "flow mapping"))
		return !wrong_at(l, at,
			"the %c of line %u is not closed, or a comma is missing before this",
			in_context(t, "sequence") ? '[' : '{', t->began_line);
	if (says(t, "node content"))
		return !wrong_at(l, at, "a value is missing before this, or this is too much");
	return false;
}

/* A group that is indented under "object: Apache", which has its value already. */
static bool under_scalar(struct loader *l, const struct line *line, struct place *at)
{
	struct line above;

	if (!line_above(l, at->line, &above) || line->indent <= above.indent ||
		!has_plain_value(&above))
		return false;
	at->column = (unsigned)line->indent + 1;
	if (has_hash(&above) && find_colon(line, line->indent) == line->len)
		return !wrong_at(l, at,
			"' #' in the line above begins a comment and ends the text there; put the "
			"text in quotes");
	return !wrong_at(l, at,
		"this is indented below \"%.*s\", which has its value already; move it left, into "
		"column %zu",
		(int)(find_colon(&above, above.indent) - above.indent + 1),
		above.text + above.indent, above.indent + 1);
}

/* "object:Apache" */
static bool no_space(struct loader *l, const struct line *line, unsigned number, struct place *at)
{
	const char *colon = memchr(line->text, ':', line->len);

	if (!colon || find_colon(line, 0) < line->len)
		return false;
	at->line = number;
	at->column = (unsigned)(colon - line->text) + 1;
	return !wrong_at(l, at, "a space is missing behind the colon");
}

static bool colons(struct loader *l, const struct yaml_trouble *t, struct place *at)
{
	struct line line = get_line(l, at->line), above;
	unsigned number;
	size_t first = find_colon(&line, line.indent);

	if (says(t, "mapping values are not allowed") || says(t, "mapping keys are not allowed")) {
		if (first + 1 < line.len && find_colon(&line, first + 1) < line.len)
			return !wrong_at(
				l, at, "': ' stands within a text: put the text in quotes");
		number = line_above(l, at->line, &above);
		return (number && no_space(l, &above, number, at)) || under_scalar(l, &line, at);
	}
	if (!says(t, "expected ':'"))
		return false;
	at->line = t->began_line ? t->began_line : at->line;
	at->column = t->began_line ? t->began_column : at->column;
	line = get_line(l, at->line);
	if (no_space(l, &line, at->line, at) || under_scalar(l, &line, at))
		return true;
	return !wrong_at(l, at,
		"this line is neither \"key: value\" nor an entry of a list that begins with \"- "
		"\"");
}

static bool indentation(struct loader *l, const struct yaml_trouble *t, struct place *at)
{
	struct line line = get_line(l, at->line);
	bool behind = at->column > line.indent + 1;

	if (says(t, "block sequence entries are not allowed"))
		return !wrong_at(l, at,
			"a list begins in a line of its own: put this \"-\" into the next line");
	if (in_context(t, "block scalar") || says(t, "violates indentation"))
		return !wrong_at(l, at,
			"behind | or > stands nothing but a comment; the text begins in the next "
			"line, indented with spaces");
	if (says(t, "'-' indicator"))
		return !wrong_at(l, at,
			"the list that begins in line %u goes on only with \"- \" in column %u",
			t->began_line, t->began_column);
	if (says(t, "expected key") && behind)
		return !wrong_at(l, at,
			"something stands behind a text in quotes or behind a closing bracket; "
			"within '...' a quote is written twice");
	if (says(t, "expected key") && under_scalar(l, &line, at))
		return true;
	if (says(t, "expected key"))
		return !wrong_at(l, at,
			"the indentation fits nothing above; the keys beside this one begin in "
			"column %u (line %u)",
			t->began_column, t->began_line);
	if (says(t, "document start"))
		return !wrong_at(l, at,
			"this does not belong to what stands above it; begin a new document with "
			"a line ---");
	return false;
}

static void limit(struct loader *l, enum yaml_limit limit, const struct place *at)
{
	switch (limit) {
	case LIMIT_DEPTH:
		wrong_at(l, at, "lists and mappings are nested more than %d deep", YAML_DEPTH_MAX);
		break;
	case LIMIT_WEIGHT:
		wrong_at(l, at, "this is more than a million values, its aliases counted");
		break;
	case LIMIT_TOTAL:
		wrong_at(l, at, "the file has more than eight million values, its aliases counted");
		break;
	case LIMIT_ANCHORS:
		wrong_at(
			l, at, "there are more than %d anchors in this document", YAML_ANCHORS_MAX);
		break;
	case LIMIT_MERGES:
		wrong_at(l, at, "more than %d keys are merged here", YAML_MERGE_MAX);
		break;
	case LIMIT_NUL:
		wrong_at(l, at, "a text has a NUL character in it");
		break;
	default:
		l->error = -ENOMEM;
		break;
	}
}

void riddle(struct loader *l, const struct yaml_trouble *t)
{
	struct place at = {.file = l->file, .line = t->line, .column = t->column};
	struct line line;

	if (t->limit != LIMIT_NONE) {
		limit(l, t->limit, &at);
		return;
	}
	if (encoding(l, t, &at))
		return;
	line = get_line(l, t->line);
	if (t->context || strstr(t->problem, "not allowed")) {
		if (tab_in_indent(&line)) {
			at.column = (unsigned)((const char *)memchr(line.text, '\t', line.indent) -
					       line.text) +
				    1;
			wrong_at(l, &at, "a tab stands here: YAML is indented with spaces");
			return;
		}
		if (first_character(l, t, &at) || quotes(l, t, &at) || brackets(l, t, &at) ||
			colons(l, t, &at) || indentation(l, t, &at))
			return;
	} else if (indentation(l, t, &at)) {
		return;
	}
	wrong_at(l, &at, "this is no YAML: %s", t->problem);
}
