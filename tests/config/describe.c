/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the schema says, for check_describe.py:
 *
 *	config-describe keys		place <tab> key <tab> default or nothing
 *	config-describe json|man	what the library prints
 *	config-describe check FILE	problems of a snippet on the fake machine; 1 if it has
 *errors config-describe settings FILE	the same of a flagman.yaml
 */
#include "fake.h"

#include "config/config.h"
#include "config/schema.h"

#include <stdio.h>
#include <string.h>

static void print_keys(void)
{
	for (const struct key *k = schema; k < schema + KEY_N; k++)
		for (unsigned w = 1; w < WHERE_END_; w <<= 1)
			if ((k->where & w) && !k->internal)
				printf("%s\t%s\t%s\n", where_name((enum where)w), k->name,
					k->fallback ? k->fallback : "");
}

static int check(char *path, bool settings)
{
	char *files[] = {settings ? NULL : path, NULL};
	const struct config_options o = {
		.files = files,
		.main_file = settings ? path : NULL,
		.privileged = true,
		.agent_uid = FAKE_UID_FLAGMAN,
	};
	struct config *c;
	size_t n;

	fake_use(&fake_plain);
	if (config_load(&o, &c) < 0)
		return 2;
	config_print_problems(c, stdout);
	n = c->n_problems;
	config_free(c);
	return n > 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "keys") == 0)
		print_keys();
	else if (argc == 2 && strcmp(argv[1], "json") == 0)
		config_print_json_schema(stdout);
	else if (argc == 2 && strcmp(argv[1], "man") == 0)
		config_print_man_table(stdout);
	else if (argc == 3 && (strcmp(argv[1], "check") == 0 || strcmp(argv[1], "settings") == 0))
		return check(argv[2], argv[1][0] == 's');
	else
		return 2;
	return 0;
}
