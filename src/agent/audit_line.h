/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samba's audit lines: what vfs_full_audit writes of a deletion or a rename that has succeeded,
 * with the prefix %u|%I|%m|%S that samba/ has.
 *
 *	alice|10.1.2.3|pc7|flags|unlinkat|ok|/srv/flagman/Apache/Restart.txt
 *	DOM\bob|fe80::1||flags|renameat|ok|/srv/flagman/Apache/Stop.txt|/srv/flagman/Apache/Run/...
 *
 * as the journal has them, behind the head of a syslog line ("... smbd_audit[17]: "), or below the
 * header that Samba's own log has for each ("  alice|...").
 *
 * Threat: anybody on this machine may log such a line, a client chooses its machine's name, and a
 * file may hold anything.  What is not exactly of this form is not taken: a wrong number of fields
 * (a | in a name), control characters, a user that is no text or has what a shell takes for more
 * than a letter (commands get the name, and may be careless with it), an address that is none.  A
 * line without an end costs AUDIT_LINE_MAX bytes.  What is taken may still be forged.
 */
#ifndef FLAGMAN_AGENT_AUDIT_LINE_H
#define FLAGMAN_AGENT_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define AUDIT_LINE_MAX    8704 /* two paths and what is before them */
#define AUDIT_USER_MAX    128  /* with its NUL; no longer than exec_start.user */
#define AUDIT_ADDRESS_MAX 64
#define AUDIT_NOT_IN_USER "\"'`$&;<>()[]{}*?!#%^~=,:/|" /* but a backslash: DOMAIN\name */

struct audit_record {
	const char *user;    /* printable UTF-8, not empty */
	const char *address; /* IPv4 or IPv6; "": Samba did not say */
	const char *path;    /* what was deleted or renamed; absolute */
	const char *to;      /* its new path; NULL: it was deleted */
};

/* LINE (LEN bytes and a NUL behind them) is cut up, and *RET points into it.  False: it is no such
 * line; *RET is untouched then. */
bool audit_line_parse(char *line, size_t len, struct audit_record *ret);

/* Bytes as they come, put together to lines. */
struct audit_lines {
	size_t len;
	bool skip; /* this line is too long: until its end */
	char line[AUDIT_LINE_MAX];
};

/* R is valid during the call. */
typedef void audit_handler(const struct audit_record *r, void *userdata);
void audit_lines_add(struct audit_lines *l, const char *data, size_t len, audit_handler *handler,
	void *userdata);

#endif
