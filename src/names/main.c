/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman-names UID: says whose it is, on descriptor 3, without a newline; nothing if it is
 * nobody's.
 *
 * Behind getpwuid(3) is code that we don't know (nsswitch.conf(5)), which may speak with sockets
 * and directory services and never answer.  So it runs in a process of its own that holds nothing:
 * no secret of the configuration, no descriptor, no capability.  flagmand starts it, and kills it
 * when it takes too long.
 *
 * EXIT STATUS
 *	0; 64 started by hand; 71 the system failed.
 */
#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>

#define ANSWER_FD 3

int main(int argc, char *argv[])
{
	const struct passwd *pw;
	char *end;
	unsigned long uid;

	log_init("flagmand", "names");
	if (argc != 2)
		log_fatal(EX_USAGE, "usage: flagman-names UID (flagmand starts it)");
	uid = strtoul(argv[1], &end, 10);
	if (!*argv[1] || *end || uid > UINT32_MAX)
		log_fatal(EX_USAGE, "no uid: %s", argv[1]);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_fatal(EX_OSERR, "prctl: %s", strerror(errno));
	pw = getpwuid((uid_t)uid);
	if (pw && write_all(ANSWER_FD, pw->pw_name, strlen(pw->pw_name)) < 0)
		return EX_OSERR;
	return 0;
}
