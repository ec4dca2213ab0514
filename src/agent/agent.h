/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's world: bases, boards, flags, and what is going on with them.
 *
 *	base    a directory.path, with its staging <path>/.flagman/staging
 *	board   one object of one group: <path>/<object>/, with Run, drop folders, Status.txt
 *	flag    one action's button on its board
 *	live    what a flag has only while it is not plainly ready: run, timers, descriptors, notes
 *
 * flags[i] belongs to view action i, boards[i] to view board i.  Both arrays are made anew when the
 * configuration changes, so nothing keeps a struct flag pointer over a reload but `live`, which the
 * reload mends.
 *
 * One turn of the loop: events say "look"; looks find presses; a press that may run is sent to the
 * executor at once.  Everything that the command does not wait for -- fresh flags, rows, texts --
 * is marked dirty and done by turn_end(), which commits before a flag shows.
 */
#ifndef FLAGMAN_AGENT_H
#define FLAGMAN_AGENT_H

#include "agent/run.h"
#include "agent/store.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/names.h"
#include "common/policy.h"
#include "common/token.h"
#include "wire/channel.h"
#include "wire/claim.h"
#include "wire/exec.h"
#include "wire/view.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#define FLAG_NAME_MAX 256
#define STAGING       EXEC_CUSTODY "/" EXEC_STAGING
#define COPY_PREFIX   "copy-" /* there: of a copy that was taken from Run, and its token */

struct agent;
struct flag;
struct custody;
struct audit;

enum place {
	PLACE_NONE,      /* no file: must be made */
	PLACE_STAGED,    /* in staging: made and not shown yet, or hidden */
	PLACE_PUBLISHED, /* on its board */
};

enum dirty {
	DIRTY_NAME = 1,
	DIRTY_CONTENT = 2,
	DIRTY_ROW = 4,
	DIRTY_RUN = 8,      /* live->run has news for the history */
	DIRTY_NEWS = 16,    /* who follows the status has not heard of it */
	DIRTY_LISTED = 128, /* it is in agent.dirty */
};

#define STEP_NONE 255

enum look {
	LOOK_DIRECTORY = 1,
	LOOK_RUN = 2,
	LOOK_DROPS = 4,
	LOOK_ALL = 7,
};

struct flag {
	struct live *live; /* NULL for most */
	struct token token;
	struct file_id id;
	int64_t since; /* us since 1970: in `state` since then */
	uint64_t run;  /* the run whose result it shows; 0: none */
	uint32_t next_dirty;
	int fd;              /* from its making, or O_PATH after a restart; -1 beyond the budget */
	uint8_t state;       /* its own: never STATE_BLOCKED */
	uint8_t shown_state; /* what its name says now, with shown_step (per cent / 10) */
	uint8_t shown_step;
	uint8_t place;
	uint8_t dirty;
	bool owned;      /* the executor has set owner and mode */
	bool fd_write;   /* fd can be written */
	bool unrecorded; /* its row is not in the data base yet: must not be shown */
	bool troubled;   /* could not be shown: tried again */
	bool reown;      /* owner or mode are configured anew: replace the file */
	bool adopted;    /* its verdict at start has been given */
};

