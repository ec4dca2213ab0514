/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/custody.h"

#include "agent/board.h"
#include "agent/drop_folder.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK       (1024 * 1024)
#define LEASE_AGAIN USEC_PER_SEC

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

struct drop {
	struct agent *agent;
	uint32_t flag;
	enum stage stage;
	struct run run;     /* until it is handed to the flag's live part */
	struct token token; /* where it lies: .flagman/<token> */
	char *name;         /* as dropped */
	int fd, in_fd;
	uint64_t cookie, size, offset;
	bool keep; /* STAGE_RETURNING: not now, but after keep-failed */
	struct sha256_ctx sha;
	struct candidates candidates;
	sd_event_source *timer, *worker, *keep_timer;
};

struct custody {
	struct drop *drops;
	size_t n;
};

static void stage_next(struct agent *a, struct drop *d);

static struct flag *drop_flag(const struct drop *d)
{
	return &d->agent->flags[d->flag];
}
static const struct view_drop *drop_view(const struct drop *d)
{
	return &d->agent->view->drops[flag_action(d->agent, drop_flag(d))->drop];
}
static int drop_staging(const struct drop *d)
{
	return board_base(d->agent, flag_board(d->agent, drop_flag(d)))->staging_fd;
}
static const char *drop_folder(const struct drop *d)
{
	return view_str(d->agent->view, drop_view(d)->folder);
}

static void drop_close(struct drop *d)
{
	close_fd(d->fd);
	close_fd(d->in_fd);
	d->fd = d->in_fd = -1;
	d->worker = sd_event_source_disable_unref(d->worker);
}

static void drop_reset(struct drop *d)
{
	drop_close(d);
	run_done(&d->run);
	free(d->name);
	d->name = NULL;
	d->stage = STAGE_NONE;
}

static void drop_done(struct drop *d)
{
	drop_reset(d);
	agent_timer_off(&d->timer);
	agent_timer_off(&d->keep_timer);
	candidates_done(&d->candidates);
}

struct custody *custody_free(struct custody *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n; i++)
		drop_done(&c->drops[i]);
	free(c->drops);
	free(c);
	return NULL;
}

static struct drop *drop_of(struct agent *a, struct flag *f)
{
	struct custody *c = flag_board(a, f)->custody;

	for (size_t i = 0; c && i < c->n; i++)
		if (c->drops[i].flag == (uint32_t)(f - a->flags))
			return &c->drops[i];
	return NULL;
}

/* The timers' userdata is the drop: after a reload it moved. */
static void drop_moved(struct drop *d)
{
	sd_event_source *sources[] = {d->timer, d->worker, d->keep_timer};

	for (size_t i = 0; i < 3; i++)
		if (sources[i])
			sd_event_source_set_userdata(sources[i], d);
}

void custody_reload(struct agent *a, struct board *b, const uint32_t *flag_map)
{
	const struct view_board *v = board_view(a, b);
	struct custody *old = b->custody, *new = NULL;
	size_t n = 0;

	for (uint32_t i = 0; i < v->n_actions; i++)
		n += a->view->actions[v->first_action + i].drop != VIEW_NONE;
	if (n) {
		new = calloc(1, sizeof(*new));
		if (new)
			new->drops = calloc(n, sizeof(*new->drops));
		if (!new || !new->drops)
			log_fatal(71, "out of memory");
	}
	b->custody = new;
	for (uint32_t i = 0; n && i < v->n_actions; i++) {
		uint32_t index = v->first_action + i;
		if (a->view->actions[index].drop == VIEW_NONE)
			continue;
		struct drop *d = &new->drops[new->n++], *was = NULL;
		for (size_t k = 0; old && k < old->n; k++)
			if (flag_map && old->drops[k].agent &&
				flag_map[old->drops[k].flag] == index)
				was = &old->drops[k];
		*d = (struct drop){.agent = a, .flag = index, .fd = -1, .in_fd = -1};
		if (was) {
			*d = *was;
			d->flag = index;
			*was = (struct drop){.fd = -1, .in_fd = -1}; /* moved */
			drop_moved(d);
		}
	}
	custody_free(old);
}

static void set_owner(struct run *run, uint32_t uid)
{
	char buf[1024];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
		run->user = strdup(found->pw_name);
	run->certainty = run->user ? CERTAINTY_OWNER : CERTAINTY_UNKNOWN;
}

