/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disc/say.h"

#include "common/buf.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SENTENCE_MAX     512
#define PROGRESS_EVERY   (USEC_PER_SEC / 2)
#define BARRIER_PATIENCE (10 * USEC_PER_SEC) /* for a disk that is busy */

static char sentence[SENTENCE_MAX];
static bool final;
static bool on_line; /* a line of progress stands on the terminal */

static void clear_line(void)
{
	if (on_line)
		fputs("\r\033[K", stderr);
	on_line = false;
}

/* What comes from discs and images is made harmless here, once. */
static void print_line(FILE *out, const char *name, const char *text)
{
	struct buf b = BUF_INIT(16384);

	clear_line();
	text_printable(&b, text, strlen(text));
	if (name)
		fprintf(out, "%-9s ", name);
	fprintf(out, "%s\n", buf_str(&b));
	fflush(out);
	buf_done(&b);
}

void say_fact(const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_line(stdout, name, text);
}

static void show(const char *text)
{
	sd_notifyf(0, "STATUS=%s", text);
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K%s", text);
	fflush(stderr);
	on_line = true;
}

void say_progress(unsigned percent, const char *fmt, ...)
{
	static uint64_t last;
	static char phase[16];
	char text[SENTENCE_MAX];
	uint64_t now = now_monotonic();
	va_list ap;

	/* the first word is the phase: "burning", "reading" */
	if (last && now < last + PROGRESS_EVERY && strncmp(fmt, phase, strcspn(fmt, " ")) == 0)
		return;
	last = now;
	snprintf(phase, sizeof(phase), "%.*s", (int)strcspn(fmt, " "), fmt);
	int n = snprintf(text, sizeof(text), "%u%% ", percent > 100 ? 100 : percent);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	show(text);
}

void say_doing(const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	show(text);
}

int verdict(int status, const char *fmt, ...)
{
	va_list ap;

	if (final)
		return status;
	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	return status;
}

void verdict_add(const char *fmt, ...)
{
	size_t n = strlen(sentence);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence + n, sizeof(sentence) - n, fmt, ap);
	va_end(ap);
}

void verdict_final(void)
{
	for (char *p = sentence; *p; p++)
		if (*p == '\n')
			*p = ' '; /* it would end the STATUS= */
	sd_notifyf(0, "STATUS=%s", sentence);
	final = true;
}

void verdict_say(int status)
{
	if (!*sentence)
		return;
	if (!final)
		verdict_final();
	print_line(status ? stderr : stdout, NULL, sentence);
}

static void add(struct buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	buf_addf(b, "%s%s=", b->len ? "\t" : "", key);
	text_printable(b, value, strlen(value)); /* no tab or line end is left in it */
}

static void add_number(struct buf *b, const char *key, uint64_t value)
{
	if (value)
		buf_addf(b, "\t%s=%llu", key, (unsigned long long)value);
}

bool record_send(const struct record *r)
{
	struct buf b = BUF_INIT(4096);

	add(&b, "verb", r->verb);
	add(&b, "verdict", r->verdict);
	add(&b, "against", r->against);
	add(&b, "sha256", r->sha256);
	add_number(&b, "length", r->length);
	add(&b, "id", r->id);
	add(&b, "media", r->media);
	add(&b, "product", r->product);
	add_number(&b, "speed", r->speed);
	add(&b, "image", r->image); /* last: it may be cut */
	int error = sd_notifyf(0, "X_FLAGMAN_DISC=%s", buf_str(&b));
	if (error > 0)
		error = sd_notify_barrier(0, BARRIER_PATIENCE);
	buf_done(&b);
	if (error < 0)
		say_fact("Record", "it could not be kept: %s", strerror(-error));
	return error >= 0;
}
