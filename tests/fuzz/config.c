/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One snippet of the configuration, or flagman.yaml, on the machine of tests/config/fake.c.  What
 * has no errors is printed as something that has none either and prints the same.  The first line
 * may bend the machine, as in the goldens: "# test: unprivileged", "# test: settings",
 * "# test: sysv".
 */
#include "fake.h"
#include "fuzz.h"

#include "config/config.h"

static struct config *load(const void *text, size_t size, struct config_options o, bool settings)
{
	int fd = fuzz_file(text, size, 0);
	char path[32], *files[] = {path, NULL}, *none[] = {NULL};
	struct config *c = NULL;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	o.main_file = settings ? path : NULL;
	o.files = settings ? none : files;
	CHECK(config_load(&o, &c) == 0 && c);
	close(fd);
	return c;
}

static void look_at_problems(const struct config *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_problems; i++) {
		const struct problem *p = &c->problems[i];

		CHECK(*p->message && fuzz_is_text(p->message, strlen(p->message), ""));
		n += p->severity == SEVERITY_ERROR;
	}
	CHECK(n == c->n_errors);
}

static void look_at_action(const struct action *a)
{
	CHECK(!name_problem(a->name) && a->press);
	CHECK(a->misconfigured ? !a->drop : a->argv && a->argv[0] && a->argv[0][0] == '/');
}

static void look_at_groups(const struct config *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_groups; i++) {
		const struct group *g = &c->groups[i];

		CHECK(!name_problem(g->object) && (!*g->name || !name_problem(g->name)));
		CHECK(g->path[0] == '/' && config_find(c, g->object, g->name) == g);
		for (size_t k = 0; k < g->n_actions; k++)
			look_at_action(&g->actions[k]);
		n += g->n_actions;
	}
	CHECK(n == c->n_actions);
}

static char *print(const struct config *c, size_t *ret_size)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_size);

	CHECK(f && config_print(c, f, true) == 0 && fclose(f) == 0);
	return text;
}

static void try(const uint8_t *data, size_t size, const struct config_options *o, bool settings)
{
	struct config *c = load(data, size, *o, settings);

	look_at_problems(c);
	look_at_groups(c);
	if (c->n_errors == 0) {
		_cleanup_free_ char *once = NULL, *twice = NULL;
		struct config *again;
		size_t n, n_again;

		once = print(c, &n);
		again = load(once, n, *o, false);
		CHECK(again->n_errors == 0);
		twice = print(again, &n_again);
		CHECK(settings || (n == n_again && memcmp(once, twice, n) == 0));
		config_free(again);
	}
	config_free(c);
}

/* Is WORD in the first line? */
static bool bent(const uint8_t *data, size_t size, const char *word)
{
	static const char test[] = "# test:";
	const uint8_t *end = memchr(data, '\n', size);

	return end && size > strlen(test) && memcmp(data, test, strlen(test)) == 0 &&
	       memmem(data, (size_t)(end - data), word, strlen(word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int next = fuzz_next_fd();
	struct fake fake = fake_plain;
	struct config_options o = {
		.privileged = true,
		.agent_uid = FAKE_UID_FLAGMAN,
		.disc_program = "/usr/libexec/flagman/flagman-disc",
	};

	if (size > 0 && bent(data, size, "unprivileged")) {
		o.privileged = false;
		o.trusted_uid = o.agent_uid = FAKE_UID_ALICE;
	}
	fake.systemd = size == 0 || !bent(data, size, "sysv");
	fake_use(&fake);
	try(data, size, &o, size > 0 && bent(data, size, "settings"));
	CHECK(fuzz_next_fd() == next);
	return 0;
}