static int store_now(struct agent *a, const struct run *run)
{
	int r = store_begin(a->store);

	if (r == 0)
		r = store_put_run(a->store, run);
	return r == 0 ? store_commit(a->store) : r;
}

static void names_of(struct agent *a, const struct drop *d, struct run *run)
{
	const struct board *b = flag_board(a, drop_flag(d));

	run->object = strdup(board_object(a, b));
	run->group = strdup(board_group(a, b));
	run->action = strdup(flag_action_name(a, drop_flag(d)));
	if (!run->object || !run->group || !run->action)
		log_fatal(71, "out of memory");
}

static void show_receiving(struct agent *a, struct drop *d, bool receiving, const char *what)
{
	struct flag *f = drop_flag(d);

	if (receiving && f->state != STATE_RECEIVING) {
		if (f->state == STATE_STARTING || f->state == STATE_WAITING ||
			f->state == STATE_RUNNING || f->state == STATE_CONFIRM)
			return;
		press_live(a, f)->before = f->state;
		flag_set_state(a, f, STATE_RECEIVING);
	} else if (!receiving && f->state == STATE_RECEIVING) {
		flag_set_state(a, f, press_live(a, f)->before);
		press_note(a, f, NULL);
		press_arm(a, f);
	}
	if (receiving && what)
		press_note(a, f, "%s", what);
}

static void ask_take(struct agent *a, struct drop *d, enum stage stage)
{
	struct exec_payload m = {
		.header.type = EXEC_TAKE,
		.generation = a->generation,
		.cookie = d->cookie = ++a->next_cookie,
		.board = flag_action(a, drop_flag(d))->board,
		.token = d->token,
	};

	d->stage = stage;
	int r = channel_send(a->executor, &m, sizeof(m), NULL, 0);
	if (r < 0)
		log_fatal(71, "the executor cannot be reached: %s", strerror(-r));
}

/* Steps 1 to 4. */
static int take_file(struct agent *a, struct drop *d, int folder, const struct candidate *c)
{
	char hex[TOKEN_HEX + 1];
	struct file_info info;
	int staging = drop_staging(d);
	int r;

	r = file_info_at(folder, c->name, &info);
	if (r < 0)
		return r;
	if (!S_ISREG(info.mode) || info.nlink != 1 || !file_id_equal(&info.id, &c->id))
		return -EINVAL;
	drop_reset(d);
	d->token = token_new();
	d->name = strdup(c->name);
	d->size = info.size;
	d->run = (struct run){
		.id = a->next_run++,
		.token = d->token,
		.trigger = TRIGGER_DROP,
		.state = STATE_STARTING,
		.pressed = now_realtime(),
		.payload = strdup(c->name),
		.payload_size = info.size,
	};
	if (!d->name || !d->run.payload)
		log_fatal(71, "out of memory");
	names_of(a, d, &d->run);
	set_owner(&d->run, info.uid);
	r = store_now(a, &d->run); /* its name must be known before it loses it */
	if (r < 0)
		return r;
	if (renameat2(folder, c->name, staging, token_hex(&d->token, hex), RENAME_NOREPLACE) < 0)
		return -errno;
	r = file_info_at(staging, hex, &info);
	if (r == 0 &&
		(!S_ISREG(info.mode) || info.nlink != 1 || !file_id_equal(&info.id, &c->id))) {
		/* swapped or linked in between: not ours to touch */
		(void)renameat2(staging, hex, folder, c->name, RENAME_NOREPLACE);
		return -EINVAL;
	}
	if (r < 0)
		return r;
	log_info("%s/%s: took %s (%llu bytes)", d->run.object, d->run.action, c->name,
		(unsigned long long)info.size);
	ask_take(a, d, STAGE_TAKING);
	return 0;
}

static bool flag_is_free(struct agent *a, struct drop *d)
{
	struct flag *f = drop_flag(d);

	if (d->stage != STAGE_NONE || press_blocker(a, f) || flag_action(a, f)->misconfigured)
		return false;
	return f->state != STATE_STARTING && f->state != STATE_WAITING &&
	       f->state != STATE_RUNNING && f->state != STATE_CONFIRM && f->state != STATE_PAUSED;
}

static void return_kept(struct agent *a, struct drop *d);

static int on_settled(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct drop *d = userdata;
	struct agent *a = d->agent;

	(void)s;
	(void)usec;
	agent_timer_off(&d->timer);
	board_look_at(a, flag_board(a, drop_flag(d)), LOOK_DROPS);
	board_looks(a);
	return 0;
}

