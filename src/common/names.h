/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grammar of names in the share.
 *
 *	Restart.txt   Restart [Running 40%].txt   [Running 40%] Restart.txt (moniker: prefix)
 *
 * Names match case-insensitively after Unicode normalisation: macOS sends NFD, smbd passes on what
 * it gets.  Names are kept in NFC with their case.  File names come from strangers: any bytes but
 * '/' and NUL, up to 255 of them, valid UTF-8 or not.  A name that is not valid UTF-8 matches
 * nothing.
 */
#ifndef FLAGMAN_NAMES_H
#define FLAGMAN_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_SUFFIX     ".txt"
#define NAME_ACTION_MAX 120 /* bytes; leaves room for the longest label and the suffix */
#define NAME_LABEL_MAX  60  /* bytes */
#define NAME_STATUS     "Status.txt"
#define NAME_RUN        "Run" /* unless the configuration says otherwise */

enum moniker { MONIKER_SUFFIX, MONIKER_PREFIX };

/* NFC of IN, allocated; -EILSEQ when it is not valid UTF-8, -ENOMEM. */
int name_normalise(const char *in, char **ret);

/* What two names that match have in common: NFC, case-folded; allocated.  As above. */
int name_fold(const char *in, char **ret);
bool name_equal(const char *a, const char *b);

/*
 * NULL if NAME may be an action's, an object's or a folder's name; else why not, as a phrase that
 * follows the name: "ends in a space, which Windows cannot show".  Refused: empty, '/', '\\', any
 * of : ? * | < > ", control characters, leading or trailing space, trailing dot, leading dot,
 * '[' or ']', DOS device names (CON, nul, COM1, ... with or without an extension), clock$, invalid
 * UTF-8, not NFC-normalisable, longer than NAME_ACTION_MAX, litter (below).
 */
const char *name_problem(const char *name);

/* The file name of ACTION with LABEL (NULL or "": ready).  Returns bytes written, or 0 if BUF is
 * too small. */
size_t name_format(
	char *buf, size_t size, const char *action, const char *label, enum moniker moniker);

/*
 * The action's name in FILE_NAME, if it looks like a flag's: ends in .txt (any case); one moniker
 * in brackets before or behind is cut off.  Returns its length, copied to BUF (NUL-terminated), or
 * 0 if it does not look like one.  Does not fold.
 */
size_t name_parse(const char *file_name, char *buf, size_t size);

/* .DS_Store, ._*, Thumbs.db, desktop.ini, ~$*, .~lock.*#, *.swp, *.swx, *~, #*#, .nfs*, ... */
bool name_is_litter(const char *file_name);

/* *.part, *.crdownload, *.partial, *.filepart, *.tmp, *.download, *.opdownload, ~*: an upload or a
 * download that is still under way under another name. */
bool name_is_partial(const char *file_name);

/* fnmatch(3) of the folded NAME against the folded PATTERN. */
bool name_matches(const char *pattern, const char *name);

#endif
