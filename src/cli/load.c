/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/load.h"

#include "cli/account.h"
#include "common/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define NOBODY ((uid_t)65534)

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

/* Who reads conf.d: root, unless an ordinary user named one of their own. */
static void take_role(struct config_options *o, bool privileged)
{
	uid_t uid = geteuid();
	gid_t gid;

	o->privileged = privileged;
	o->trusted_uid = privileged ? 0 : uid;
	o->agent_uid = uid;
	/* Not installed yet: any user that is not root serves the checks. */
	if (privileged && !account_user(CLI_USER, &o->agent_uid, &gid))
		o->agent_uid = NOBODY;
}

int load_init(const struct cli *cli, struct load *ret)
{
	char name[ACCOUNT_NAME_MAX];
	struct load l = {0};

	l.options.conf_dir = cli->conf_dir;
	l.options.disc_program = FLAGMAN_BINDIR "/flagman-disc";
	take_role(&l.options, geteuid() == 0 || !cli->conf_dir_given);
	l.user_name = strdup(l.options.privileged ? CLI_USER : account_user_name(geteuid(), name));
	l.main_file = main_file(cli->conf_dir);
	if (!l.user_name || !l.main_file) {
		load_done(&l);
		return -ENOMEM;
	}
	l.options.main_file = l.main_file;
	*ret = l;
	return 0;
}

void load_conf_dir(struct load *l, const char *conf_dir)
{
	l->options.conf_dir = conf_dir;
	take_role(&l->options, geteuid() == 0);
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