static int look_drop(struct agent *a, struct board *b, struct drop *d, int dirfd)
{
	const struct view_drop *v = drop_view(d);
	uint64_t now = now_boottime(), due;
	_cleanup_close_ int folder = board_open_folder(dirfd, drop_folder(d));
	bool receiving;

	if (folder < 0)
		return folder;
	drop_folder_scan(a, b, v, folder, &d->candidates, now);
	receiving = candidates_unsettled(&d->candidates, v->settle, now, &due);
	struct candidate *c = candidates_oldest(&d->candidates, v->settle, now);
	if (c && flag_is_free(a, d)) {
		if (drop_flag(d)->live && drop_flag(d)->live->kept_payload)
			return_kept(a, d); /* a new one takes its place */
		else if (take_file(a, d, folder, c) < 0)
			c->changed = now; /* look again when it has been quiet once more */
	}
	if (d->stage == STAGE_NONE)
		show_receiving(a, d, receiving, "Something is being written into the drop folder.");
	if (receiving)
		agent_timer(a, &d->timer, due, on_settled, d);
	return 0;
}

int custody_look(struct agent *a, struct board *b, int dirfd)
{
	int r = 0;

	for (size_t i = 0; i < b->custody->n; i++) {
		int one = look_drop(a, b, &b->custody->drops[i], dirfd);
		if (one < 0)
			r = one;
	}
	return r;
}

void custody_kick(struct agent *a)
{
	if (!a->view->h->n_drops)
		return;
	for (size_t i = 0; i < a->n_boards; i++) {
		struct custody *c = a->boards[i].custody;
		for (size_t k = 0; c && k < c->n; k++) {
			if (c->drops[k].stage == STAGE_WAITING)
				stage_next(a, &c->drops[k]);
			else if (c->drops[k].stage == STAGE_NONE && c->drops[k].candidates.n)
				board_look_at(a, &a->boards[i], LOOK_DROPS);
		}
	}
	board_looks(a);
}

/* --- lease, hash, go --- */

static int on_lease(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct drop *d = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&d->keep_timer);
	if (d->stage == STAGE_LEASE)
		stage_next(d->agent, d);
	return 0;
}

static void hash_done(struct agent *a, struct drop *d)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char hex[2 * SHA256_DIGEST_SIZE + 1];

	sha256_digest(&d->sha, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	free(d->run.payload_sha256);
	d->run.payload_sha256 = strdup(hex);
	d->run.payload_size = d->offset;
	drop_close(d);
	d->stage = STAGE_WAITING;
	stage_next(a, d);
}

static void custody_failed(struct agent *a, struct drop *d, const char *why)
{
	struct flag *f = drop_flag(d);
	struct live *l = press_live(a, f);

	show_receiving(a, d, false, NULL);
	run_done(&l->run);
	l->run = d->run;
	d->run = (struct run){0};
	l->run.state = STATE_MISSED;
	l->run.cause = CAUSE_REFUSED;
	free(l->run.why);
	l->run.why = strdup(why);
	l->run.end.ended = now_realtime();
	f->run = l->run.id;
	log_error("%s/%s: %s: %s", l->run.object, l->run.action, l->run.payload, why);
	flag_mark(a, f, DIRTY_RUN);
	flag_set_state(a, f, STATE_MISSED);
	custody_over(a, l);
}

/* A piece at a time, when there is nothing else to do: 9 GiB must not stop the presses. */
static int on_piece(sd_event_source *s, void *userdata)
{
	static uint8_t piece[CHUNK];
	struct drop *d = userdata;
	struct agent *a = d->agent;
	int from = d->in_fd >= 0 ? d->in_fd : d->fd;
	ssize_t n = d->in_fd >= 0 ? read(from, piece, sizeof(piece))
				  : pread(from, piece, sizeof(piece), (off_t)d->offset);

	(void)s;
	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0 || (n > 0 && d->in_fd >= 0 && write_all(d->fd, piece, (size_t)n) < 0)) {
		char why[160];
		snprintf(why, sizeof(why), "the payload cannot be read: %s", strerror(errno));
		custody_failed(a, d, why);
		return 0;
	}
	if (n == 0) {
		hash_done(a, d);
		return 0;
	}
	sha256_update(&d->sha, (size_t)n, piece);
	d->offset += (uint64_t)n;
	return 0;
}

