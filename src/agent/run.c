/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/run.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const cause_words[CAUSE_MAX_] = {
	[CAUSE_NONE] = "none",
	[CAUSE_CALLED_OFF] = "called-off",
	[CAUSE_WHILE_DOWN] = "while-down",
	[CAUSE_OTHER_BOOT] = "other-boot",
	[CAUSE_INTERRUPTED] = "interrupted",
	[CAUSE_NO_ROOM] = "no-room",
	[CAUSE_REFUSED] = "refused",
	[CAUSE_TOO_OLD] = "too-old",
	[CAUSE_GONE] = "gone",
};

const char *cause_word(enum cause c)
{
	return (unsigned)c < CAUSE_MAX_ ? cause_words[c] : "none";
}

int cause_from_word(const char *word)
{
	for (int i = 0; i < CAUSE_MAX_; i++)
		if (strcmp(word, cause_words[i]) == 0)
			return i;
	return -1;
}

void run_done(struct run *r)
{
	free(r->object);
	free(r->group);
	free(r->action);
	free(r->user);
	free(r->address);
	free(r->why);
	free(r->payload);
	free(r->payload_sha256);
	*r = (struct run){0};
}

static int copy_string(char **to, const char *from)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

int run_copy(struct run *ret, const struct run *from)
{
	struct run r = *from;

	r.object = r.group = r.action = r.user = r.address = NULL;
	r.why = r.payload = r.payload_sha256 = NULL;
	if (copy_string(&r.object, from->object) < 0 || copy_string(&r.group, from->group) < 0 ||
		copy_string(&r.action, from->action) < 0 || copy_string(&r.user, from->user) < 0 ||
		copy_string(&r.address, from->address) < 0 || copy_string(&r.why, from->why) < 0 ||
		copy_string(&r.payload, from->payload) < 0 ||
		copy_string(&r.payload_sha256, from->payload_sha256) < 0) {
		run_done(&r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

bool run_is_open(const struct run *r)
{
	return r->state == STATE_STARTING || r->state == STATE_WAITING || r->state == STATE_RUNNING;
}

bool run_may_have_started(const struct run *r)
{
	if (r->end.kind == END_NOT_STARTED)
		return false;
	return r->end.started != 0 || r->end.kind == END_EXITED || r->end.kind == END_SIGNALED;
}

static void cause_in_words(struct buf *b, const struct run *r)
{
	switch (r->cause) {
	case CAUSE_CALLED_OFF:
		buf_adds(b, "called off");
		break;
	case CAUSE_WHILE_DOWN:
		buf_adds(b, RUN_NOT_RUN "it was pressed while flagman was not running");
		break;
	case CAUSE_OTHER_BOOT:
		buf_adds(b, RUN_NOT_RUN "the machine went down, it may have run");
		break;
	case CAUSE_INTERRUPTED:
		buf_adds(b, "interrupted, it may have run");
		break;
	case CAUSE_NO_ROOM:
		buf_adds(b, RUN_NOT_RUN "the disk is full");
		break;
	case CAUSE_REFUSED:
		buf_adds(b, "refused");
		break;
	case CAUSE_TOO_OLD:
		buf_adds(b,
			RUN_NOT_RUN "it was pressed too long ago, while flagman was not running");
		break;
	case CAUSE_GONE:
		buf_adds(b, RUN_NOT_RUN "its action was removed while it waited");
		break;
	case CAUSE_NONE:
	case CAUSE_MAX_:
		break;
	}
	if (r->why && r->why[0]) {
		buf_adds(b, ": ");
		text_printable(b, r->why, strlen(r->why));
	}
}

static void not_started_in_words(struct buf *b, const struct run_end *end)
{
	size_t len = strnlen(end->where, sizeof end->where);

	buf_adds(b, "could not start");
	if (len > 0) {
		buf_adds(b, ": ");
		text_printable(b, end->where, len);
	}
	if (end->error > 0)
		buf_addf(b, ": %s", strerror(end->error));
	else if (len == 0)
		buf_addf(b, ", code %d", (int)end->code);
}

static void end_in_words(struct buf *b, const struct run *r, uint64_t timeout)
{
	const struct run_end *end = &r->end;
	char duration[64];

	if (end->kind == END_NOT_STARTED) {
		not_started_in_words(b, end);
	} else if (end->kind == END_INTERRUPTED) {
		buf_adds(b, "interrupted, it may have run");
	} else if (end->stop == STOP_TIMEOUT) {
		buf_adds(b, "timed out");
		if (timeout && timeout != USEC_INFINITY)
			buf_addf(b, " after %s", text_duration(duration, sizeof duration, timeout));
	} else if (end->stop == STOP_CANCEL) {
		buf_adds(b, "cancelled");
	} else if (end->kind == END_SIGNALED) {
		buf_addf(b, "killed by signal %d", (int)end->code);
	} else if (end->kind == END_EXITED) {
		buf_addf(b, "exit status %d", (int)end->code);
	} else {
		buf_adds(b, state_word(r->state));
	}
}

/* Copies what fits, never half a character. */
static void copy_whole_characters(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	if (size == 0)
		return;
	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, from, n);
	to[n] = '\0';
}

/* What a command had to say of its end goes before the number that it left. */
static bool own_words(struct buf *b, const struct run *r)
{
	if (r->end.kind != END_EXITED || r->cause != CAUSE_NONE || !r->why || !*r->why)
		return false;
	if (r->state == STATE_DONE)
		buf_adds(b, "done, ");
	text_printable(b, r->why, strlen(r->why));
	if (r->end.stop == STOP_NONE && r->end.code != 0)
		buf_addf(b, " (exit status %d)", (int)r->end.code);
	return true;
}

char *run_result_words(const struct run *r, uint64_t timeout, char *buf, size_t size)
{
	struct buf b = BUF_INIT(64 * 1024);

	if (run_is_open(r)) {
		buf_adds(&b, state_word(r->state));
	} else if (r->end.stop == STOP_NONE && own_words(&b, r)) {
		; /* they are the result */
	} else if (r->state == STATE_DONE) {
		buf_adds(&b, "done");
		if (r->end.kind == END_EXITED && r->end.code != 0)
			buf_addf(&b, ", exit status %d", (int)r->end.code);
	} else if (r->cause != CAUSE_NONE) {
		cause_in_words(&b, r);
	} else {
		end_in_words(&b, r, timeout);
		if (r->end.kind == END_EXITED && r->why && *r->why) {
			buf_adds(&b, ": ");
			(void)own_words(&b, r);
		}
	}
	copy_whole_characters(buf, size, buf_str(&b));
	buf_done(&b);
	return buf;
}
