/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * burn, verify, eject: options become arguments of the disc program, `--key=value` in the order of
 * the schema, and the drive becomes a lock, so that no other action touches it meanwhile.
 */
#include "config/loader.h"

#include "common/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISC_ARGS_MAX   16
#define BURN_TIMEOUT    (4 * 3600 * USEC_PER_SEC)
#define BURN_STOP_GRACE (10 * 60 * USEC_PER_SEC)

struct arguments {
	const char *argv[DISC_ARGS_MAX];
	size_t n;
};

static bool add_text(
	struct loader *l, struct arguments *args, const struct key *k, const char *value)
{
	char text[2200];

	if (value)
		snprintf(text, sizeof(text), "--%s=%s", k->name, value);
	else
		snprintf(text, sizeof(text), "--%s", k->name);
	args->argv[args->n] = arena_string(l->arena, text);
	if (!args->argv[args->n])
		l->error = -ENOMEM;
	return args->argv[args->n++] != NULL;
}

static bool add_option(
	struct loader *l, struct arguments *args, const struct key *k, const struct disc *disc)
{
	const char *slot = (const char *)disc + k->offset;
	const char *text;

	if (k->type == TYPE_BOOL)
		return !*(const bool *)(const void *)slot || add_text(l, args, k, NULL);
	text = *(char *const *)(const void *)slot;
	return !text || add_text(l, args, k, text);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_lock(struct loader *l, struct press *p, const char *device)
{
	const char *names[258];
	size_t n = 0;

	if (!device)
		return false;
	for (; p->locks && p->locks[n] && n < 256; n++) {
		if (strcmp(p->locks[n], device) == 0)
			return true;
		names[n] = p->locks[n];
	}
	names[n++] = device;
	qsort(names, n, sizeof(*names), compare_strings);
	p->locks = unique_strings(l, names, n);
	return p->locks != NULL;
}

/* The drive by its name, and by that of the node which it leads to: /dev/cdrom and /dev/sr0 are one
 * drive, whatever snippets call it. */
static bool add_locks(struct loader *l, struct press *p, const char *device)
{
	char node[PATH_MAX];

	if (!add_lock(l, p, device))
		return false;
	return *device != '/' || !l->hooks->resolve(device, node, sizeof(node)) ||
	       add_lock(l, p, arena_string(l->arena, node));
}

static enum action_type type_of(const struct key *k)
{
	return key_id(k) == KEY_BURN     ? ACTION_BURN
	       : key_id(k) == KEY_VERIFY ? ACTION_VERIFY
					 : ACTION_EJECT;
}

/* A disc takes long to write, and long to be closed when it is stopped: to kill the burner then
 * would spoil it. */
static void be_patient(struct draft *d)
{
	if (!key_set_has(&d->set, KEY_TIMEOUT))
		d->how.timeout = BURN_TIMEOUT;
	if (!key_set_has(&d->set, KEY_STOP_GRACE))
		d->how.stop_grace = BURN_STOP_GRACE;
}

bool read_disc(struct loader *l, const struct key *k, const struct node *v, struct draft *d,
	struct action *a)
{
	enum where w = (enum where)k->extra;
	struct disc disc;
	struct key_set set = {0};
	struct scope s = {.disc = &disc, .set = &set};
	struct arguments args = {.n = 2};
	size_t before = l->errors;

	memset(&disc, 0, sizeof(disc));
	if (v->kind == NODE_SCALAR && !node_is_null(v))
		return wrong(l, v, "%s is a mapping: {device: %s}", k->name, v->text);
	if (!want_map(l, k->name, v))
		return false;
	if (read_table(l, v, w, &s))
		require_keys(l, v, w, &set);
	if (k->extra == IN_BURN && !disc.image && !d->drop)
		wrong(l, v,
			"burn has nothing to burn: give the action a drop folder, or burn an "
			"image");
	if (l->errors != before)
		return false;
	if (k->extra == IN_BURN && !disc.speed)
		disc.speed = arena_string(l->arena, "max");
	args.argv[0] = l->options->disc_program ? l->options->disc_program
						: FLAGMAN_BINDIR "/flagman-disc";
	args.argv[1] = k->name;
	for (const struct key *o = schema; o < schema + KEY_N; o++)
		if ((o->where & w) && !add_option(l, &args, o, &disc))
			return false;
	if (k->extra == IN_BURN)
		be_patient(d);
	args.argv[0] = arena_string(l->arena, args.argv[0]);
	args.argv[1] = arena_string(l->arena, args.argv[1]);
	a->type = type_of(k);
	a->argv = unique_strings(l, args.argv, args.n);
	return a->argv && args.argv[0] && args.argv[1] && add_locks(l, &d->press, disc.device);
}
