/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration, as the service that this program speaks of would read it: the system's, or,
 * with --conf-dir, that of a private instance of the caller's.
 */
#ifndef FLAGMAN_CLI_LOAD_H
#define FLAGMAN_CLI_LOAD_H

#include "cli/cli.h"
#include "config/config.h"

#include <stdbool.h>
#include <sys/types.h>

struct load {
	struct config_options options;
	char *main_file; /* owned; flagman.yaml beside conf.d */
	char *user_name; /* owned; whom the agent runs as */
};

/* Fills in options; 0 or -ENOMEM. */
int load_init(const struct cli *cli, struct load *ret);
void load_done(struct load *l);
/* Another directory: an ordinary user's is that of a private instance. */
void load_conf_dir(struct load *l, const char *conf_dir);

/* conf_dir as a whole, with its trust checks, problems left in it.  0 or an exit status
 * (complained). */
int load_config(const struct cli *cli, struct load *l, struct config **ret);

void load_config_freep(struct config **c);

#endif
