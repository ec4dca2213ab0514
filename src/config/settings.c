/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagman.yaml: what is not per object.  A mistake in it leaves in force what was in force.
 */
#include "config/loader.h"

#include "common/fd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool read_settings_map(struct loader *l, const struct node *doc)
{
	struct settings *settings = &l->config->settings;
	struct key_set set = {0};

	if (node_is_null(doc))
		return true;
	return want_map(l, "flagman.yaml", doc) &&
	       read_table(l, doc, IN_SETTINGS, &(struct scope){.settings = settings, .set = &set});
}

/* A string of the live definition goes with its memory. */
static void keep_live(struct loader *l, const struct settings *live)
{
	char *audit = live->samba_audit ? arena_string(l->arena, live->samba_audit) : NULL;

	l->config->settings = *live;
	l->config->settings.samba_audit = audit;
}

void read_settings(struct loader *l)
{
	const char *path = l->options->main_file;
	const struct settings defaults = l->config->settings;
	_cleanup_close_ int fd = -1;
	size_t before = l->errors;

	if (!path || (access(path, F_OK) < 0 && errno == ENOENT))
		return;
	l->file = arena_string(l->arena, path);
	if (!l->file) {
		l->error = -ENOMEM;
		return;
	}
	if (open_trusted(l, l->file, &fd) && read_text(l, fd))
		read_documents(l, read_settings_map);
	if (l->errors != before)
		keep_live(l, l->options->live ? &l->options->live->settings : &defaults);
	l->file = NULL;
}
