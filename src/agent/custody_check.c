/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Custody, steps 5 and 6: nobody writes any more, the hash, the start. */
#include "agent/custody.h"
#include "agent/custody_drop.h"
#include "agent/flag.h"
#include "agent/press.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK       (1024 * 1024)
#define AGAIN_AFTER USEC_PER_SEC

static int on_lease(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct dropping *d = userdata;

	(void)s;
	(void)usec;
	agent_timer_off(&d->keep_timer);
	if (d->stage == STAGE_LEASE)
		custody_next(d->agent, d);
	return 0;
}

static void hash_done(struct agent *a, struct dropping *d)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char hex[2 * SHA256_DIGEST_SIZE + 1];

	sha256_digest(&d->sha, sizeof(digest), digest);
	text_hex(hex, digest, sizeof(digest));
	free(d->run.payload_sha256);
	d->run.payload_sha256 = strdup(hex);
	d->run.payload_size = d->offset;
	custody_close(d);
	d->stage = STAGE_WAITING;
	custody_next(a, d);
}

void custody_failed(struct agent *a, struct dropping *d, const char *why)
{
	struct flag *f = drop_flag(d);
	struct live *l = press_live(a, f);

	custody_show(a, d, false, NULL);
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
	struct dropping *d = userdata;
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

void custody_hash(struct agent *a, struct dropping *d)
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
	custody_show(a, d, true, "The payload is being checked.");
}

/* Step 5: nobody has it open for writing.  A file system without leases cannot tell. */
static bool nobody_writes(struct dropping *d)
{
	if (fcntl(d->fd, F_SETLEASE, F_RDLCK) == 0) {
		(void)fcntl(d->fd, F_SETLEASE, F_UNLCK);
		return true;
	}
	return errno != EAGAIN;
}

static void open_again(struct agent *a, struct dropping *d, const char *why)
{
	d->stage = STAGE_LEASE;
	custody_show(a, d, true, why);
	agent_timer(a, &d->keep_timer, now_boottime() + AGAIN_AFTER, on_lease, d);
}

static void open_taken(struct agent *a, struct dropping *d)
{
	char hex[TOKEN_HEX + 1];
	struct file_info info;

	if (d->fd < 0) {
		d->fd = openat(drop_staging(d), token_hex(&d->token, hex),
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (d->fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			open_again(a, d, "The payload waits: too many files are open.");
			return;
		}
		if (d->fd < 0 || file_info_at(d->fd, "", &info) < 0 || !S_ISREG(info.mode) ||
			info.nlink != 1) {
			custody_failed(a, d, "the payload is not in custody any more");
			return;
		}
	}
	if (nobody_writes(d)) {
		agent_timer_off(&d->keep_timer);
		custody_hash(a, d);
		return;
	}
	open_again(a, d, "Somebody still has the payload open for writing.");
}

static void go(struct agent *a, struct dropping *d)
{
	struct flag *f = drop_flag(d);
	const char *why = NULL;

	if (press_blocker(a, f)) {
		custody_show(a, d, true, "The payload waits: another action runs.");
		return;
	}
	custody_show(a, d, false, NULL);
	d->stage = STAGE_RUNNING;
	if (!press_request(a, f, &d->run, false, &why)) {
		d->stage = STAGE_WAITING;
		custody_show(a, d, true, why);
	}
}

void custody_next(struct agent *a, struct dropping *d)
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
