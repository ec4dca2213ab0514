/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the configuration: at start, on SIGHUP and EXEC_RELOAD, and when something in conf.d or
 * beside it has changed and then kept still for a moment.
 */
#ifndef FLAGMAN_EXECUTOR_RELOAD_H
#define FLAGMAN_EXECUTOR_RELOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct executor;

struct reload {
	char *conf_dir;   /* absolute; owned */
	char *parent;     /* the directory of conf_dir; owned */
	char *main_file;  /* <parent>/flagman.yaml; owned */
	uint64_t last;    /* number of the newest generation */
	uint64_t through; /* requests.c: how often the agent has asked for it of late */
	sd_event_source *conf_watch, *parent_watch, *timer;
};

/* 0 or -errno. */
int reload_open(struct executor *x, const char *conf_dir);
void reload_close(struct executor *x);
/* Reads it now.  BY_HAND: the administrator asked for it, and accepts what file systems there are.
 * 0 or -errno (the old configuration stays). */
int reload_now(struct executor *x, bool by_hand);
/* Tells the service manager that it is there, and what it has (sd_notify(3)). */
void reload_ready(const struct executor *x);

#endif
