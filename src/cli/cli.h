/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman(1): what was asked for on the command line, and the verbs that answer it.
 *
 * main.c parses (args.c), then calls one verb.  A verb writes its answer to stdout, its complaints
 * to stderr, and returns an exit status of sysexits(3), or, for `run --wait`, the command's.
 *
 *	struct cli cli;
 *	r = args_parse(argc, argv, &cli);    0, or EX_USAGE with the complaint made
 *	r = cli.verb->run(&cli);
 *
 * Threat: root runs this program on text from people who have nothing but a share, and on messages
 * from an agent that may be theirs.  Nothing of either reaches the terminal but through
 * cli_error(), table.h or json.h, which make it printable.
 */
#ifndef FLAGMAN_CLI_H
#define FLAGMAN_CLI_H

#include <stdbool.h>
#include <stdint.h>

#define CLI_RUN_DIR  "/run/flagman"
#define CLI_CONF_DIR FLAGMAN_SYSCONFDIR "/conf.d"
#define CLI_USER     "flagman"

/* One bit each: what a verb understands besides the global ones. */
enum cli_option {
	OPTION_FOLLOW = 1 << 0,
	OPTION_WAIT = 1 << 1,
	OPTION_PAYLOAD = 1 << 2,
	OPTION_RUN = 1 << 3,
	OPTION_LIMIT = 1 << 4,
	OPTION_PRINT = 1 << 5,
	OPTION_SCHEMA = 1 << 6,
	OPTION_USER = 1 << 7,
	OPTION_SMB_CONF = 1 << 8,
	OPTION_GROUP = 1 << 9,
	OPTION_SERVICE = 1 << 10,
	OPTION_PATH = 1 << 11,
	OPTION_WRITE = 1 << 12,
	OPTION_NAMES = 1 << 13,
	OPTION_DISC = 1 << 14,
};

struct cli;

struct verb {
	const char *name;
	const char *usage; /* what follows the name */
	const char *summary;
	unsigned options;       /* enum cli_option */
	int min_args, max_args; /* -1: any number */
	int (*run)(const struct cli *cli);
};

struct cli {
	const struct verb *verb; /* NULL: --help or --version was asked for */
	const char *run_dir, *conf_dir;
	bool conf_dir_given;
	bool json, no_color, help, version;
	unsigned given; /* enum cli_option */
	const char *payload, *user, *smb_conf, *group, *service, *path;
	uint64_t run;
	uint32_t limit;
	char **args; /* what follows the verb; NULL-terminated */
	int n_args;
};

extern const struct verb cli_verbs[]; /* ends with a NULL name */

/* argv is permuted, as getopt_long(3) does.  0, or EX_USAGE after complaining. */
int args_parse(int argc, char **argv, struct cli *ret);
void args_print_help(const struct verb *verb); /* NULL: of the program */

/* "flagman: message" on stderr, made printable. */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The exit status that fits an errno: 77 for EACCES and EPERM, 69, 73, 74, 75, ... */
int cli_exit_status(int error);

int verb_status(const struct cli *cli);
int verb_run(const struct cli *cli);
int verb_cancel(const struct cli *cli);
int verb_log(const struct cli *cli);
int verb_history(const struct cli *cli);
int verb_reload(const struct cli *cli);
int verb_release(const struct cli *cli);
int verb_restore(const struct cli *cli);
int verb_check(const struct cli *cli);
int verb_doctor(const struct cli *cli);
int verb_new(const struct cli *cli);
int verb_samba(const struct cli *cli);
int verb_sudoers(const struct cli *cli);

#endif
