/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The output of runs that have ended, and what they say of discs, from claims to the data base.  A
 * commit that fails takes it along; so the claims stay open until one has succeeded. */
#include "agent/discs.h"
#include "agent/flag.h"
#include "agent/runs.h"
#include "common/log.h"

#include <fcntl.h>

static int put_output(struct agent *a, int fd, uint64_t run)
{
	_cleanup_(buf_done) struct buf head = BUF_INIT(64U << 20), tail = BUF_INIT(64U << 20);
	struct claim_status st;
	uint64_t left_out = 0;

	if (claim_status_read(fd, &st) < 0 || st.output_total == 0 ||
		claim_output_read(fd, &st, &head, &tail, &left_out) < 0)
		return 1;
	int r = store_begin(a->store);
	if (r == 0)
		r = store_put_output(a->store, run, &head, &tail, left_out);
	return r;
}

/* 1: there is nothing. */
static int put(struct agent *a, const struct unkept *u)
{
	int r = put_output(a, u->fd, u->run), d = discs_put(a, u->fd, &u->token, u->run);

	return r < 0 ? r : d < 0 ? d : r && d;
}

void runs_keep_output(struct agent *a, const struct live *l)
{
	struct unkept u = {.run = l->run.id, .token = l->run.token, .fd = l->claim_fd};
	int r = u.fd < 0 ? 1 : put(a, &u);

	if (r < 0)
		log_warning("run %llu: its output is not kept yet: %s",
			(unsigned long long)l->run.id, store_error(a->store));
	if (r == 1 || a->n_unkept == UNKEPT_MAX)
		return;
	u.fd = fcntl(l->claim_fd, F_DUPFD_CLOEXEC, 3);
	if (u.fd >= 0)
		a->unkept[a->n_unkept++] = u;
}

void runs_outputs_kept(struct agent *a)
{
	while (a->n_unkept > 0)
		close_fd(a->unkept[--a->n_unkept].fd);
	a->outputs_lost = false;
}

void runs_outputs_lost(struct agent *a)
{
	a->outputs_lost = a->n_unkept > 0;
}

int runs_outputs_again(struct agent *a)
{
	int r = 0;

	if (!a->outputs_lost)
		return 0;
	for (size_t i = 0; r >= 0 && i < a->n_unkept; i++)
		r = put(a, &a->unkept[i]);
	if (r < 0)
		return r;
	a->outputs_lost = false;
	for (size_t i = 0; i < a->n_unkept; i++)
		for (size_t k = 0; k < a->n_flags; k++)
			if (a->flags[k].run == a->unkept[i].run)
				flag_mark(a, &a->flags[k], DIRTY_CONTENT);
	return 0;
}
