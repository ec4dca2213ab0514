/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real flagman-agent with this program as its executor (and, once it has asked for one, as its
 * watcher).  One object, Box, whose actions Go and Stop are started without a hold.
 */
#ifndef FLAGMAN_TESTS_AGENT_SCENE_H
#define FLAGMAN_TESTS_AGENT_SCENE_H

#include "../unit/unit.h"

#include "wire/exec.h"
#include "wire/view.h"
#include "wire/watch.h"

#include <stdbool.h>
#include <sys/types.h>

#define GENERATION 7

/* Numbers of the directories in the watcher's list. */
enum { DIR_BASE, DIR_CUSTODY, DIR_BOX, DIR_RUN, DIRS };

union message {
	struct wire_header header;
	struct exec_start start;
	struct exec_own own;
	struct exec_board board;
	struct exec_watch watch;
	struct exec_generation generation;
	struct exec_spent spent;
	struct exec_name name;
	char bytes[WIRE_MESSAGE_MAX];
};

struct scene {
	char top[64];
	pid_t agent;
	int socket, control, state;
	int pipe;         /* to it, as its newest watcher; -1: it has asked for none */
	uint64_t watcher; /* that one's cookie */
	bool ready;       /* it has adopted the configuration */
	bool silent;      /* EXEC_OWN is not answered */
	unsigned starts;  /* that it has asked for */
	unsigned spent;   /* claims that it has given up */
};

int scene_set_up(void **state);
int scene_tear_down(void **state); /* whatever is left of it ends */

/* kill -9, and the next one. */
void scene_restart(struct scene *s);
/* Another agent in the same directories; its channel is S's from now on. */
void scene_another(struct scene *s, struct scene *ret);

/* A configuration of that number. */
int scene_view(const struct scene *s, uint64_t generation);

/* Messages to it; what it has closed already is no matter. */
void say_raw(struct scene *s, const void *data, size_t size, const int *fds, size_t n);
void say(struct scene *s, void *message, size_t size, uint16_t type, const int *fds, size_t n);
void say_config(struct scene *s, uint64_t generation, int fd);
void say_end_of_claims(struct scene *s);
/* A record of the watcher. */
void tell(struct scene *s, uint16_t kind, uint16_t error, uint32_t number);

/* Reads until a message of TYPE has come; EXEC_OWN is answered, EXEC_WATCH noted on the way. */
void hear(struct scene *s, uint16_t type, union message *ret);
/* Until it has adopted the configuration: up to there all is as it should be. */
void make_ready(struct scene *s);
/* Deletes the flag of ACTION and waits for the question. */
void press(struct scene *s, const char *action, struct exec_start *ret);

/* Until one of these files is in the object's directory. */
void wait_shown(struct scene *s, const char *name, const char * or);

/* It ends by its own abort(3), with TEXT in its log, and has started nothing new. */
void assert_panic(struct scene *s, const char *text);
/* It lives and is whole: asked to quit, it ends with 0. */
void assert_sound(struct scene *s);
void assert_exit(struct scene *s, int status);
void wait_log(const struct scene *s, const char *text);

#endif
