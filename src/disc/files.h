/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which file of an ISO 9660 file system lies at a sector: for the sentence about a bad disc. */
#ifndef FLAGMAN_DISC_FILES_H
#define FLAGMAN_DISC_FILES_H

#include <stddef.h>
#include <stdint.h>

/* PATH is an image or a drive.  "/pool/x.deb", or "" where no file is found there; BUF is
 * returned. */
const char *files_at(const char *path, uint64_t sector, char *buf, size_t size);

#endif
