/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flagmand's whole state: what main.c sets up and the parts that talk to each other share.
 */
#ifndef FLAGMAN_EXECUTOR_EXECUTOR_H
#define FLAGMAN_EXECUTOR_EXECUTOR_H

#include "common/buf.h"
#include "executor/agent.h"
#include "executor/cgroup.h"
#include "executor/follower.h"
#include "executor/generation.h"
#include "executor/identity.h"
#include "executor/names.h"
#include "executor/places.h"
#include "executor/pool.h"
#include "executor/rates.h"
#include "executor/reload.h"
#include "executor/runs.h"
#include "executor/watchers.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>

#define LAST_GOOD "last-good.yaml" /* in <state> */

struct executor {
	sd_event *event;
	struct identity id;
	struct rlimit nofile; /* as found; commands get it, flagmand and its agent have more */
	bool selinux;         /* on, or selinux-context: is ignored */
	struct places places;
	struct cgroups cgroups;
	struct pool pool;
	struct runs runs;
	struct agent agent;
	struct watchers watchers;
	struct names names;
	struct follower follower;
	struct rates rates;
	struct reload reload;
	struct generation *generations; /* newest first */
	struct buf spec;                /* of the run that is being started; kept for the next */
	/* chores.c: what commands don't wait for */
	sd_event_source *chores, *quiet, *rest;
	uint64_t started_at;      /* the last start */
	uint64_t chores_due;      /* since when chores wait; 0: there are none */
	sd_event_source *syncing; /* a sync of the claims' directory is under way */
	bool unsynced;            /* claims were made since the runs directory was synced */
	bool pool_failed;         /* don't try again before the next start */
	bool plans;               /* some run has no plan yet */
	bool save_last_good;
	bool write_samba_conf;
	bool clear_objects;     /* some may have gone with what the agent has adopted */
	bool samba_conf_failed; /* said so already */
	struct token *spent;    /* claims to remove */
	size_t n_spent, max_spent;
	bool ready; /* the agent has adopted a configuration: READY=1 was said */
	bool stopping;
	bool withdrawing; /* flagmand --withdraw: nothing is started (withdraw.h) */
	bool withdrawn;   /* the agent has taken away what it had put there */
};

/* chores.c: things done when nothing else is to do. */
int chores_open(struct executor *x);
void chores_close(struct executor *x);
void chores_wake(struct executor *x);
/* After a request: one chore, if they have had no turn for long, because the agent asks and asks.
 */
void chores_insist(struct executor *x);
/* Does a run or a ready runner use what bears that id? */
bool id_in_use(const char *id, void *executor);
void chores_remove_claim(struct executor *x, const struct token *token);

/* start.c: EXEC_START, from request to answer. */
struct exec_start;
void start_run(struct executor *x, const struct exec_start *request);

/* payloads.c: payloads that leave custody. */
/* That of run TOKEN, from the base at PATH; what can't be is logged, and waits for
 * payloads_tidy(). */
void payload_return(struct executor *x, const char *path, const struct token *token);
/* If it has one: before the agent hears of its end. */
void payload_return_of(struct executor *x, const struct run *run);
/* What lies in custody without a run: a kill or an unmounted share has left it. */
void payloads_tidy(struct executor *x, const struct base_state *b);

/* agent.c: ends the service with its agent; runs are left alone. */
void executor_stop(struct executor *x);

/* requests.c: one message of the agent. */
struct wire_header;
void handle_request(struct executor *x, const struct wire_header *m, int *fds, size_t n_fds);
/* The end of a run, for the agent (run_ended). */
void tell_ended(const struct run *run, const struct run_end *end, void *executor);

#endif
