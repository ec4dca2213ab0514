/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include "common/buf.h"
#include "common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MESSAGE_MAX 3072     /* bytes of a message before it is made printable */
#define LINE_BYTES  PIPE_BUF /* what a pipe takes whole: lines of several processes don't mix */
#define PATIENCE_MS 200
#define ESCAPED_MAX 4 /* one byte becomes \xNN at worst */

static const char *log_program = "flagman";
static const char *log_process;
static enum log_level log_level = LOG_LEVEL_INFO;
static bool log_to_journal;
static bool log_stuck;       /* the last line was not taken: don't wait for the next */
static unsigned log_dropped; /* lines that nobody took */

static const struct {
	const char *word, *prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", "<3>"},
	[LOG_LEVEL_WARNING] = {"warning", "<4>"},
	[LOG_LEVEL_INFO] = {"info", "<6>"},
	[LOG_LEVEL_DEBUG] = {"debug", "<7>"},
};

/* JOURNAL_STREAM is inherited by whoever is started with another stderr: so look (systemd.exec(5)).
 */
static bool stderr_is_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;
	char *end;

	if (!s || fstat(STDERR_FILENO, &st) < 0)
		return false;
	dev = strtoumax(s, &end, 10);
	if (*end != ':')
		return false;
	ino = strtoumax(end + 1, &end, 10);
	return *end == '\0' && st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *program, const char *process)
{
	const char *word = getenv("FLAGMAN_LOG");

	log_program = program;
	log_process = process;
	log_to_journal = stderr_is_journal();
	for (size_t i = 0; word && i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(word, levels[i].word) == 0)
			log_level = (enum log_level)i;
}

void log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level log_get_level(void)
{
	return log_level;
}

/* The pipe's reader may be gone: EPIPE, please, and not the end of the process. */
static ssize_t write_without_sigpipe(const char *line, size_t len)
{
	struct iovec iov = {.iov_base = (char *)(uintptr_t)line, .iov_len = len};
	sigset_t pipe_set, old, pending;
	bool was_pending;
	ssize_t n;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_set, &old);
	/* Another writer may have filled the pipe since poll(2) said yes. */
	n = pwritev2(STDERR_FILENO, &iov, 1, -1, RWF_NOWAIT);
	if (n < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS))
		n = write(STDERR_FILENO, line, len);
	if (n < 0 && errno == EPIPE && !was_pending)
		sigtimedwait(&pipe_set, NULL, &(struct timespec){0});
	sigprocmask(SIG_SETMASK, &old, NULL);
	return n;
}

/*
 * A reader that hangs (a stopped terminal, a full pipe, a journal that does not start) must not
 * stop the service: the line is given up after PATIENCE_MS, the next ones at once.
 */
static bool write_line(const char *line, size_t len)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n;

	if (poll(&p, 1, log_stuck ? 0 : PATIENCE_MS) <= 0) {
		log_stuck = true;
		return false;
	}
	n = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == ENOTSOCK)
		n = write_without_sigpipe(line, len);
	log_stuck = n < 0 && errno == EAGAIN;
	return n >= 0;
}

static void add_prefix(struct buf *line, enum log_level level)
{
	if (log_to_journal)
		buf_adds(line, levels[level].prefix);
	if (log_process)
		buf_addf(line, "%s[%s]: ", log_program, log_process);
	else
		buf_addf(line, "%s: ", log_program);
}

/* Cuts LINE to what a pipe takes whole, not within a character. */
static void end_line(struct buf *line)
{
	static const char more[] = "...";

	if (line->len > LINE_BYTES - 1) {
		size_t n = LINE_BYTES - 1 - strlen(more);

		while (n > 0 && ((unsigned char)line->data[n] & 0xC0) == 0x80)
			n--;
		line->len = n;
		buf_adds(line, more);
	}
	buf_addc(line, '\n');
}

static void emit(enum log_level level, const char *message, size_t len)
{
	/* On the stack: a logger that must allocate can't say that memory is short. */
	char memory[MESSAGE_MAX * ESCAPED_MAX + 256];
	struct buf line = {.data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1};

	add_prefix(&line, level);
	text_printable(&line, message, len);
	end_line(&line);
	if (!write_line(line.data, line.len))
		log_dropped++;
}

static void report_dropped(void)
{
	char text[64];
	unsigned n = log_dropped;

	if (n == 0 || log_stuck)
		return;
	log_dropped = 0;
	snprintf(text, sizeof(text), "lines of the log that were lost: %u", n);
	emit(LOG_LEVEL_WARNING, text, strlen(text));
}

static void log_va(enum log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
static void log_va(enum log_level level, const char *fmt, va_list ap)
{
	char message[MESSAGE_MAX];
	int saved = errno, n;

	if (level > log_level)
		return;
	n = vsnprintf(message, sizeof(message), fmt, ap);
	if (n < 0)
		n = snprintf(message, sizeof(message), "(a message that could not be formatted)");
	emit(level, message, (size_t)n < sizeof(message) ? (size_t)n : sizeof(message) - 1);
	report_dropped();
	errno = saved;
}

#define LOG_BODY(level) \
	do { \
		va_list ap; \
		va_start(ap, fmt); \
		log_va(level, fmt, ap); \
		va_end(ap); \
	} while (0)

void log_error(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR);
}

void log_warning(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_WARNING);
}

void log_info(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_INFO);
}

void log_debug(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_DEBUG);
}

bool log_limited(struct log_limit *limit, const char *fmt, ...)
{
	uint64_t now = now_monotonic();
	char message[MESSAGE_MAX];
	int saved = errno;
	va_list ap;

	if (limit->last_usec && now - limit->last_usec < USEC_PER_SEC) {
		limit->suppressed++;
		return false;
	}
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (limit->suppressed)
		log_warning("%s (and %u more like this)", message, limit->suppressed);
	else
		log_warning("%s", message);
	limit->last_usec = now;
	limit->suppressed = 0;
	errno = saved;
	return true;
}

void log_fatal(int exit_status, const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR);
	exit(exit_status);
}

void log_panic(const char *fmt, ...)
{
	LOG_BODY(LOG_LEVEL_ERROR);
	abort();
}
