/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAME
 *	flagman-disc - burns, verifies and ejects discs
 *
 * SECURITY
 *	Runs as the user and device group that the action says, in flagman as a command like any
 *	other.  Reads what strangers made: image, disc, their file systems.  Options come from the
 *	configuration, the payload's path and name from the environment.
 *
 * DIAGNOSTICS
 *	disc.h has the exit statuses, flagman-disc(1) too.
 */
#include "disc/disc.h"
#include "disc/say.h"
#include "disc/stop.h"

#include <cdio/logging.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum option_bit {
	DEVICE = 1,
	IMAGE = 2,
	RECORDS = 4,
	SPEED = 8,
	VERIFY = 16,
	EJECT = 32,
	BLANK = 64,
	DUMMY = 128,
	MULTI_SESSION = 256,
	CLOSE = 512,
	JSON = 1024,
};

static const struct verb {
	const char *name;
	int (*act)(const struct disc_options *o);
	unsigned takes; /* enum option_bit */
} verbs[] = {
	{"burn", burn_verb,
		DEVICE | IMAGE | SPEED | VERIFY | EJECT | BLANK | DUMMY | MULTI_SESSION},
	{"verify", verify_verb, DEVICE | IMAGE | RECORDS | EJECT},
	{"eject", eject_verb, DEVICE | CLOSE},
	{"info", info_verb, DEVICE | IMAGE | JSON},
};

static const struct option options[] = {
	{"device", required_argument, NULL, DEVICE},
	{"image", required_argument, NULL, IMAGE},
	{"records", required_argument, NULL, RECORDS},
	{"speed", required_argument, NULL, SPEED},
	{"verify", no_argument, NULL, VERIFY},
	{"eject", no_argument, NULL, EJECT},
	{"blank", no_argument, NULL, BLANK},
	{"dummy", no_argument, NULL, DUMMY},
	{"multi-session", no_argument, NULL, MULTI_SESSION},
	{"close", no_argument, NULL, CLOSE},
	{"json", no_argument, NULL, JSON},
	{NULL, 0, NULL, 0},
};

static int usage(void)
{
	fputs("usage: flagman-disc burn   --device DRIVE [--image FILE] [--speed max|min|N] "
	      "[--verify]\n"
	      "                           [--eject] [--blank] [--dummy] [--multi-session]\n"
	      "       flagman-disc verify --device DRIVE [--image FILE] [--records FILE] "
	      "[--eject]\n"
	      "       flagman-disc eject  --device DRIVE [--close]\n"
	      "       flagman-disc info   [--device DRIVE] [--image FILE] [--json]\n"
	      "DRIVE is /dev/sr0 or the like, or stdio:/PATH, a file that plays one.\n",
		stderr);
	return EX_USAGE;
}

static bool is_speed(const char *s)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	return strcmp(s, "max") == 0 || strcmp(s, "min") == 0 ||
	       (*s >= '1' && *s <= '9' && !*end && n <= 100);
}

static void take(struct disc_options *o, int which, const char *value)
{
	const char **texts[] = {&o->device, &o->image, &o->records, &o->speed};
	bool *flags[] = {&o->verify, &o->eject, &o->blank, &o->dummy, &o->multi_session, &o->close,
		&o->json};
	int bit = 0;

	while (1 << bit != which)
		bit++;
	if (bit < 4)
		*texts[bit] = value;
	else
		*flags[bit - 4] = true;
}

/* 0, or EX_USAGE. */
static int read_options(const struct verb *v, int argc, char **argv, struct disc_options *o)
{
	int which;

	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (which == '?')
			return usage();
		if (!(v->takes & (unsigned)which)) {
			fprintf(stderr, "flagman-disc: %s has no such option\n", v->name);
			return usage();
		}
		take(o, which, optarg);
	}
	if (optind < argc) {
		fprintf(stderr, "flagman-disc: %s: what is \"%s\"?\n", v->name, argv[optind]);
		return usage();
	}
	if (!o->device && v->act != info_verb) {
		fprintf(stderr, "flagman-disc: %s needs --device DRIVE\n", v->name);
		return usage();
	}
	if (o->speed && !is_speed(o->speed)) {
		fprintf(stderr, "flagman-disc: --speed is max, min or a number from 1 to 100\n");
		return usage();
	}
	return 0;
}

/* Where no image is given, the payload is it.  What people call it is what they dropped. */
static void find_image(const struct verb *v, struct disc_options *o)
{
	const char *name = NULL;

	if (!o->image && v->act != info_verb) {
		o->image = getenv("FLAGMAN_PAYLOAD");
		name = getenv("FLAGMAN_PAYLOAD_NAME");
	}
	if (!o->image)
		return;
	const char *slash = strrchr(o->image, '/');
	o->name = name && *name ? name : slash ? slash + 1 : o->image;
}

/* libcdio writes what it thinks of an image or a drive to stdout. */
static void be_quiet(cdio_log_level_t level, const char *message)
{
	(void)level;
	(void)message;
}

#ifdef __SANITIZE_ADDRESS__
/* libburn keeps some memory for good: nothing that a leak checker should end a burn for. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libburn";
}
#endif

int main(int argc, char **argv)
{
	struct disc_options o = {.device = NULL};
	const struct verb *v = NULL;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("flagman-disc " FLAGMAN_VERSION);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			v = &verbs[i];
	if (!v)
		return usage();
	int status = read_options(v, argc - 1, argv + 1, &o);
	if (status)
		return status;
	find_image(v, &o);
	cdio_log_set_handler(be_quiet);
	stop_init();
	status = v->act(&o);
	verdict_say(status);
	return status;
}
