/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/audit.h"

#include "agent/audit_line.h"
#include "agent/board.h"
#include "agent/flag.h"
#include "common/log.h"
#include "common/text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define AUDIT_PATIENCE (5 * USEC_PER_SEC)
#define RING_SIZE      64
#define READ_SIZE      (16 * 1024) /* a turn's share: presses go first */

_Static_assert(AUDIT_USER_MAX <= EXEC_USER_MAX, "a command must get the name whole");

/* A line without its gesture, or a gesture without its line. */
struct note {
	uint64_t at; /* boottime us; 0: free, or used */
	char *path;  /* the flag's; owned, as all strings are */
	char *to;    /* a line: where it was renamed to; NULL: deleted */
	char *user, *address;
	char *run_folder; /* a gesture: the path of Run; NULL: the board has none */
	bool moved;       /* into it */
	uint64_t generation, run;
	uint32_t flag;
};

struct ring {
	struct note notes[RING_SIZE];
	unsigned next;
};

struct audit {
	struct agent *agent;
	int fd;
	sd_event_source *source;
	struct ring lines, gestures;
	struct audit_lines input;
};

/* --- rings --- */

static void note_done(struct note *n)
{
	free(n->path);
	free(n->to);
	free(n->user);
	free(n->address);
	free(n->run_folder);
	*n = (struct note){0};
}

/* Takes N's strings over; the oldest gives way. */
static void ring_add(struct ring *r, struct note *n)
{
	struct note *slot = &r->notes[r->next++ % RING_SIZE];

	note_done(slot);
	*slot = *n;
	*n = (struct note){0};
}

static void ring_done(struct ring *r)
{
	for (unsigned i = 0; i < RING_SIZE; i++)
		note_done(&r->notes[i]);
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/' && path[n + 1];
}

static bool same_directory(const char *x, const char *y)
{
	const char *slash = strrchr(x, '/');
	size_t n = (size_t)(slash - x) + 1;

	return strncmp(x, y, n) == 0 && !strchr(y + n, '/');
}

/* Does LINE tell of GESTURE?  A rename within the board is no press; one to anywhere else was a
 * deletion if the flag went into a trash folder, and that was looked at already. */
static bool belongs(const struct note *line, const struct note *gesture)
{
	bool into_run = line->to && gesture->run_folder && is_below(line->to, gesture->run_folder);

	if (strcmp(line->path, gesture->path) != 0)
		return false;
	if (gesture->moved)
		return into_run;
	return !line->to || (!into_run && !same_directory(line->to, line->path));
}

/* The oldest that belongs to N; LINES says what R holds. */
static struct note *ring_find(struct ring *r, const struct note *n, bool lines)
{
	uint64_t now = now_boottime();

	for (unsigned i = 0; i < RING_SIZE; i++) {
		struct note *m = &r->notes[(r->next + i) % RING_SIZE];

		if (m->at && now - m->at <= AUDIT_PATIENCE &&
			(lines ? belongs(m, n) : belongs(n, m)))
			return m;
	}
	return NULL;
}

/* --- gestures --- */

