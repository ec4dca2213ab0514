/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/samba_conf.h"

#include "common/fd.h"
#include "common/log.h"
#include "config/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODE 0644 /* smbclient(1) and testparm(1) of anybody read smb.conf with all it includes */

static const char head[] =
	"# Written by flagmand when its configuration changes.  What is edited here gets lost.\n"
	"# smb.conf takes it by a line \"include = FILE\" at its end.  Settings of your own go "
	"into\n"
	"# the file that a section includes.  Don't write another section of the same name: smbd\n"
	"# would forget what this one says of full_audit and acl_xattr.  More: samba/README.\n"
	"\n";

static bool is_as_it_should(int state, const struct buf *text)
{
	_cleanup_close_ int fd =
		openat(state, SAMBA_CONF, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *old = malloc(text->len);
	struct stat st;

	return fd >= 0 && old && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & 07777) == MODE && (uint64_t)st.st_size == text->len &&
	       pread_all(fd, old, text->len, 0) == 0 && memcmp(old, text->data, text->len) == 0;
}

/* Under a name of its own first, and not synced: after a power cut the next start sees to it. */
static int replace(int state, const struct buf *text)
{
	_cleanup_close_ int fd = -1;
	int r;

	(void)unlinkat(state, SAMBA_CONF_NEW, 0); /* of one that was killed */
	fd = openat(
		state, SAMBA_CONF_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text->data, text->len);
	if (r == 0 &&
		(fchmod(fd, MODE) < 0 || renameat(state, SAMBA_CONF_NEW, state, SAMBA_CONF) < 0))
		r = -errno;
	if (r < 0)
		(void)unlinkat(state, SAMBA_CONF_NEW, 0);
	return r;
}

int samba_conf_write(const struct config *c, int state)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(SHARE_TEXT_MAX);
	struct share *shares;
	size_t n;
	int r = share_list(c, &shares, &n);

	if (r < 0)
		return r;
	buf_adds(&text, head);
	if (n)
		share_text(shares, n, &text);
	else
		buf_adds(&text, "# There is no object yet, so there is no share.\n");
	for (size_t i = 0; i < n; i++)
		if (shares[i].unfit)
			log_warning("no share in %s for %s: it %s", SAMBA_CONF, shares[i].path,
				shares[i].unfit);
	share_list_free(shares, n);
	if (text.error)
		return text.error;
	return is_as_it_should(state, &text) ? 0 : replace(state, &text);
}