static void start_hashing(struct agent *a, struct drop *d)
{
	int r;

	d->stage = STAGE_HASHING;
	d->offset = 0;
	sha256_init(&d->sha);
	r = sd_event_add_defer(a->event, &d->worker, on_piece, d);
	if (r >= 0)
		r = sd_event_source_set_priority(d->worker, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->worker, SD_EVENT_ON);
	if (r < 0)
		log_fatal(71, "no event source: %s", strerror(-r));
	show_receiving(a, d, true, "The payload is being checked.");
}

/* Step 5: nobody has it open for writing.  A file system without leases cannot tell. */
static bool nobody_writes(struct drop *d)
{
	if (fcntl(d->fd, F_SETLEASE, F_RDLCK) == 0) {
		(void)fcntl(d->fd, F_SETLEASE, F_UNLCK);
		return true;
	}
	return errno != EAGAIN;
}

static void open_taken(struct agent *a, struct drop *d)
{
	char hex[TOKEN_HEX + 1];
	struct file_info info;

	if (d->fd < 0) {
		d->fd = openat(drop_staging(d), token_hex(&d->token, hex),
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (d->fd < 0 || file_info_at(d->fd, "", &info) < 0 || !S_ISREG(info.mode) ||
			info.nlink != 1) {
			custody_failed(a, d, "the payload is not in custody any more");
			return;
		}
	}
	if (nobody_writes(d)) {
		agent_timer_off(&d->keep_timer);
		start_hashing(a, d);
		return;
	}
	d->stage = STAGE_LEASE;
	show_receiving(a, d, true, "Somebody still has the payload open for writing.");
	agent_timer(a, &d->keep_timer, now_boottime() + LEASE_AGAIN, on_lease, d);
}

static void go(struct agent *a, struct drop *d)
{
	struct flag *f = drop_flag(d);
	const char *why = NULL;

	if (press_blocker(a, f)) {
		show_receiving(a, d, true, "The payload waits: another action runs.");
		return;
	}
	show_receiving(a, d, false, NULL);
	d->stage = STAGE_RUNNING;
	if (!press_request(a, f, &d->run, false, &why)) {
		d->stage = STAGE_WAITING;
		show_receiving(a, d, true, why);
	}
}

static void stage_next(struct agent *a, struct drop *d)
{
	switch (d->stage) {
	case STAGE_TAKING:
	case STAGE_LEASE:
		open_taken(a, d);
		break;
	case STAGE_WAITING:
		go(a, d);
		break;
	default:
		break;
	}
}

/* --- afterwards --- */

static int on_keep(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct drop *d = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&d->keep_timer);
	return_kept(d->agent, d);
	return 0;
}

static void keep(struct agent *a, struct drop *d)
{
	const struct view_drop *v = drop_view(d);
	struct live *l = press_live(a, drop_flag(d));

	l->kept_payload = true;
	d->stage = STAGE_NONE;
	if (v->keep_failed == USEC_INFINITY)
		return;
	int64_t gone = now_realtime() - l->run.end.ended;
	uint64_t wait = gone < 0                          ? v->keep_failed
			: (uint64_t)gone > v->keep_failed ? 0
							  : v->keep_failed - (uint64_t)gone;
	agent_timer(a, &d->keep_timer, now_boottime() + wait, on_keep, d);
}

static void give_back(struct agent *a, struct drop *d)
{
	struct board *b = flag_board(a, drop_flag(d));
	_cleanup_close_ int dirfd = board_open(a, b);
	_cleanup_close_ int folder = dirfd < 0 ? -1 : board_open_folder(dirfd, drop_folder(d));
	int r = folder < 0 ? folder
			   : drop_folder_return(a, b, drop_staging(d), &d->token, folder, d->name);

	if (r < 0)
		log_error("%s: %s stays in %s: it cannot be returned: %s", board_object(a, b),
			d->name, STAGING, strerror(-r));
	drop_reset(d);
	board_look_at(a, b, LOOK_DROPS);
}

static void return_kept(struct agent *a, struct drop *d)
{
	struct live *l = drop_flag(d)->live;

	agent_timer_off(&d->keep_timer);
	if (!l || !l->kept_payload)
		return;
	l->kept_payload = false;
	give_back(a, d);
}

void custody_over(struct agent *a, struct live *l)
{
	struct drop *d = drop_of(a, l->flag);
	char hex[TOKEN_HEX + 1];

	if (!d || !d->name)
		return;
	drop_close(d);
	d->token = l->run.token;
	if (l->run.state == STATE_DONE && drop_view(d)->after == AFTER_DELETE) {
		(void)unlinkat(drop_staging(d), token_hex(&d->token, hex), 0);
		drop_reset(d);
		return;
	}
	d->keep = l->run.state != STATE_DONE && l->run.cause != CAUSE_CALLED_OFF;
	ask_take(a, d, STAGE_RETURNING);
}

