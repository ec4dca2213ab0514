/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One action's drop and the payload at hand: what custody.c (taking), custody_check.c (lease, hash,
 * start) and custody_after.c (returned, kept, tried again) share.
 */
#ifndef FLAGMAN_AGENT_CUSTODY_DROP_H
#define FLAGMAN_AGENT_CUSTODY_DROP_H

#include "agent/agent.h"
#include "agent/board.h"
#include "agent/drop_folder.h"

#include <nettle/sha2.h>

/* What is being done with the payload at hand. */
enum stage {
	STAGE_NONE,
	STAGE_TAKING,  /* the executor changes its owner */
	STAGE_LEASE,   /* somebody still writes */
	STAGE_HASHING, /* or copying, when in_fd is set */
	STAGE_WAITING, /* ready: the action is busy */
	STAGE_RUNNING,
	STAGE_RETURNING, /* the executor gives it back to us first */
};

struct dropping {
	struct agent *agent;
	uint32_t flag;
	enum stage stage;
	struct run run;     /* until it is handed to the flag's live part */
	struct token token; /* where it lies: staging/<token> */
	char *name;         /* as dropped */
	int fd, in_fd;
	uint64_t cookie, size, offset;
	bool keep; /* STAGE_RETURNING: not now, but after keep-failed */
	struct sha256_ctx sha;
	struct candidates candidates;
	sd_event_source *timer, *worker, *keep_timer;
};

struct custody {
	struct dropping *drops;
	size_t n;
};

static inline struct flag *drop_flag(const struct dropping *d)
{
	return &d->agent->flags[d->flag];
}
static inline const struct view_drop *drop_view(const struct dropping *d)
{
	return &d->agent->view->drops[flag_action(d->agent, drop_flag(d))->drop];
}
static inline int drop_staging(const struct dropping *d)
{
	return board_base(d->agent, flag_board(d->agent, drop_flag(d)))->staging_fd;
}
static inline const char *drop_folder(const struct dropping *d)
{
	return view_str(d->agent->view, drop_view(d)->folder);
}

struct dropping *custody_drop_of(struct agent *a, struct flag *f);
/* Closes its descriptors; also forgets its payload. */
void custody_close(struct dropping *d);
void custody_reset(struct dropping *d);
void custody_names(struct agent *a, const struct dropping *d, struct run *run);
void custody_show(struct agent *a, struct dropping *d, bool receiving, const char *what);
/* Asks the executor for the payload; goes on in STAGE when it has answered. */
void custody_ask(struct agent *a, struct dropping *d, enum stage stage);
bool custody_is_free(struct agent *a, struct dropping *d);

/* custody_check.c */
void custody_next(struct agent *a, struct dropping *d);
void custody_hash(struct agent *a, struct dropping *d);
void custody_failed(struct agent *a, struct dropping *d, const char *why);

/* custody_after.c */
void custody_return_kept(struct agent *a, struct dropping *d);

#endif
