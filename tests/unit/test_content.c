/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The texts that people read, each against a file in tests/content.  After a change that is meant,
 * FLAGMAN_UPDATE_GOLDENS=1 writes the files anew; read the difference before it is committed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those four before it */
#include <cmocka.h>

#include "content_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WIDTH 78

/* --- scenes: flags --- */

static void never_pressed(struct scene *s)
{
	s->a.state = STATE_READY;
}

static void ready(struct scene *s)
{
	scene_end(s, STATE_DONE, END_EXITED, 0);
	s->run.user = lit("alice");
	s->run.address = lit("10.1.2.3");
	s->run.certainty = CERTAINTY_AUDIT;
	scene_say(&s->head, "Restarting apache2\nok\n");
	scene_recent(s);
}

static void starting(struct scene *s)
{
	scene_run(s, STATE_STARTING);
	s->run.claimed = 0;
	s->a.state = STATE_STARTING;
}

static void waiting(struct scene *s)
{
	scene_run(s, STATE_WAITING);
	s->run.claimed = 0;
	s->a.state = STATE_WAITING;
	s->a.note = "Stop of Apache runs, started by bob.";
}

static void running(struct scene *s)
{
	scene_run(s, STATE_RUNNING);
	s->run.trigger = TRIGGER_MOVE;
	s->run.user = lit("alice");
	s->run.certainty = CERTAINTY_OWNER;
	s->a.state = STATE_RUNNING;
	s->a.percent = 40;
	s->a.progress = "42% of the tables are rebuilt";
	s->a.cancel_by_press = true;
	scene_say(&s->head, "table 1\ntable 2\n10%\r20%\r30%\r40% caf\xc3");
}

static void running_silent(struct scene *s)
{
	scene_run(s, STATE_RUNNING);
	s->a.state = STATE_RUNNING;
	s->a.timeout = USEC_INFINITY;
}

static void done(struct scene *s)
{
	scene_end(s, STATE_DONE, END_EXITED, 0);
	s->run.trigger = TRIGGER_CLI;
	s->run.user = lit("root");
	s->run.certainty = CERTAINTY_PEER;
	s->a.state = STATE_DONE;
	scene_say(&s->head, "no line end");
}

static void done_status_24(struct scene *s)
{
	scene_end(s, STATE_DONE, END_EXITED, 24);
	s->a.state = STATE_DONE;
}

static void failed(struct scene *s)
{
	scene_end(s, STATE_FAILED, END_EXITED, 3);
	s->run.user = lit("alice");
	s->run.address = lit("10.1.2.3");
	s->run.certainty = CERTAINTY_AUDIT;
	s->a.state = STATE_FAILED;
	scene_say(&s->head, "the beginning\nna\xc3");
	scene_say(&s->tail, "\xafve, the end\nfailed: no such module\n");
	s->a.left_out = 1234567;
	scene_recent(s);
}

static void failed_not_found(struct scene *s)
{
	scene_end(s, STATE_FAILED, END_EXITED, 127);
	s->a.state = STATE_FAILED;
	scene_say(&s->head, "/bin/sh: 1: systemclt: not found\n");
}

static void failed_killed(struct scene *s)
{
	scene_end(s, STATE_FAILED, END_SIGNALED, 9);
	s->a.state = STATE_FAILED;
}

static void failed_timed_out(struct scene *s)
{
	scene_end(s, STATE_FAILED, END_SIGNALED, 15);
	s->run.end.stop = STOP_TIMEOUT;
	s->a.timeout = 120 * USEC_PER_SEC;
	s->a.state = STATE_FAILED;
}

static void failed_not_started(struct scene *s)
{
	scene_end(s, STATE_FAILED, END_NOT_STARTED, 203);
	s->run.end.error = ENOENT;
	s->run.end.lasted = 0;
	snprintf(s->run.end.where, sizeof s->run.end.where, "/x");
	s->a.state = STATE_FAILED;
}

static void failed_interrupted(struct scene *s)
{
	scene_end(s, STATE_FAILED, END_INTERRUPTED, 0);
	s->run.cause = CAUSE_INTERRUPTED;
	s->a.state = STATE_FAILED;
	scene_say(&s->head, "half of the w");
}