/* What a flag has while something is going on with it. */
struct live {
	struct agent *agent;
	struct flag *flag; /* NULL: its action was removed while it ran */
	struct run run;    /* the press and its run; id 0: none */
	uint8_t before;    /* the state to go back to when called off */
	bool active;       /* sent to the executor and not ended: counts for serialise and locks */
	bool asked;        /* ... and not answered yet */
	bool confirmed;
	bool kept_payload; /* the payload of `run` is in custody, for another try */
	bool taken;        /* a flag was taken to .flagman/<run.token> and wants to be unlinked */
	bool waits, held;
	bool waits_for_name; /* its hold is over */
	TAILQ_ENTRY(live) actives, waitings, holdings;
	int pressed_fd;           /* the file that was pressed, for as long as the hold lasts */
	uint64_t away_at;         /* boottime us: since then its file bears another name */
	sd_event_source *timer;   /* the state's: hold, fade, confirm, pause, ... */
	sd_event_source *refresh; /* rate limit of name and content while it runs */
	sd_event_source *alive;   /* nudges and hang-up of the runner */
	int alive_fd, claim_fd;
	uint32_t percent;
	uint8_t step; /* of per cent, as the name may show it now */
	char progress[256];
	char *note;         /* shown in its text; owned */
	char *pressed_name; /* under which it was pressed: if it comes back, it was an editor */
	uint64_t content_at, name_at; /* when last changed, boottime us */
	uint64_t began_at;            /* boottime us: since then its run is with the executor */
	uint64_t ended_at;            /* boottime us, for the cooldown */
	uint64_t asked_at;            /* boottime us of the first press, for confirm */
	/* starts within start-limit-interval, boottime us; before the boot: negative */
	int64_t *starts;
	unsigned n_starts, starts_size;
	bool starts_loaded;
	uint64_t timeout;    /* of the definition it started with */
	struct press_names { /* kept for a run whose action goes */
		char *locks; /* list as in the view, or NULL */
	} names;
	uint8_t serialise;
	uint64_t generation; /* under which it was asked for */
};

struct board {
	struct file_id dir;
	struct file_id status_id; /* Status.txt; ino 0: none */
	struct custody *custody;  /* drop folders; NULL: none */
	uint64_t status_at;       /* boottime us, when last written */
	uint64_t look_due;        /* boottime us: to be looked at again then; 0: no */
	uint64_t mend_wait;       /* us until the next try to mend it */
	uint64_t mass_until;      /* boottime us: presses until then are part of a mass event */
	const char *mass_what;    /* what else went in it, a literal */
	uint32_t next_look;
	uint16_t n_active;
	bool usable;   /* its directory is the one that we know */
	bool released; /* flagman release */
	bool mending;  /* EXEC_MEND is under way */
	uint8_t look;  /* LOOK_ bits; 0: not in agent.looks */
	bool status_dirty;
	bool status_owning; /* a new Status.txt is on its way */
	bool status_reown;  /* it must be made anew: its owner or mode is another now */
	bool unwatched;     /* a directory of it has no watch: polled until it has */
	bool folders_gone;  /* Run or a drop folder is missing, and was not mended yet */
	bool carried;       /* during a reload */
	bool recheck;       /* after a mend: whatever is missing is no press */
};

struct base {
	struct file_id id;
	char *real;         /* its path as the kernel says it; owned */
	int fd, staging_fd; /* -1: not usable */
	bool former;        /* no board is in it any more: it is to be left */
	bool lost;          /* its path leads nowhere or elsewhere */
	bool unstaged;      /* its staging is gone, or not ours any more */
	bool there;         /* at the last look at all bases */
	bool within; /* it could be used, or was not there: the walls were not in the way (walls.h)
		      */
};

TAILQ_HEAD(lives, live);

/* Output of a run that has ended; no commit has it yet.  More at once are not looked after. */
#define UNKEPT_MAX 64
struct unkept {
	uint64_t run;
	struct token token;
	int fd; /* its claim */
};

/* The executor answers EXEC_OWN in order: so a queue. */
enum own_kind { OWN_FLAG, OWN_STATUS, OWN_FILE };
struct own_job {
	uint64_t cookie;
	struct token token; /* OWN_FLAG: of the file that was meant */
	enum own_kind kind;
	uint32_t index; /* flag or board; UINT32_MAX: forget it */
	char *from;     /* OWN_STATUS, OWN_FILE: name in staging; owned */
	char *folder;   /* OWN_FILE: below the board's directory */
	char *to;       /* OWN_FILE */
};

/* names.h */
#define NAMES_KNOWN 64
struct known_name {
	uid_t uid;
	bool asked;
	uint64_t until; /* boottime us; 0: the place is free */
	char *name;     /* owned; NULL: nobody's */
};

