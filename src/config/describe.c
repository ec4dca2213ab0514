/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schema for people and for editors: the tables of flagman.yaml(5), and a JSON Schema.
 */
#include "config/loader.h"

#include <stdio.h>
#include <string.h>

/* ---- mdoc ---- */

/* A dot or a quote at the beginning of a line, and a backslash, mean something to mdoc. */
static void put_roff(FILE *out, const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", out);
	for (; *s; s++)
		if (*s == '\\')
			fputs("\\e", out);
		else
			fputc(s[0] == ' ' && s[-1] == '.' ? '\n' : *s,
				out); /* a sentence, a line */
}

static const char *type_words(const struct key *k, char *buf, size_t size)
{
	size_t n = 0;

	switch (k->type) {
	case TYPE_BOOL:
		return "yes or no";
	case TYPE_DURATION:
		return k->never ? "a duration, or never" : "a duration";
	case TYPE_CONFIRM:
		return "no, or a duration";
	case TYPE_SIZE:
		return k->never ? "a size, or none" : "a size";
	case TYPE_COUNT:
	case TYPE_NICE:
		return "a number";
	case TYPE_JOURNAL:
		return "journal, or a path";
	case TYPE_MODE:
		return "a mode";
	case TYPE_TRIGGERS:
		return "a list of delete, move";
	case TYPE_NAMES:
	case TYPE_RUN_GROUPS:
		return "a list";
	case TYPE_CAPS:
		return "a list of capabilities, all or none";
	case TYPE_STATUSES:
		return "a list of numbers";
	case TYPE_WORD:
		for (size_t i = 0; k->words[i] && n < size; i++)
			n += (size_t)snprintf(
				buf + n, size - n, "%s%s", i ? " | " : "", k->words[i]);
		return buf;
	default:
		return NULL;
	}
}

static void man_key(const struct key *k, FILE *out)
{
	char buf[160];
	const char *words = type_words(k, buf, sizeof(buf));

	fprintf(out, ".It Cm %s", k->name);
	if (words)
		fprintf(out, " : No %s", words);
	fputc('\n', out);
	put_roff(out, k->text);
	fputc('\n', out);
	if (k->required)
		fputs("Required.\n", out);
	else if (k->fallback || k->unless)
		fprintf(out, "Default:\n.Ql %s .\n", k->fallback ? k->fallback : k->unless);
}

static void man_section(enum where w, const char *title, FILE *out)
{
	fprintf(out, ".Ss %s\n.Bl -tag -width Ds\n", title);
	for (const struct key *k = schema; k < schema + KEY_N; k++) {
		/* What may also stand elsewhere is described with the actions. */
		if (!(k->where & w) || k->internal || (w == IN_GROUP && (k->where & IN_ACTION)))
			continue;
		man_key(k, out);
	}
	fputs(".El\n", out);
}

void config_print_man_table(FILE *out)
{
	man_section(IN_DOCUMENT, "Keys of a snippet", out);
	man_section(IN_GROUP, "Keys of action-group", out);
	man_section(IN_DIRECTORY, "Keys of directory", out);
	man_section(IN_FILE, "Keys of file", out);
	man_section(IN_LABELS, "Keys of labels", out);
	man_section(IN_ACTION, "Keys of an action", out);
	man_section(IN_SERVICE, "Keys of service", out);
	man_section(IN_BURN, "Keys of burn", out);
	man_section(IN_VERIFY, "Keys of verify", out);
	man_section(IN_EJECT, "Keys of eject", out);
	man_section(IN_DROP, "Keys of drop", out);
	man_section(IN_SETTINGS, "Keys of flagman.yaml", out);
}

/* ---- JSON Schema ---- */

