/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Actions as test_content.c shows them: a scene is one flag with all that its text borrows. */
#ifndef FLAGMAN_TEST_CONTENT_SCENE_H
#define FLAGMAN_TEST_CONTENT_SCENE_H

#include "agent/content.h"
#include "common/text.h"

#include <string.h>

#define PRESSED 1795271002000000LL /* 2026-11-21 15:43:22 CET */
#define SECOND  1000000LL
#define MINUTE  (60 * SECOND)

struct scene {
	struct content_action a;
	struct run run, earlier[3];
	const struct run *recent[3];
	struct buf head, tail;
};

/* Literals where a run owns its strings: nothing here is run_done(). */
static inline char *lit(const char *s)
{
	return (char *)(uintptr_t)s;
}

static inline void scene_run(struct scene *s, enum state state)
{
	s->run = (struct run){
		.id = 42,
		.object = lit("Apache"),
		.group = lit(""),
		.action = lit("Restart"),
		.trigger = TRIGGER_DELETE,
		.state = state,
		.pressed = PRESSED,
		.claimed = PRESSED + SECOND / 2,
	};
	s->a.run = &s->run;
}

static inline void scene_end(struct scene *s, enum state state, enum end_kind kind, int code)
{
	scene_run(s, state);
	s->run.end = (struct run_end){
		.kind = kind,
		.code = code,
		.success = state == STATE_DONE,
		.started = PRESSED + SECOND / 2,
		.ended = PRESSED + 12 * SECOND + SECOND / 2,
		.lasted = 12 * SECOND,
	};
}

static inline void scene_say(struct buf *b, const char *text)
{
	b->max = 1 << 20;
	buf_adds(b, text);
}

static inline void scene_recent(struct scene *s)
{
	for (size_t i = 0; i < 3; i++) {
		struct run *r = &s->earlier[i];
		*r = (struct run){
			.id = 41 - i,
			.state = STATE_DONE,
			.pressed = PRESSED - (int64_t)(i + 1) * 61 * MINUTE,
			.claimed = 1,
			.end = {.kind = END_EXITED,
				.success = 1,
				.started = 1,
				.lasted = 3 * SECOND},
		};
		s->recent[i] = r;
	}
	s->earlier[0].user = lit("alice");
	s->earlier[0].address = lit("10.1.2.3");
	s->earlier[0].certainty = CERTAINTY_AUDIT;
	s->earlier[1].state = STATE_FAILED;
	s->earlier[1].end.code = 3;
	s->earlier[1].end.lasted = 125 * SECOND;
	s->earlier[2].user = lit("bob");
	s->earlier[2].state = STATE_MISSED;
	s->earlier[2].cause = CAUSE_WHILE_DOWN;
	s->earlier[2].end = (struct run_end){0};
	s->a.recent = s->recent;
	s->a.n_recent = 3;
}

static inline void scene_init(struct scene *s)
{
	memset(s, 0, sizeof *s);
	s->a = (struct content_action){
		.object = "Apache",
		.name = "Restart",
		.description = "Restarts the web server. Takes about ten seconds.",
		.state = STATE_READY,
		.percent = UINT32_MAX,
		.so_far = 94 * SECOND + SECOND / 2,
		.head = &s->head,
		.tail = &s->tail,
		.timeout = 3600 * USEC_PER_SEC,
		.hold = USEC_PER_SEC / 2,
		.press_delete = true,
		.press_move = true,
		.run_folder = "Run",
	};
}

static inline void scene_drop(struct scene *s)
{
	s->a.object = "DVD";
	s->a.name = "Burn";
	s->a.description = "Burns an image onto the disc in the drive.";
	s->a.drop_folder = "Burn here";
	s->a.accept = "*.iso, *.img";
}

static inline void scene_done(struct scene *s)
{
	buf_done(&s->head);
	buf_done(&s->tail);
}

#endif
