/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/load.h"

#include "common/fd.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* Who reads conf.d: root, unless an ordinary user named one of their own. */
static bool privileged(const struct cli *cli)
{
	return geteuid() == 0 || !cli->conf_dir_given;
}

static char *main_file(const char *conf_dir)
{
	_cleanup_free_ char *dir = strdup(conf_dir);
	char *path, *slash;
	size_t n = dir ? strlen(dir) : 0;

	if (!dir)
		return NULL;
	while (n > 1 && dir[n - 1] == '/')
		dir[--n] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	return asprintf(&path, "%s/flagman.yaml", slash ? dir : ".") < 0 ? NULL : path;
}

int load_init(const struct cli *cli, struct load *ret)
{
	struct load l = {.options = {
				 .conf_dir = cli->conf_dir,
				 .privileged = privileged(cli),
				 .trusted_uid = geteuid(),
				 .agent_uid = geteuid(),
				 .disc_program = FLAGMAN_LIBEXECDIR "/flagman-disc",
			 }};
	const struct passwd *pw = l.options.privileged ? getpwnam(CLI_USER) : getpwuid(geteuid());

	if (l.options.privileged) {
		l.options.trusted_uid = 0;
		/* Not installed yet: any user that is not root serves the checks. */
		l.options.agent_uid = pw ? pw->pw_uid : (uid_t)65534;
	}
	l.user_name = strdup(l.options.privileged ? CLI_USER : pw ? pw->pw_name : "");
	l.main_file = main_file(cli->conf_dir);
	if (!l.user_name || !l.main_file) {
		load_done(&l);
		return -ENOMEM;
	}
	l.options.main_file = l.main_file;
	*ret = l;
	return 0;
}

void load_done(struct load *l)
{
	free(l->main_file);
	free(l->user_name);
	*l = (struct load){0};
}

int load_config(const struct cli *cli, struct load *l, struct config **ret)
{
	int r = config_load(&l->options, ret);

	if (r < 0) {
		cli_error("%s: %s", cli->conf_dir, strerror(-r));
		return r == -ENOENT ? EX_CONFIG : cli_exit_status(r);
	}
	return 0;
}

void load_config_freep(struct config **c)
{
	config_free(*c);
}