static void failed_refused(struct scene *s)
{
	scene_run(s, STATE_FAILED);
	s->run.claimed = 0;
	s->run.cause = CAUSE_REFUSED;
	s->run.why = lit("its payload is not in custody");
	s->a.state = STATE_FAILED;
}

static void blocked(struct scene *s)
{
	ready(s);
	s->a.state = STATE_BLOCKED;
	s->a.note = "Stop of Apache runs, started by bob.";
}

static void cancelled(struct scene *s)
{
	scene_end(s, STATE_CANCELLED, END_SIGNALED, 15);
	s->run.end.stop = STOP_CANCEL;
	s->a.state = STATE_CANCELLED;
}

static void called_off(struct scene *s)
{
	scene_run(s, STATE_CANCELLED);
	s->run.claimed = 0;
	s->run.cause = CAUSE_CALLED_OFF;
	s->a.state = STATE_CANCELLED;
}

static void missed_while_down(struct scene *s)
{
	scene_run(s, STATE_MISSED);
	s->run.claimed = 0;
	s->run.cause = CAUSE_WHILE_DOWN;
	s->a.state = STATE_MISSED;
}

static void missed_other_boot(struct scene *s)
{
	missed_while_down(s);
	s->run.cause = CAUSE_OTHER_BOOT;
}

static void missed_no_room(struct scene *s)
{
	missed_while_down(s);
	s->run.cause = CAUSE_NO_ROOM;
}

static void put_back(struct scene *s)
{
	s->a.state = STATE_READY;
	s->a.note =
		"Two buttons went at once, so nobody meant one of them: nothing was run, and both"
		" came back.";
}

static void confirm(struct scene *s)
{
	s->a.state = STATE_CONFIRM;
	s->a.confirm = 30 * USEC_PER_SEC;
}

static void receiving(struct scene *s)
{
	scene_drop(s);
	s->a.state = STATE_RECEIVING;
}

static void drop_failed(struct scene *s)
{
	scene_drop(s);
	scene_end(s, STATE_FAILED, END_EXITED, 1);
	s->run.trigger = TRIGGER_DROP;
	s->run.user = lit("carol");
	s->run.certainty = CERTAINTY_OWNER;
	s->run.payload = lit("debian-12.iso");
	s->run.payload_size = 660ULL << 20;
	s->run.payload_sha256 =
		lit("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae");
	s->a.state = STATE_FAILED;
	scene_say(&s->head, "no disc in the drive\n");
}

static void drop_alone(struct scene *s)
{
	scene_drop(s);
	s->a.press_delete = s->a.press_move = false;
}

static void paused(struct scene *s)
{
	ready(s);
	s->a.n_recent = 0;
	s->a.state = STATE_PAUSED;
	s->a.note = "It may be pressed again at 16:02.";
}

static void misconfigured(struct scene *s)
{
	s->a.state = STATE_MISCONFIGURED;
	s->a.misconfigured = "/etc/flagman/conf.d/apache.yaml:12:17: error: unknown key 'tiemout';"
			     " did you mean 'timeout'?";
}

static void press_only(struct scene *s)
{
	s->a.press_move = false;
	s->a.run_folder = NULL;
}

static void move_only(struct scene *s)
{
	s->a.press_delete = false;
	s->a.run_folder = "Los";
}

static const char *const german[STATE_MAX_] = {
	[STATE_READY] = "Bereit",
	[STATE_RUNNING] = "L\xc3\xa4uft",
	[STATE_FAILED] = "Fehlgeschlagen",
	[STATE_BLOCKED] = "Gesperrt",
};

static void german_labels(struct scene *s)
{
	failed_killed(s);
	s->a.labels = german;
}

static void no_description(struct scene *s)
{
	s->a.description = NULL;
}

static void long_description(struct scene *s)
{
	s->a.description =
		"Restarts the web server of the department, the one that serves the pages of all"
		" the projects, and with it everything that hangs on it.\n"
		"Call Ms. M\xc3\xbcller first, at extension 4711, whenever there is an exhibition.";
}

