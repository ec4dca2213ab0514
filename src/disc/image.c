/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/image.h"

#include "disc/say.h"

#include "common/fd.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static ssize_t read_image(void *source, void *to, size_t size, uint64_t offset)
{
	const int *fd = source;
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(*fd, (char *)to + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)done;
}

/* "beginning...end.iso", at whole characters. */
static void shorten(char shown[SHOWN_MAX], const char *name)
{
	size_t n = strlen(name), head = SHOWN_MAX / 2, tail = n - (SHOWN_MAX / 2 - 5);

	if (n < SHOWN_MAX) {
		memcpy(shown, name, n + 1);
		return;
	}
	while (head > 0 && ((unsigned char)name[head] & 0xc0) == 0x80)
		head--;
	while (((unsigned char)name[tail] & 0xc0) == 0x80)
		tail++;
	snprintf(shown, SHOWN_MAX, "%.*s...%s", (int)head, name, name + tail);
}

int image_open(const struct disc_options *o, struct image *ret)
{
	_cleanup_close_ int fd =
		open(o->image, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	int error;

	*ret = (struct image){.fd = -1, .called = o->name};
	shorten(ret->name, o->name);
	if (fd < 0 || fstat(fd, &ret->st) < 0)
		return verdict(EX_NOINPUT, "%s can't be read: %s", ret->name,
			errno == ELOOP ? "it is a symbolic link" : strerror(errno));
	if (!S_ISREG(ret->st.st_mode))
		return verdict(EX_NOINPUT, "%s is not an ordinary file", ret->name);
	ret->size = (uint64_t)ret->st.st_size;
	error = volume_look(read_image, &fd, &ret->volume);
	if (error < 0)
		return verdict(EX_NOINPUT, "%s can't be read: %s", ret->name, strerror(-error));
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	ret->fd = steal_fd(&fd);
	return 0;
}

int image_whole(const struct image *i, const char *done)
{
	char size[64], want[64], missing[64];

	if (i->size == 0)
		return verdict(EX_DATAERR, "%s is empty: nothing was %s. Copy it here again",
			i->name, done);
	if (i->size < i->volume.size)
		return verdict(EX_DATAERR,
			"%s is cut short: it has %s of the %s that it says it has, %s are missing. "
			"Nothing was %s; copy it here again",
			i->name, text_size(size, sizeof(size), i->size),
			text_size(want, sizeof(want), i->volume.size),
			text_size(missing, sizeof(missing), i->volume.size - i->size), done);
	return 0;
}

int image_check(const struct image *i)
{
	if (i->size && !i->volume.iso9660 && !i->volume.udf)
		return verdict(EX_DATAERR,
			"%s is not a disc image: it has neither an ISO 9660 nor a UDF file system. "
			"Nothing was burned",
			i->name);
	return image_whole(i, "burned");
}

bool image_unchanged(const struct image *i)
{
	struct stat st;

	return fstat(i->fd, &st) == 0 && st.st_size == i->st.st_size &&
	       st.st_mtim.tv_sec == i->st.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == i->st.st_mtim.tv_nsec;
}

const char *image_kind(const struct volume *v)
{
	return v->iso9660 && v->udf ? "ISO 9660 and UDF"
	       : v->iso9660         ? "ISO 9660"
	       : v->udf             ? "UDF"
				    : "no file system that discs have";
}