static char *join(const char *dir, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* False where nobody could say who it was. */
static bool note_gesture(struct agent *a, const struct flag *f, const char *published,
	enum trigger trigger, struct note *ret)
{
	const struct board *b = flag_board(a, f);
	const char *real = board_base(a, b)->real;
	const char *run = view_str(a->view, board_view(a, b)->run_folder);
	char dir[PATH_MAX];

	if (!a->audit || !real)
		return false;
	if (snprintf(dir, sizeof(dir), "%s/%s", real, board_object(a, b)) >= (int)sizeof(dir))
		return false;
	*ret = (struct note){
		.at = now_boottime(),
		.path = join(dir, published),
		.run_folder = run ? join(dir, run) : NULL,
		.moved = trigger == TRIGGER_MOVE,
		.generation = a->generation,
		.flag = (uint32_t)(f - a->flags),
	};
	if (ret->path && (!run || ret->run_folder))
		return true;
	note_done(ret);
	return false;
}

/* The strings of LINE are used up. */
static void give(struct run *run, struct note *line)
{
	free(run->user);
	free(run->address);
	run->user = steal_ptr(&line->user);
	run->address = NULL; /* Samba may not have said it */
	if (*line->address)
		run->address = steal_ptr(&line->address);
	run->certainty = CERTAINTY_AUDIT;
}

bool audit_name(struct agent *a, const struct flag *f, const char *published, struct run *run)
{
	struct note gesture, *line;

	if (!note_gesture(a, f, published, run->trigger, &gesture))
		return false;
	line = ring_find(&a->audit->lines, &gesture, true);
	if (line) {
		give(run, line);
		note_done(line);
	}
	note_done(&gesture);
	return line != NULL;
}

void audit_expect(struct agent *a, const struct flag *f, const char *published,
	enum trigger trigger, uint64_t run)
{
	struct note gesture;

	if (!note_gesture(a, f, published, trigger, &gesture))
		return;
	gesture.run = run;
	ring_add(&a->audit->gestures, &gesture);
}

/* --- lines --- */

/* The flags of other shares are none of ours, and their lines must not push ours out. */
static bool could_be_a_flag(const struct agent *a, const char *path)
{
	for (size_t i = 0; i < a->n_bases; i++) {
		const char *real = a->bases[i].real, *object;

		if (!real || !is_below(path, real))
			continue;
		object = path + strlen(real) + 1;
		object += strcspn(object, "/");
		if (*object == '/' && !strchr(object + 1, '/'))
			return true;
	}
	return false;
}

/* The press has begun, and may be over. */
static void name_run(struct agent *a, const struct note *gesture, struct note *line)
{
	struct flag *f;
	struct live *l;

	if (!gesture->run || gesture->generation != a->generation || gesture->flag >= a->n_flags)
		return;
	f = &a->flags[gesture->flag];
	l = f->live;
	if (!l || l->run.id != gesture->run || l->run.certainty != CERTAINTY_UNKNOWN)
		return;
	give(&l->run, line);
	log_info("%s/%s: run %llu was pressed by %s%s%s, says Samba's log", l->run.object,
		l->run.action, (unsigned long long)l->run.id, l->run.user,
		l->run.address ? " from " : "", l->run.address ? l->run.address : "");
	flag_mark(a, f, DIRTY_CONTENT | DIRTY_RUN | DIRTY_NEWS);
	board_status_dirty(a, flag_board(a, f));
}

static void on_record(const struct audit_record *r, void *userdata)
{
	struct audit *t = userdata;
	struct note line, *gesture;

	if (!could_be_a_flag(t->agent, r->path))
		return;
	log_debug("Samba's log names %s for %s", r->user, r->path);
	line = (struct note){
		.at = now_boottime(),
		.path = strdup(r->path),
		.to = r->to ? strdup(r->to) : NULL,
		.user = strdup(r->user),
		.address = strdup(r->address),
	};
	if (!line.path || (r->to && !line.to) || !line.user || !line.address) {
		note_done(&line); /* nobody is named */
		return;
	}
	gesture = ring_find(&t->gestures, &line, false);
	if (gesture) {
		name_run(t->agent, gesture, &line);
		note_done(gesture);
		note_done(&line);
	} else {
		ring_add(&t->lines, &line);
	}
}

static void stop_reading(struct audit *t)
{
	t->source = sd_event_source_disable_unref(t->source);
	close_fd(t->fd);
	t->fd = -1;
	t->input.len = 0;
	t->input.skip = false;
}

static int on_lines(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct audit *t = userdata;
	char data[READ_SIZE];
	ssize_t n = read(fd, data, sizeof(data));

	(void)s;
	if (n > 0)
		audit_lines_add(&t->input, data, (size_t)n, on_record, t);
	else if (n == 0 || (events & EPOLLERR))
		stop_reading(t); /* the executor starts another follower */
	return 0;
}

static struct audit *audit_new(struct agent *a)
{
	struct audit *t = calloc(1, sizeof(*t));

	if (t) {
		t->agent = a;
		t->fd = -1;
	}
	return t;
}

void audit_follow(struct agent *a, int fd)
{
	struct audit *t = a->audit ? a->audit : audit_new(a);
	int r;

	if (!t) {
		log_error("Samba's audit log can't be read: out of memory");
		close_fd(fd);
		return;
	}
	a->audit = t;
	stop_reading(t);
	t->fd = fd;
	r = sd_event_add_io(a->event, &t->source, fd, EPOLLIN, on_lines, t);
	if (r >= 0) /* behind all presses, beside what people see of them */
		r = sd_event_source_set_priority(t->source, SD_EVENT_PRIORITY_IDLE);
	if (r < 0) {
		log_error("Samba's audit log can't be read: %s", strerror(-r));
		stop_reading(t);
	}
}

struct audit *audit_free(struct audit *t)
{
	if (!t)
		return NULL;
	stop_reading(t);
	ring_done(&t->lines);
	ring_done(&t->gestures);
	free(t);
	return NULL;
}