void custody_taken(struct agent *a, const struct exec_result *m)
{
	struct drop *d = NULL;

	for (size_t i = 0; i < a->n_boards && !d; i++)
		for (size_t k = 0; a->boards[i].custody && k < a->boards[i].custody->n; k++)
			if (a->boards[i].custody->drops[k].cookie == m->cookie)
				d = &a->boards[i].custody->drops[k];
	if (!d)
		return; /* its action is gone */
	if (m->error && d->stage == STAGE_TAKING) {
		custody_failed(a, d, m->why);
		return;
	}
	if (d->stage == STAGE_RETURNING) {
		if (m->error)
			log_error("%s stays in %s: %s", d->name, STAGING, m->why);
		else if (d->keep)
			keep(a, d);
		else
			give_back(a, d);
		return;
	}
	stage_next(a, d);
	board_looks(a);
}

void custody_again(struct agent *a, struct live *l, struct run *run)
{
	struct drop *d = drop_of(a, l->flag);
	char from[TOKEN_HEX + 1], to[TOKEN_HEX + 1];

	if (!d || !d->name ||
		renameat(drop_staging(d), token_hex(&l->run.token, from), drop_staging(d),
			token_hex(&run->token, to)) < 0)
		return;
	agent_timer_off(&d->keep_timer);
	l->kept_payload = false;
	d->token = run->token;
	d->stage = STAGE_RUNNING;
	run->payload = steal_ptr(&l->run.payload);
	run->payload_sha256 = steal_ptr(&l->run.payload_sha256);
	run->payload_size = l->run.payload_size;
}

static struct drop *resume(struct agent *a, struct flag *f, const struct run *run)
{
	struct drop *d = drop_of(a, f);
	char hex[TOKEN_HEX + 1];
	struct file_info info;

	if (!d || d->name || !run->payload ||
		file_info_at(drop_staging(d), token_hex(&run->token, hex), &info) < 0)
		return NULL;
	d->token = run->token;
	d->name = strdup(run->payload);
	if (!d->name)
		log_fatal(71, "out of memory");
	return d;
}

bool custody_resume(struct agent *a, struct flag *f, struct run *run)
{
	struct drop *d = resume(a, f, run);

	if (!d)
		return false;
	d->run = *run;
	*run = (struct run){0};
	ask_take(a, d, STAGE_TAKING);
	return true;
}

void custody_adopt_kept(struct agent *a, struct flag *f)
{
	struct live *l = press_live(a, f);
	struct drop *d;

	if (!l->run.id && f->run && store_get_run(a->store, f->run, &l->run) < 0)
		return;
	if (l->run.state != STATE_RUNNING && (d = resume(a, f, &l->run)) != NULL)
		custody_over(a, l);
	else if (l->run.state == STATE_RUNNING && (d = resume(a, f, &l->run)) != NULL)
		d->stage = STAGE_RUNNING;
}

uint64_t custody_copy(
	struct agent *a, struct flag *f, int fd, struct run *run, const char **ret_why)
{
	struct drop *d = drop_of(a, f);
	_cleanup_close_ int in = fd;
	char hex[TOKEN_HEX + 1];

	if (!d)
		*ret_why = "this action takes no payload";
	else if (!flag_is_free(a, d))
		*ret_why = "it is busy";
	else if ((f->live && f->live->kept_payload))
		*ret_why = "a payload that failed is still in custody: press the flag, or drop the "
			   "new one";
	if (*ret_why)
		return 0;
	drop_reset(d);
	run->token = d->token = token_new();
	run->id = a->next_run++;
	run->state = STATE_STARTING;
	run->pressed = now_realtime();
	names_of(a, d, run);
	d->name = strdup(run->payload);
	d->run = *run;
	*run = (struct run){0};
	if (!d->name || store_now(a, &d->run) < 0) {
		*ret_why = "the history cannot be written";
		return 0;
	}
	d->fd = openat(drop_staging(d), token_hex(&d->token, hex),
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	if (d->fd < 0) {
		*ret_why = "no room in custody";
		return 0;
	}
	d->in_fd = steal_fd(&in);
	start_hashing(a, d);
	return d->run.id;
}
