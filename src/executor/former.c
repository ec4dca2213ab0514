/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "executor/former.h"

#include "common/dir.h"
#include "common/fd.h"
#include "common/log.h"
#include "executor/base.h"
#include "executor/clearing.h"
#include "executor/executor.h"
#include "executor/mark.h"
#include "wire/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static bool is_configured(const struct generation *g, const char *path)
{
	for (uint32_t i = 0; i < g->n_bases; i++)
		if (!strcmp(g->bases[i].path, path))
			return true;
	return false;
}

enum whereabouts {
	IS_THERE,
	IS_AWAY, /* not mounted, or something else is */
	IS_GONE, /* there is nothing of ours */
};

static enum whereabouts look(const struct base_record *r, uint64_t *ret_dev)
{
	_cleanup_close_ int base = base_open(r->path);
	struct base_memory now;

	if (base == -ENOENT)
		return base_was_removed(r->path, &r->memory) ? IS_GONE : IS_AWAY;
	if (base < 0 || base_look(base, &now) < 0 || base_is_other(&r->memory, &now))
		return IS_AWAY;
	*ret_dev = now.id.dev;
	if (faccessat(base, EXEC_CUSTODY "/" EXEC_STAGING, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return IS_GONE;
	return IS_THERE;
}

static int add_gid(struct generation *g, gid_t gid)
{
	gid_t *grown;

	for (size_t i = 0; i < g->n_former_gids; i++)
		if (g->former_gids[i] == gid)
			return 0;
	grown = realloc(g->former_gids, (g->n_former_gids + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	g->former_gids = grown;
	g->former_gids[g->n_former_gids++] = gid;
	return 0;
}

/* The groups of the objects' directories: as one of them the agent can enter. */
static int add_gids(struct generation *g, const struct marks *m, const char *path)
{
	_cleanup_close_ int base = base_open(path);
	_cleanup_dir_ DIR *d = base < 0 ? NULL : dir_open(base, ".");
	struct stat st;
	int r = 0;

	for (const struct dirent *e; r == 0 && (e = dir_next(d));) {
		_cleanup_close_ int fd = openat(base, e->d_name, OPEN_FLAGS);
		if (fd >= 0 && mark_has(m, fd) && fstat(fd, &st) == 0)
			r = add_gid(g, st.st_gid);
	}
	return r;
}

static void add(struct generation *g, const struct marks *m, const char *path, uint64_t dev)
{
	struct base_state *grown = realloc(g->former, (g->n_former + 1) * sizeof(*g->former));
	char *copy = strdup(path);

	if (grown)
		g->former = grown;
	if (!grown || !copy || add_gids(g, m, path) < 0) { /* the next start finds it again */
		free(copy);
		g->n_away++;
		return;
	}
	g->former[g->n_former++] = (struct base_state){.path = copy, .dev = dev, .owned = copy};
}

static void save(int state, struct base_records *r)
{
	int e = base_records_save(state, r);

	if (e < 0)
		log_warning("can't remember the file systems: %s", strerror(-e));
	base_records_done(r);
}

void former_find(int state, const struct identity *id, struct generation *g)
{
	const struct marks m = {.state = state, .privileged = id->privileged};
	struct base_records records;
	uint64_t dev = 0;

	base_records_load(state, &records);
	for (size_t i = records.n; i-- > 0;) {
		const struct base_record *r = &records.list[i];
		if (is_configured(g, r->path))
			continue;
		enum whereabouts p = look(r, &dev);
		if (p == IS_THERE)
			add(g, &m, r->path, dev);
		else if (p == IS_GONE)
			base_forget(&records, r->path);
		else
			g->n_away++;
	}
	save(state, &records);
}

void former_clear(struct executor *x)
{
	struct generation *g = x->generations;
	struct base_records records;
	uint32_t kept = 0;

	if (g->n_former == 0)
		return;
	base_records_load(x->places.state, &records);
	for (uint32_t i = 0; i < g->n_former; i++) {
		struct base_state *b = &g->former[i];
		if (!agent_has_base(&x->agent, b->path)) { /* the next one has */
			g->former[kept++] = *b;
			continue;
		}
		if (clear_base(x->places.state, &x->id, b, g) == 0)
			base_forget(&records, b->path);
		free(b->owned);
	}
	g->n_former = kept;
	if (kept == 0)
		former_forget(g);
	save(x->places.state, &records);
}

void former_forget(struct generation *g)
{
	for (uint32_t i = 0; i < g->n_former; i++)
		free(g->former[i].owned);
	free(g->former);
	free(g->former_gids);
	g->former = NULL;
	g->former_gids = NULL;
	g->n_former = 0;
	g->n_former_gids = 0;
}
