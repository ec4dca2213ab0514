/* SPDX-License-Identifier: GPL-2.0-or-later */
/* With libiso9660.  The tree is a stranger's: it may have loops and a million directories. */
#include "disc/files.h"

#include "disc/disc.h"

#include <cdio/iso9660.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX       12
#define DIRECTORIES_MAX 20000

struct search {
	iso9660_t *iso;
	uint64_t sector;
	unsigned directories;
	char *found;
	size_t size;
};

static bool lies_there(const struct search *s, const iso9660_stat_t *st)
{
	uint64_t n = ((uint64_t)st->size + SECTOR - 1) / SECTOR, first = (uint64_t)st->lsn;

	return s->sector >= first && s->sector < first + n;
}

/* What does not fit loses its beginning: the file's own name is at the end. */
static void shorten(const struct search *s, const char *name)
{
	size_t n = strlen(name);

	if (n < s->size) {
		memcpy(s->found, name, n + 1);
		return;
	}
	name += n - (s->size - 4);
	while (((unsigned char)*name & 0xc0) == 0x80)
		name++;
	snprintf(s->found, s->size, "...%s", name);
}

static bool look_into(struct search *s, const char *path, unsigned depth);

static bool look_at(struct search *s, const char *path, const iso9660_stat_t *st, unsigned depth)
{
	char name[1024];

	if (strcmp(st->filename, ".") == 0 || strcmp(st->filename, "..") == 0 ||
		snprintf(name, sizeof(name), "%s/%s", path, st->filename) >= (int)sizeof(name))
		return false;
	if (lies_there(s, st)) {
		shorten(s, name);
		return true;
	}
	return st->type == _STAT_DIR && depth < DEPTH_MAX && look_into(s, name, depth + 1);
}

static bool look_into(struct search *s, const char *path, unsigned depth)
{
	CdioISO9660FileList_t *list;
	CdioListNode_t *node;
	bool found = false;

	if (++s->directories > DIRECTORIES_MAX)
		return false;
	list = iso9660_ifs_readdir(s->iso, *path ? path : "/");
	if (!list)
		return false;
	_CDIO_LIST_FOREACH(node, list)
	{
		found = look_at(s, path, _cdio_list_node_data(node), depth);
		if (found)
			break;
	}
	iso9660_filelist_free(list);
	return found;
}

const char *files_at(const char *path, uint64_t sector, char *buf, size_t size)
{
	struct search s = {.sector = sector, .found = buf, .size = size};

	*buf = '\0';
	s.iso = iso9660_open_ext(path, ISO_EXTENSION_ALL);
	if (s.iso) {
		(void)look_into(&s, "", 0);
		iso9660_close(s.iso);
	}
	return buf;
}
