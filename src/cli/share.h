/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What flagman(1) says of the share: its sections (config/share.h), and the one line by which
 * smb.conf has them.
 */
#ifndef FLAGMAN_CLI_SHARE_H
#define FLAGMAN_CLI_SHARE_H

#include "cli/cli.h"
#include "config/share.h"

/* flagmand's own file of sections; a private instance has it in its state directory. */
#define SHARE_INCLUDE "/var/lib/flagman/samba.conf"

/* Does the service that is spoken of keep it?  Then smb.conf needs no more than to include it. */
bool share_is_kept(const struct cli *cli);

#endif
