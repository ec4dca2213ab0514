/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"

#include "common/buf.h"
#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum global_option { GLOBAL_RUN_DIR = 1 << 20, GLOBAL_CONF_DIR, GLOBAL_JSON, GLOBAL_NO_COLOR };

static const struct option options[] = {
	{"run-dir", required_argument, NULL, GLOBAL_RUN_DIR},
	{"conf-dir", required_argument, NULL, GLOBAL_CONF_DIR},
	{"json", no_argument, NULL, GLOBAL_JSON},
	{"no-color", no_argument, NULL, GLOBAL_NO_COLOR},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"follow", no_argument, NULL, OPTION_FOLLOW},
	{"wait", no_argument, NULL, OPTION_WAIT},
	{"payload", required_argument, NULL, OPTION_PAYLOAD},
	{"run", required_argument, NULL, OPTION_RUN},
	{"limit", required_argument, NULL, OPTION_LIMIT},
	{"print", no_argument, NULL, OPTION_PRINT},
	{"schema", no_argument, NULL, OPTION_SCHEMA},
	{"user", required_argument, NULL, OPTION_USER},
	{"smb-conf", required_argument, NULL, OPTION_SMB_CONF},
	{"group", required_argument, NULL, OPTION_GROUP},
	{"service", required_argument, NULL, OPTION_SERVICE},
	{"path", required_argument, NULL, OPTION_PATH},
	{"write", no_argument, NULL, OPTION_WRITE},
	{"names", no_argument, NULL, OPTION_NAMES},
	{"disc", no_argument, NULL, OPTION_DISC},
	{0},
};

void cli_error(const char *fmt, ...)
{
	_cleanup_free_ char *message = NULL;
	_cleanup_(buf_done) struct buf b = BUF_INIT(64 * 1024);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&message, fmt, ap);
	va_end(ap);
	if (n < 0) {
		message = NULL;
		return;
	}
	text_printable(&b, message, (size_t)n);
	fflush(stdout);
	fprintf(stderr, "flagman: %s\n", buf_str(&b));
}

int cli_exit_status(int error)
{
	switch (error < 0 ? -error : error) {
	case 0:
		return EX_OK;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
		return EX_NOINPUT;
	case EEXIST:
	case EROFS:
		return EX_CANTCREAT;
	case EAGAIN:
	case EBUSY:
	case ENOSPC:
	case EDQUOT:
		return EX_TEMPFAIL;
	case EIO:
		return EX_IOERR;
	case EBADMSG:
		return EX_PROTOCOL;
	default:
		return EX_OSERR;
	}
}

static int parse_number(const char *option, const char *s, uint64_t max, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || v > max) {
		cli_error("--%s wants a number, not \"%s\"", option, s);
		return EX_USAGE;
	}
	*ret = v;
	return 0;
}

static int take_option(struct cli *cli, int c)
{
	uint64_t n;

	switch (c) {
	case GLOBAL_RUN_DIR:
		cli->run_dir = optarg;
		return 0;
	case GLOBAL_CONF_DIR:
		cli->conf_dir = optarg;
		cli->conf_dir_given = true;
		return 0;
	case GLOBAL_JSON:
		cli->json = true;
		return 0;
	case GLOBAL_NO_COLOR:
		cli->no_color = true;
		return 0;
	case 'h':
		cli->help = true;
		return 0;
	case 'V':
		cli->version = true;
		return 0;
	case '?':
	case ':':
		return EX_USAGE;
	}
	cli->given |= (unsigned)c;
	switch (c) {
	case OPTION_PAYLOAD:
		cli->payload = optarg;
		break;
	case OPTION_USER:
		cli->user = optarg;
		break;
	case OPTION_SMB_CONF:
		cli->smb_conf = optarg;
		break;
	case OPTION_GROUP:
		cli->group = optarg;
		break;
	case OPTION_SERVICE:
		cli->service = optarg;
		break;
	case OPTION_PATH:
		cli->path = optarg;
		break;
	case OPTION_RUN:
		return parse_number("run", optarg, UINT64_MAX, &cli->run);
	case OPTION_LIMIT:
		if (parse_number("limit", optarg, UINT32_MAX, &n))
			return EX_USAGE;
		cli->limit = (uint32_t)n;
		break;
	}
	return 0;
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = cli_verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

static const char *option_name(unsigned bit)
{
	for (const struct option *o = options; o->name; o++)
		if ((unsigned)o->val == bit)
			return o->name;
	return "";
}

/* Every option that was given must be one of the verb's. */
static int check_options(const struct cli *cli)
{
	unsigned foreign = cli->given & ~cli->verb->options;

	if (!foreign)
		return 0;
	cli_error("%s does not know --%s; see flagman %s --help", cli->verb->name,
		option_name(foreign & -foreign), cli->verb->name);
	return EX_USAGE;
}

static int check_arguments(const struct cli *cli)
{
	const struct verb *v = cli->verb;

	if (cli->n_args >= v->min_args && (v->max_args < 0 || cli->n_args <= v->max_args))
		return 0;
	cli_error("usage: flagman %s%s%s", v->name, *v->usage ? " " : "", v->usage);
	return EX_USAGE;
}

int args_parse(int argc, char **argv, struct cli *ret)
{
	struct cli cli = {.run_dir = CLI_RUN_DIR, .conf_dir = CLI_CONF_DIR, .limit = 50};
	int c, r;

	optind = 0; /* start afresh (getopt(3)) */
	while ((c = getopt_long(argc, argv, "hVfwn:", options, NULL)) != -1) {
		c = c == 'f' ? OPTION_FOLLOW : c == 'w' ? OPTION_WAIT : c == 'n' ? OPTION_LIMIT : c;
		r = take_option(&cli, c);
		if (r)
			return r;
	}
	if (optind < argc) {
		cli.verb = find_verb(argv[optind]);
		if (!cli.verb) {
			cli_error("there is no verb \"%s\"; see flagman --help", argv[optind]);
			return EX_USAGE;
		}
		cli.args = argv + optind + 1;
		cli.n_args = argc - optind - 1;
	}
	if (!cli.help && !cli.version) {
		if (!cli.verb) {
			cli_error("what shall I do? see flagman --help");
			return EX_USAGE;
		}
		r = check_options(&cli);
		if (!r)
			r = check_arguments(&cli);
		if (r)
			return r;
	}
	*ret = cli;
	return 0;
}

void args_print_help(const struct verb *verb)
{
	if (verb) {
		printf("usage: flagman %s%s%s\n%s\n\nSee flagman(1).\n", verb->name,
			*verb->usage ? " " : "", verb->usage, verb->summary);
		return;
	}
	puts("usage: flagman [--run-dir DIR] [--conf-dir DIR] [--json] [--no-color] VERB ...\n");
	for (const struct verb *v = cli_verbs; v->name; v++)
		printf("  %s %s\n        %s\n", v->name, v->usage, v->summary);
	puts("\n  --run-dir DIR   talk to the flagmand that serves there (" CLI_RUN_DIR ")\n"
	     "  --conf-dir DIR  the snippets (" CLI_CONF_DIR ")\n"
	     "  --json          for machines\n"
	     "  --no-color      no colour; neither where NO_COLOR is set\n"
	     "  --help, --version\n\n"
	     "See flagman(1), flagman.yaml(5) and, for users of the share, flagman-flags(7).");
}
