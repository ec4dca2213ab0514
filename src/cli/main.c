/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman - see and press buttons from a shell, check the configuration, find what is wrong.
 *
 * SECURITY: needs no privilege and has none: no set-id bit.  The agent decides by the peer's
 * credentials what a caller may see and do.  What comes from it, and from files, is checked and
 * made printable before it reaches a terminal.
 *
 * DIAGNOSTICS: "flagman: ..." on stderr; exit statuses of sysexits(3).
 */
#include "cli/cli.h"

#include <locale.h>
#include <stdio.h>
#include <sysexits.h>

int main(int argc, char **argv)
{
	struct cli cli;
	int r;

	setlocale(LC_CTYPE, "");
	r = args_parse(argc, argv, &cli);
	if (r)
		return r;
	if (cli.version) {
		puts("flagman " FLAGMAN_VERSION);
		return EX_OK;
	}
	if (cli.help) {
		args_print_help(cli.verb);
		return EX_OK;
	}
	r = cli.verb->run(&cli);
	if (fflush(stdout) || ferror(stdout)) {
		cli_error("stdout: %m");
		return r ? r : EX_IOERR;
	}
	return r;
}