/* Everything a stranger may have written. */
static void hostile(struct scene *s)
{
	scene_end(s, STATE_FAILED, END_NOT_STARTED, 203);
	s->run.end.error = EACCES;
	snprintf(s->run.end.where, sizeof s->run.end.where, "/srv/\x1b[31m\xff\nReady");
	s->run.user = lit("mallory\r\nBy        root");
	s->run.address = lit("10.0.0.1\x1b]0;owned\x07");
	s->run.payload = lit("\xe2\x80\xaegpj.exe\n");
	s->a.state = STATE_FAILED;
	s->a.note = "a\x01"
		    "b\nc";
	static const char noise[] =
		"\x1b[2J\x1b]0;title\x07plain\x00 \xff\xfe \xe2\x80\xae\ttab\x7f\n";
	scene_say(&s->head, "");
	buf_add(&s->head, noise, sizeof noise - 1);
	scene_recent(s);
	s->earlier[0].user = lit("eve\n\x1b[1m");
	s->earlier[1].user = lit("somebody with quite a long name of the domain EXAMPLE");
}

static const struct {
	const char *name;
	void (*set)(struct scene *s);
} flags[] = {
	{"ready-never-pressed", never_pressed},
	{"ready", ready},
	{"ready-put-back", put_back},
	{"ready-press-only", press_only},
	{"ready-move-only", move_only},
	{"ready-drop-alone", drop_alone},
	{"ready-no-description", no_description},
	{"ready-long-description", long_description},
	{"starting", starting},
	{"waiting", waiting},
	{"running", running},
	{"running-silent", running_silent},
	{"done", done},
	{"done-status-24", done_status_24},
	{"failed", failed},
	{"failed-not-found", failed_not_found},
	{"failed-killed", failed_killed},
	{"failed-timed-out", failed_timed_out},
	{"failed-not-started", failed_not_started},
	{"failed-interrupted", failed_interrupted},
	{"failed-refused", failed_refused},
	{"failed-drop", drop_failed},
	{"failed-german", german_labels},
	{"failed-hostile", hostile},
	{"blocked", blocked},
	{"cancelled", cancelled},
	{"called-off", called_off},
	{"missed-while-down", missed_while_down},
	{"missed-other-boot", missed_other_boot},
	{"missed-no-room", missed_no_room},
	{"confirm", confirm},
	{"receiving", receiving},
	{"paused", paused},
	{"misconfigured", misconfigured},
};

/* --- goldens --- */

static void write_golden(const char *path, const struct buf *text)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(text->data, 1, text->len, f), text->len);
	assert_int_equal(fclose(f), 0);
}

static void compare_with_golden(const char *name, const struct buf *text)
{
	char path[512];
	static char expected[1 << 16];

	snprintf(path, sizeof path, "%s/%s.txt", GOLDENS, name);
	if (getenv("FLAGMAN_UPDATE_GOLDENS"))
		write_golden(path, text);
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	size_t n = fread(expected, 1, sizeof expected - 1, f);
	fclose(f);
	expected[n] = '\0';
	if (n != text->len || memcmp(expected, text->data, n) != 0)
		fail_msg("%s differs.  It should be:\n%s\nIt is:\n%s", path, expected,
			buf_str(text));
}

static size_t columns(const char *line, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)line[i] & 0xc0) != 0x80;
	return n;
}

/* What holds for each text: CRLF, no control characters, no line too wide for a narrow window. */
static void check_form(const char *name, const struct buf *text)
{
	const char *line = buf_str(text), *end;

	assert_memory_not_equal(line, "\xef\xbb\xbf", 3);
	assert_memory_equal(line + text->len - 2, "\r\n", 2);
	assert_int_equal(strlen(line), text->len);
	for (; (end = strchr(line, '\n')); line = end + 1) {
		size_t len = (size_t)(end - line) - 1;
		if (end == line || end[-1] != '\r')
			fail_msg("%s: a line ends without CR", name);
		for (size_t i = 0; i < len; i++)
			if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
				fail_msg("%s: control character %#x", name, line[i]);
		if (columns(line, len) > WIDTH && !strstr(name, "hostile"))
			fail_msg("%s: wide line: %.*s", name, (int)len, line);
		if (len && line[len - 1] == ' ')
			fail_msg("%s: blank at a line's end: %.*s", name, (int)len, line);
	}
}

