/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of flagman(1), in the order in which --help shows them. */
#include "cli/cli.h"

#include <stddef.h>

const struct verb cli_verbs[] = {
	{"status", "[OBJECT[/GROUP][/ACTION]] [--follow] [--names]", "what each button shows now",
		OPTION_FOLLOW | OPTION_NAMES, 0, 1, verb_status},
	{"run", "OBJECT[/GROUP]/ACTION [--payload FILE] [--wait]", "press a button from here",
		OPTION_PAYLOAD | OPTION_WAIT, 1, 1, verb_run},
	{"cancel", "OBJECT[/GROUP][/ACTION] | --run N", "stop what runs or waits", OPTION_RUN, 0, 1,
		verb_cancel},
	{"log", "OBJECT[/GROUP]/ACTION | --run N [--follow]", "the output of a run",
		OPTION_RUN | OPTION_FOLLOW, 0, 1, verb_log},
	{"history", "[OBJECT[/GROUP][/ACTION]] [--limit N] [--disc]",
		"who pressed what, or burned it, newest first", OPTION_LIMIT | OPTION_DISC, 0, 1,
		verb_history},
	{"reload", "", "read the configuration again", 0, 0, 0, verb_reload},
	{"release", "OBJECT[/GROUP]",
		"let go of an object's directory, so that it can be unmounted", 0, 1, 1,
		verb_release},
	{"restore", "OBJECT[/GROUP]", "put an object's flags back, nothing pressed", 0, 1, 1,
		verb_restore},
	{"check", "[PATH...] [--print | --schema]", "is the configuration right?",
		OPTION_PRINT | OPTION_SCHEMA, 0, -1, verb_check},
	{"doctor", "[--user NAME] [--smb-conf FILE]", "what is wrong with this machine?",
		OPTION_USER | OPTION_SMB_CONF, 0, 0, verb_doctor},
	{"new", "OBJECT --group GROUP [--service UNIT] [--path DIR] [--write]",
		"a snippet to start from",
		OPTION_GROUP | OPTION_SERVICE | OPTION_PATH | OPTION_WRITE, 1, 1, verb_new},
	{"samba", "", "the share sections for smb.conf that fit the configuration", 0, 0, 0,
		verb_samba},
	{"sudoers", "[--user NAME]", "the sudoers(5) rules for commands that run via sudo",
		OPTION_USER, 0, 0, verb_sudoers},
	{0},
};