static void put_json(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

#define TEXT_SCHEMA "\"type\": [\"string\", \"number\", \"boolean\"]"
#define TEXT_LIST_SCHEMA \
	"\"anyOf\": [{" TEXT_SCHEMA "}, {\"type\": \"array\", \"items\": {" TEXT_SCHEMA "}}]"
#define DURATION_PATTERN "([0-9.]+ *[a-zA-Z\xc2\xb5\xce\xbc]+ *)+|0"
#define SIZE_PATTERN     "[0-9.]+ *([kKMGT]i?B?|B|bytes?)|0"

static void put_pattern(FILE *out, const char *pattern, const char *word)
{
	fprintf(out,
		"\"anyOf\": [{\"type\": \"string\", \"pattern\": \"^(%s%s%s)$\"}, {\"const\": 0}]",
		pattern, word ? "|" : "", word ? word : "");
}

static void put_type(const struct key *k, FILE *out)
{
	switch (k->type) {
	case TYPE_BOOL:
		fputs("\"enum\": [true, false, \"yes\", \"no\"]", out);
		break;
	case TYPE_DURATION:
		put_pattern(out, DURATION_PATTERN, k->never ? "never|infinity" : NULL);
		break;
	case TYPE_CONFIRM:
		fputs("\"anyOf\": [{\"enum\": [false, \"no\"]}, {\"type\": \"string\", "
		      "\"pattern\": "
		      "\"^(" DURATION_PATTERN ")$\"}]",
			out);
		break;
	case TYPE_SIZE:
		put_pattern(out, SIZE_PATTERN, k->never ? "none|infinity" : NULL);
		break;
	case TYPE_COUNT:
		fprintf(out, "\"type\": \"integer\", \"minimum\": %llu, \"maximum\": %llu",
			(unsigned long long)k->low, (unsigned long long)k->high);
		break;
	case TYPE_NICE:
		fputs("\"type\": \"integer\", \"minimum\": -20, \"maximum\": 19", out);
		break;
	case TYPE_MODE: /* YAML 1.1 readers make a number of 0770, others a text of 0o770 */
		fputs("\"type\": [\"string\", \"integer\"]", out);
		break;
	case TYPE_WORD:
		fputs("\"enum\": [", out);
		for (size_t i = 0; k->words[i]; i++) {
			fputs(i ? ", " : "", out);
			put_json(out, k->words[i]);
		}
		fputc(']', out);
		break;
	case TYPE_TRIGGERS:
		fputs("\"anyOf\": [{\"enum\": [\"delete\", \"move\"]}, {\"type\": \"array\", "
		      "\"items\": {\"enum\": [\"delete\", \"move\"]}}]",
			out);
		break;
	case TYPE_NAMES:
	case TYPE_RUN_GROUPS:
	case TYPE_CAPS:
	case TYPE_STATUSES:
	case TYPE_LINE:
		fputs(TEXT_LIST_SCHEMA, out);
		break;
	case TYPE_ENVIRONMENT:
		fputs("\"anyOf\": [{" TEXT_SCHEMA "}, {\"type\": \"array\", \"items\": {\"type\": "
		      "\"string\"}}, {\"type\": \"object\", \"additionalProperties\": {" TEXT_SCHEMA
		      "}}]",
			out);
		break;
	case TYPE_TABLE:
		fprintf(out, "\"$ref\": \"#/$defs/%s\"",
			k->extra == IN_COMMAND ? "defaults" : where_name((enum where)k->extra));
		break;
	case TYPE_GROUPS:
		fputs("\"anyOf\": [{\"$ref\": \"#/$defs/action-group\"}, {\"type\": \"array\", "
		      "\"items\": {\"$ref\": \"#/$defs/action-group\"}}]",
			out);
		break;
	case TYPE_ACTIONS:
		fputs("\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": "
		      "\"#/$defs/action\"}",
			out);
		break;
	case TYPE_ANY:
		fputs("\"anyOf\": [{\"type\": \"null\"}, {\"$ref\": \"#/$defs/action\"}]", out);
		break;
	default:
		fputs(TEXT_SCHEMA, out);
		break;
	}
}

static void put_object(enum where w, FILE *out, const char *indent)
{
	const char *separator = "";

	fprintf(out, "%s\"type\": \"object\",\n%s\"additionalProperties\": false,\n", indent,
		indent);
	fprintf(out, "%s\"properties\": {", indent);
	for (const struct key *k = schema; k < schema + KEY_N; k++) {
		if (!(k->where & w) || k->internal)
			continue;
		fprintf(out, "%s\n%s  ", separator, indent);
		put_json(out, k->name);
		fputs(": {", out);
		put_type(k, out);
		fputs(", \"description\": ", out);
		put_json(out, k->text);
		fputc('}', out);
		separator = ",";
	}
	fprintf(out, "\n%s}", indent);
	separator = "";
	for (const struct key *k = schema; k < schema + KEY_N; k++) {
		/* "- action: {...}" has its name within; another file may have the directory. */
		if (!(k->where & w) || !k->required || (w & (IN_ACTION | IN_GROUP)))
			continue;
		fprintf(out, "%s", *separator ? ", " : "");
		if (!*separator)
			fprintf(out, ",\n%s\"required\": [", indent);
		put_json(out, k->name);
		separator = ",";
	}
	fputs(*separator ? "]\n" : "\n", out);
}

static void put_definition(enum where w, const char *name, FILE *out, bool last)
{
	fprintf(out, "    \"%s\": {\n", name);
	put_object(w, out, "      ");
	fprintf(out, "    }%s\n", last ? "" : ",");
}

void config_print_json_schema(FILE *out)
{
	fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
	      "  \"title\": \"flagman snippet\",\n",
		out);
	fputs("  \"$ref\": \"#/$defs/snippet\",\n  \"$defs\": {\n", out);
	put_definition(IN_DOCUMENT, "snippet", out, false);
	put_definition(IN_GROUP, "action-group", out, false);
	put_definition(IN_DIRECTORY, "directory", out, false);
	put_definition(IN_FILE, "file", out, false);
	put_definition(IN_LABELS, "labels", out, false);
	put_definition(IN_COMMAND, "defaults", out, false);
	put_definition(IN_ACTION, "action", out, false);
	put_definition(IN_SERVICE, "service", out, false);
	put_definition(IN_BURN, "burn", out, false);
	put_definition(IN_VERIFY, "verify", out, false);
	put_definition(IN_EJECT, "eject", out, false);
	put_definition(IN_DROP, "drop", out, false);
	put_definition(IN_SETTINGS, "settings", out, true);
	fputs("  }\n}\n", out);
}