static void flags_look_as_they_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		struct scene s;
		struct buf out = BUF_INIT(CONTENT_MAX);

		scene_init(&s);
		flags[i].set(&s);
		assert_int_equal(content_flag(&out, &s.a), 0);
		compare_with_golden(flags[i].name, &out);
		check_form(flags[i].name, &out);
		buf_done(&out);
		scene_done(&s);
	}
}

/* --- Status.txt --- */

static void status_is(const char *name, const char *object, const char *description,
	struct scene *scenes, size_t n, bool only_press)
{
	const struct content_action *list[8] = {NULL};
	struct buf out = BUF_INIT(CONTENT_MAX);

	for (size_t i = 0; i < n; i++)
		list[i] = &scenes[i].a;
	assert_int_equal(content_status(&out, object, description, list, n, only_press,
				 PRESSED + 95 * SECOND),
		0);
	compare_with_golden(name, &out);
	check_form(name, &out);
	buf_done(&out);
	for (size_t i = 0; i < n; i++)
		scene_done(&scenes[i]);
}

static void three_actions(struct scene *s)
{
	for (size_t i = 0; i < 3; i++)
		scene_init(&s[i]);
	blocked(&s[0]);
	s[0].run.pressed -= MINUTE;
	s[1].a.name = "Start";
	s[1].a.description = "Starts it, where somebody has stopped it.";
	running(&s[2]);
	s[2].a.name = "Stop for the backup";
	s[2].a.description = "Stops it, saves the data to the tape in room 12, and starts it again."
			     " Nobody can work meanwhile.";
}

static void status_of_services(void **state)
{
	struct scene s[3];

	(void)state;
	three_actions(s);
	status_is("status", "Apache", "The department's web server", s, 3, false);
}

static void status_where_only_deleting_presses(void **state)
{
	struct scene s[3];

	(void)state;
	three_actions(s);
	for (size_t i = 0; i < 3; i++) {
		press_only(&s[i]);
		s[i].a.labels = german;
	}
	s[2].run.end = (struct run_end){.kind = END_EXITED, .code = 3, .started = 1};
	s[2].run.state = s[2].a.state = STATE_FAILED;
	status_is("status-press-only", "Apache", NULL, s, 3, true);
}

static void status_with_drop_folders(void **state)
{
	struct scene s[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		scene_init(&s[i]);
	drop_failed(&s[0]);
	s[1].a.name = "Eject";
	s[1].a.description = NULL;
	move_only(&s[2]);
	s[2].a.name = "Verify";
	s[2].a.run_folder = "Run";
	s[2].a.description = "Reads the disc and compares it.";
	press_only(&s[3]);
	s[3].a.name = "A rather long name for so small a button";
	status_is("status-drop", "DVD", "The drive in the corridor", s, 4, false);
}

static void status_of_nothing(void **state)
{
	(void)state;
	status_is("status-empty", "Apache", "", NULL, 0, false);
}

static void what_does_not_fit_is_an_error(void **state)
{
	struct scene s;
	struct buf out = BUF_INIT(200);
	const struct content_action *list[] = {&s.a};

	(void)state;
	scene_init(&s);
	assert_int_equal(content_flag(&out, &s.a), -E2BIG);
	buf_reset(&out);
	assert_int_equal(content_status(&out, "Apache", NULL, list, 1, false, PRESSED), -E2BIG);
	buf_done(&out);
}

static int set_zone(void **state)
{
	(void)state;
	if (setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) < 0)
		return -1;
	tzset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_look_as_they_should),
		cmocka_unit_test(status_of_services),
		cmocka_unit_test(status_where_only_deleting_presses),
		cmocka_unit_test(status_with_drop_folders),
		cmocka_unit_test(status_of_nothing),
		cmocka_unit_test(what_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, set_zone, NULL);
}