struct agent {
	sd_event *event;
	struct channel *executor;
	struct store *store;
	const char *state_dir;
	struct view *view;
	uint64_t generation;
	struct base *bases;
	struct board *boards;
	struct flag *flags;
	uint32_t *by_name; /* boards sorted by object and group: find.h */
	size_t n_bases, n_boards, n_flags;
	uint32_t dirty, dirty_tail; /* the first and last dirty flag; VIEW_NONE: none */
	uint64_t dirty_since;       /* boottime us; 0: nothing is dirty */
	uint32_t looks, looks_tail; /* boards to look at, in order */
	struct lives holding;       /* pressed, within their hold */
	struct lives active;        /* runs that the executor has */
	struct lives waiting;       /* in the order of their presses */
	size_t n_active;
	size_t n_asked; /* starts that the executor has not answered yet */
	void *by_token; /* tsearch(3) tree of struct live by run.token */
	struct own_job *owning;
	size_t own_head, own_n, own_size;
	uint64_t next_cookie;
	uint64_t next_run;
	struct token *spent; /* ended and noted, claims not given up yet */
	size_t n_spent, spent_size;
	struct unkept unkept[UNKEPT_MAX];
	size_t n_unkept;
	bool outputs_lost; /* the commit failed: they must be put again */
	sd_event_source *settle_timer, *status_timer, *retry_timer, *post, *flush, *quiet;
	uint64_t quiet_until; /* boottime us */
	uint64_t retry_at;
	sd_event_source *trouble_timer;
	char trouble[256]; /* what could not be written, in words; "": nothing */
	struct log_limit mend_limit, trouble_limit, watch_limit;
	size_t n_fds, fd_budget; /* of flags: held, and how many may be */
	size_t fd_limit;         /* RLIMIT_NOFILE */
	size_t own_window;       /* questions to the executor that may be under way */
	uint64_t mass_until;
	bool started;   /* claims are in, the first scan is done */
	bool restarted; /* by a living executor, within 5 s */
	bool claims_done;
	bool told_ready;
	bool status_waits; /* some Status.txt waits for own_window */
	struct watch *watch;
	struct control *control;
	struct audit *audit;       /* Samba's log; NULL: none is followed */
	struct adoption *adoption; /* facts for the first scan */
	struct known_name names[NAMES_KNOWN];
	struct view *next_view; /* a configuration that came before the start was over */
	uint64_t next_generation;
};

static inline const struct view_action *flag_action(const struct agent *a, const struct flag *f)
{
	return &a->view->actions[f - a->flags];
}
static inline const struct view_press *flag_press(const struct agent *a, const struct flag *f)
{
	return &a->view->press[flag_action(a, f)->press];
}
static inline struct board *flag_board(const struct agent *a, const struct flag *f)
{
	return &a->boards[flag_action(a, f)->board];
}
static inline const struct view_board *board_view(const struct agent *a, const struct board *b)
{
	return &a->view->boards[b - a->boards];
}
static inline struct base *board_base(const struct agent *a, const struct board *b)
{
	return &a->bases[board_view(a, b)->base];
}
static inline const char *board_object(const struct agent *a, const struct board *b)
{
	return view_str(a->view, board_view(a, b)->object);
}
static inline const char *board_group(const struct agent *a, const struct board *b)
{
	return view_str(a->view, board_view(a, b)->group);
}
static inline const char *flag_action_name(const struct agent *a, const struct flag *f)
{
	return view_str(a->view, flag_action(a, f)->name);
}

/* agent.c: time-outs in boottime us.  *SOURCE is made or changed; USEC_INFINITY switches it off. */
int agent_timer(struct agent *a, sd_event_source **source, uint64_t at, sd_event_time_handler_t cb,
	void *userdata);
void agent_timer_off(sd_event_source **source);
/* Some of what was put off: flags are made, renamed and written, rows committed. */
void agent_flush(struct agent *a);
/* After each event: lets agent_flush() run once nothing else is pending, or now if it waits long.
 */
int agent_after_event(struct agent *a);
int agent_flush_source(struct agent *a);
/* Shares the descriptors out: flags, runs, and everything else. */
void agent_budget(struct agent *a);
/* A start was asked for: it goes before everything that people see of it. */
void agent_started(struct agent *a);

#endif
