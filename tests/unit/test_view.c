/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/fd.h"
#include "common/text.h"
#include "wire/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Two objects on one base, three actions, one drop folder. */
static int build(void)
{
	struct view_builder *b = view_builder_new();
	char text[][12] = {"/dev/sr0", "printer", "*.iso", "*.img", ".recycle", ".Trash-*"};
	char *locks[] = {text[0], text[1], NULL}, *accept[] = {text[2], text[3], NULL};
	char *trash[] = {text[4], text[5], NULL};
	struct view_base bases[1] = {{.path = view_add_string(b, "/srv/flagman")}};
	struct view_board boards[2] = {
		{.object = view_add_string(b, "Apache"),
			.group = view_add_string(b, ""),
			.description = view_add_string(b, "The department's web server"),
			.first_action = 0,
			.n_actions = 2,
			.run_folder = view_add_string(b, "Run"),
			.trash = view_add_list(b, trash),
			.labels = 0,
			.flags = VIEW_BOARD_PREFIX,
			.dir_gid = 100,
			.file_mode = 0640},
		{.object = view_add_string(b, "DVD"),
			.group = view_add_string(b, "main"),
			.first_action = 2,
			.n_actions = 1,
			.run_folder = view_add_string(b, "Run"),
			.trash = view_add_list(b, trash),
			.labels = VIEW_NONE,
			.file_mode = 0640,
			.error = view_add_string(b, "not adopted")},
	};
	struct view_action actions[3] = {
		{.name = view_add_string(b, "Restart"), .board = 0, .drop = VIEW_NONE},
		{.name = view_add_string(b, "Stop"), .board = 0, .drop = VIEW_NONE},
		{.name = view_add_string(b, "Burn"),
			.board = 1,
			.press = 1,
			.drop = 0,
			.misconfigured = view_add_string(b, "a.yaml:3:1: error: no")},
	};
	struct view_press press[2] = {
		{.hold = 500000, .failed_delay = UINT64_MAX, .triggers = 3},
		{.locks = view_add_list(b, locks), .serialise = 2, .cancel_by_press = 1},
	};
	struct view_drop drops[1] = {{.folder = view_add_string(b, "Burn"),
		.accept = view_add_list(b, accept),
		.max_size = 1 << 20,
		.after = 1}};
	struct view_labels labels[1] = {
		{.label[STATE_RUNNING] = view_add_string(b, "L\xC3\xA4uft")}};
	struct view_header h = {.generation = 9,
		.n_bases = 1,
		.n_boards = 2,
		.n_actions = 3,
		.n_press = 2,
		.n_drops = 1,
		.n_labels = 1,
		.history_runs = 100};
	int fd = view_finish(b, &h, bases, boards, actions, press, drops, labels);

	view_builder_free(b);
	assert_true(fd >= 0);
	return fd;
}

static void assert_list(const struct view *v, uint32_t list, const char *a, const char *b)
{
	const char *s = view_str(v, list);

	assert_string_equal(s, a);
	s = view_next(s);
	assert_string_equal(s, b);
	assert_null(view_next(s));
}

static void test_round_trip(void **state)
{
	_cleanup_close_ int fd = build();
	struct view *v;

	(void)state;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(view_map(fd, &v), 0);
	assert_int_equal(v->h->generation, 9);
	assert_int_equal(v->h->history_runs, 100);
	assert_string_equal(view_str(v, v->bases[0].path), "/srv/flagman");
	assert_null(view_str(v, v->bases[0].error));
	assert_string_equal(view_str(v, v->boards[0].object), "Apache");
	assert_string_equal(view_str(v, v->boards[0].group), "");
	assert_string_equal(view_str(v, v->boards[1].group), "main");
	assert_string_equal(view_str(v, v->boards[1].error), "not adopted");
	assert_int_equal(v->boards[0].flags, VIEW_BOARD_PREFIX);
	assert_int_equal(v->boards[0].dir_gid, 100);
	assert_list(v, v->boards[0].trash, ".recycle", ".Trash-*");
	assert_string_equal(view_str(v, v->actions[1].name), "Stop");
	assert_string_equal(view_str(v, v->actions[2].misconfigured), "a.yaml:3:1: error: no");
	assert_int_equal(v->press[0].hold, 500000);
	assert_int_equal(v->press[0].failed_delay, UINT64_MAX);
	assert_null(view_str(v, v->press[0].locks));
	assert_list(v, v->press[1].locks, "/dev/sr0", "printer");
	assert_list(v, v->drops[0].accept, "*.iso", "*.img");
	assert_int_equal(v->drops[0].max_size, 1 << 20);
	assert_string_equal(view_str(v, v->labels[0].label[STATE_RUNNING]), "L\xC3\xA4uft");
	assert_null(view_str(v, v->labels[0].label[STATE_DONE]));
	view_unmap(v);
	view_unmap(NULL);
}

static void test_empty_configuration(void **state)
{
	struct view_builder *b = view_builder_new();
	struct view_header h = {.generation = 1};
	_cleanup_close_ int fd = view_finish(b, &h, NULL, NULL, NULL, NULL, NULL, NULL);
	struct view *v;

	(void)state;
	view_builder_free(b);
	assert_true(fd >= 0);
	assert_int_equal(view_map(fd, &v), 0);
	assert_int_equal(v->h->n_boards, 0);
	view_unmap(v);
}

static void test_sealed(void **state)
{
	_cleanup_close_ int fd = build();

	(void)state;
	assert_int_equal(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), -1);
}

static void test_strings_are_shared(void **state)
{
	struct view_builder *b = view_builder_new();
	char text[][2] = {"a", "b", ""};
	char *ab[] = {text[0], text[1], NULL}, *a_b[] = {text[0], text[2], text[1], NULL};
	char *a[] = {text[0], NULL}, *none[] = {NULL}, *empty[] = {text[2], NULL};
	uint32_t s, list, single;

	(void)state;
	s = view_add_string(b, "a");
	list = view_add_list(b, ab);
	single = view_add_list(b, a);
	assert_int_not_equal(s, 0);
	assert_int_equal(view_add_string(b, "a"), s);
	assert_int_equal(view_add_list(b, ab), list);
	assert_int_equal(view_add_list(b, a_b), list); /* an empty string would end it */
	assert_int_not_equal(single, s);               /* a string is no list of one */
	assert_int_not_equal(single, list);
	assert_int_not_equal(view_add_string(b, "b"), s);
	assert_int_not_equal(view_add_string(b, ""), 0);
	assert_int_equal(view_add_string(b, NULL), 0);
	assert_int_equal(view_add_list(b, NULL), 0);
	assert_int_equal(view_add_list(b, none), 0);
	assert_int_equal(view_add_list(b, empty), 0);
	view_builder_free(b);
	view_builder_free(NULL);
}

static void test_many_strings(void **state)
{
	struct view_builder *b = view_builder_new();
	uint32_t first[5000];
	char name[32];

	(void)state;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < N_OF(first); i++) {
			uint32_t s;

			snprintf(name, sizeof(name), "Object %zu", i);
			s = view_add_string(b, name);
			if (round == 0)
				first[i] = s;
			assert_int_equal(s, first[i]);
			assert_true(i == 0 || first[i] > first[i - 1]);
		}
	view_builder_free(b);
}

static void test_too_much(void **state)
{
	struct view_builder *b = view_builder_new();
	const size_t chunk = 64U * 1024 * 1024;
	struct view_header h = {0};
	char *s = malloc(chunk);

	(void)state;
	assert_non_null(s);
	for (char c = 'a'; c < 'e'; c++) {
		memset(s, c, chunk - 1);
		s[chunk - 1] = '\0';
		view_add_string(b, s);
	}
	free(s);
	/* It sticks, and is said at the end. */
	assert_int_equal(view_add_string(b, "x"), 0);
	assert_int_equal(view_finish(b, &h, NULL, NULL, NULL, NULL, NULL, NULL), -E2BIG);
	view_builder_free(b);
}

static void test_counts_that_wrap(void **state)
{
	struct view_builder *b = view_builder_new();
	struct view_header h = {.n_actions = UINT32_MAX};

	(void)state;
	assert_int_equal(view_finish(b, &h, NULL, NULL, NULL, NULL, NULL, NULL), -E2BIG);
	view_builder_free(b);
}

/* A sealed copy of an image. */
static int seal(const void *image, size_t size, int seals)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, image, size), 0);
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* The image of build(), to be changed. */
struct image {
	struct view v; /* its arrays, writable */
	struct view_header *h;
	char *bytes;
	size_t size;
};

static struct image load(void)
{
	_cleanup_close_ int fd = build();
	struct image i;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	i.size = (size_t)st.st_size;
	i.bytes = malloc(i.size + 64);
	assert_non_null(i.bytes);
	assert_int_equal(pread_all(fd, i.bytes, i.size, 0), 0);
	i.h = (void *)i.bytes;
	return i;
}

static int try_map(const struct image *i, size_t size, int seals)
{
	_cleanup_close_ int fd = seal(i->bytes, size, seals);
	struct view *v = NULL;
	int r = view_map(fd, &v);

	if (r == 0)
		view_unmap(v);
	else
		assert_null(v);
	return r;
}

/* With FIELD (of the image I) set to VALUE it must be refused; then it is put back. */
static void check_field(struct image *i, void *field, size_t size, uint64_t value)
{
	uint64_t before = 0;

	memcpy(&before, field, size);
	assert_int_not_equal(before, value);
	memcpy(field, &value, size);
	assert_int_equal(try_map(i, i->size, SEALS), -EBADMSG);
	memcpy(field, &before, size);
}
#define REFUSED(i, field, value) check_field(i, &(field), sizeof(field), value)
#define AT(i, type, array)       ((struct type *)(void *)((i)->bytes + (i)->h->array))

static void test_copies_are_accepted(void **state)
{
	struct image i = load();

	(void)state;
	assert_int_equal(try_map(&i, i.size, SEALS), 0);
	free(i.bytes);
}

static void test_not_sealed(void **state)
{
	struct image i = load();
	struct view *v = NULL;
	char name[] = "/tmp/flagman-test-view-XXXXXX";
	_cleanup_close_ int fd = mkstemp(name);

	(void)state;
	assert_int_equal(try_map(&i, i.size, 0), -EBADMSG);
	assert_int_equal(try_map(&i, i.size, F_SEAL_SHRINK | F_SEAL_GROW), -EBADMSG);
	assert_int_equal(try_map(&i, i.size, F_SEAL_WRITE | F_SEAL_GROW), -EBADMSG);
	/* An ordinary file can't be sealed at all. */
	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(write_all(fd, i.bytes, i.size), 0);
	assert_int_equal(view_map(fd, &v), -EBADMSG);
	assert_int_equal(view_map(-1, &v), -EBADMSG);
	assert_null(v);
	free(i.bytes);
}

static void test_wrong_sizes(void **state)
{
	struct image i = load();

	(void)state;
	memset(i.bytes + i.size, 0, 64);
	for (size_t size = 0; size < i.size; size += size < sizeof(*i.h) + 8 ? 1 : 7)
		assert_int_equal(try_map(&i, size, SEALS), -EBADMSG);
	assert_int_equal(try_map(&i, i.size + 8, SEALS), -EBADMSG);
	/* Also where the header agrees with the file. */
	for (int delta = -8; delta <= 8; delta += 4) {
		i.h->size = (uint32_t)((int)i.size + delta);
		assert_int_equal(try_map(&i, i.h->size, SEALS), delta ? -EBADMSG : 0);
	}
	free(i.bytes);
}

static void test_header(void **state)
{
	struct image i = load();
	uint32_t *counts[] = {&i.h->n_bases, &i.h->n_boards, &i.h->n_actions, &i.h->n_press,
		&i.h->n_drops, &i.h->n_labels};
	uint32_t *offsets[] = {
		&i.h->bases, &i.h->boards, &i.h->actions, &i.h->press, &i.h->drops, &i.h->labels};

	(void)state;
	REFUSED(&i, i.h->magic, VIEW_MAGIC + 1);
	REFUSED(&i, i.h->version, VIEW_VERSION + 1);
	for (size_t k = 0; k < N_OF(counts); k++) {
		REFUSED(&i, *counts[k], *counts[k] + 1);
		REFUSED(&i, *counts[k], *counts[k] - 1);
		REFUSED(&i, *counts[k], UINT32_MAX);
		REFUSED(&i, *counts[k], 0x80000000U);
		REFUSED(&i, *offsets[k], 0);
		REFUSED(&i, *offsets[k], *offsets[k] + 8);
		REFUSED(&i, *offsets[k], *offsets[k] - 8);
		REFUSED(&i, *offsets[k], UINT32_MAX);
		REFUSED(&i, *offsets[k], UINT32_MAX - 7);
		REFUSED(&i, *offsets[k], (uint32_t)i.size);
	}
	free(i.bytes);
}

static void test_ends_of_the_strings(void **state)
{
	struct image i = load();

	(void)state;
	REFUSED(&i, i.bytes[i.h->bases - 1], 'x');
	REFUSED(&i, i.bytes[i.h->bases - 2], 'x');
	REFUSED(&i, i.bytes[sizeof(*i.h)], 'x');
	free(i.bytes);
}

/* Offsets that no string can have. */
static void check_string(struct image *i, uint32_t *field, bool optional)
{
	if (!optional)
		REFUSED(i, *field, 0);
	REFUSED(i, *field, 1);
	REFUSED(i, *field, sizeof(*i->h) - 1);
	REFUSED(i, *field, sizeof(*i->h));   /* the NUL before the first */
	REFUSED(i, *field, i->h->bases);     /* in the arrays */
	REFUSED(i, *field, i->h->bases - 1); /* its list would end there */
	REFUSED(i, *field, (uint32_t)i->size - 1);
	REFUSED(i, *field, (uint32_t)i->size);
	REFUSED(i, *field, UINT32_MAX);
	REFUSED(i, *field, sizeof(*i->h) + 2); /* in the middle of the first */
}

static void test_strings(void **state)
{
	struct image i = load();
	struct view_base *bases = AT(&i, view_base, bases);
	struct view_board *boards = AT(&i, view_board, boards);
	struct view_action *actions = AT(&i, view_action, actions);
	struct view_press *press = AT(&i, view_press, press);
	struct view_drop *drops = AT(&i, view_drop, drops);
	struct view_labels *labels = AT(&i, view_labels, labels);
	uint32_t empty = boards[0].group;

	(void)state;
	check_string(&i, &bases[0].path, false);
	check_string(&i, &bases[0].error, true);
	REFUSED(&i, bases[0].path, boards[0].object); /* not absolute */
	for (size_t k = 0; k < 2; k++) {
		check_string(&i, &boards[k].object, false);
		check_string(&i, &boards[k].group, false);
		check_string(&i, &boards[k].description, true);
		check_string(&i, &boards[k].run_folder, true);
		check_string(&i, &boards[k].trash, true);
		check_string(&i, &boards[k].error, true);
		REFUSED(&i, boards[k].object, empty);
	}
	for (size_t k = 0; k < 3; k++) {
		check_string(&i, &actions[k].name, false);
		check_string(&i, &actions[k].description, true);
		check_string(&i, &actions[k].misconfigured, true);
		REFUSED(&i, actions[k].name, empty);
	}
	check_string(&i, &press[0].locks, true);
	check_string(&i, &press[1].locks, true);
	check_string(&i, &drops[0].folder, false);
	check_string(&i, &drops[0].accept, false);
	REFUSED(&i, drops[0].folder, empty);
	for (size_t k = 0; k < STATE_MAX_; k++)
		check_string(&i, &labels[0].label[k], true);
	free(i.bytes);
}

static void test_indexes(void **state)
{
	struct image i = load();
	struct view_board *boards = AT(&i, view_board, boards);
	struct view_action *actions = AT(&i, view_action, actions);

	(void)state;
	REFUSED(&i, boards[0].base, 1);
	REFUSED(&i, boards[0].base, VIEW_NONE);
	REFUSED(&i, boards[0].labels, 1);
	REFUSED(&i, boards[0].first_action, 1);
	REFUSED(&i, boards[0].first_action, UINT32_MAX);
	REFUSED(&i, boards[0].n_actions, 1);
	REFUSED(&i, boards[0].n_actions, 3);
	REFUSED(&i, boards[0].n_actions, UINT32_MAX);
	REFUSED(&i, boards[1].first_action, 4);
	REFUSED(&i, boards[1].first_action, 1); /* another board's */
	REFUSED(&i, boards[1].n_actions, 0);
	REFUSED(&i, boards[1].n_actions, UINT32_MAX - 1);
	REFUSED(&i, actions[0].board, 1);
	REFUSED(&i, actions[0].board, 2);
	REFUSED(&i, actions[2].board, 0);
	REFUSED(&i, actions[0].board, VIEW_NONE);
	REFUSED(&i, actions[0].press, 2);
	REFUSED(&i, actions[0].press, VIEW_NONE);
	REFUSED(&i, actions[0].drop, 1);
	free(i.bytes);
}

static void test_small_numbers(void **state)
{
	struct image i = load();
	struct view_board *boards = AT(&i, view_board, boards);
	struct view_press *press = AT(&i, view_press, press);
	struct view_drop *drops = AT(&i, view_drop, drops);

	(void)state;
	REFUSED(&i, boards[0].flags, 8);
	REFUSED(&i, boards[0].file_mode, 010000);
	REFUSED(&i, press[0].triggers, 1U << TRIGGER_MAX_);
	REFUSED(&i, press[0].serialise, VIEW_SERIALISE_N);
	REFUSED(&i, press[0].when_busy, VIEW_WHEN_BUSY_N);
	REFUSED(&i, press[0].while_running, VIEW_WHILE_RUNNING_N);
	REFUSED(&i, press[0].missed, VIEW_MISSED_N);
	REFUSED(&i, press[0].cancel_by_press, 2);
	REFUSED(&i, drops[0].after, VIEW_AFTER_N);
	free(i.bytes);
}

static size_t walk(const struct view *v, uint32_t list)
{
	size_t n = 0;

	for (const char *s = view_str(v, list); s && *s; s = view_next(s))
		n += strlen(s);
	return n;
}

static size_t length(const struct view *v, uint32_t string)
{
	return string ? strlen(view_str(v, string)) : 0;
}

/* Uses an accepted image as the agent does: whatever it holds, this stays inside of it. */
static size_t use(const struct view *v)
{
	size_t n = 0;

	for (uint32_t i = 0; i < v->h->n_actions; i++) {
		const struct view_action *a = &v->actions[i];
		const struct view_board *b = &v->boards[a->board];

		n += length(v, a->name) + length(v, a->description) + length(v, a->misconfigured);
		n += length(v, b->object) + length(v, b->group) + walk(v, b->trash);
		n += length(v, v->bases[b->base].path) + walk(v, v->press[a->press].locks);
		if (a->drop != VIEW_NONE)
			n += walk(v, v->drops[a->drop].accept);
		if (b->labels != VIEW_NONE)
			for (size_t k = 0; k < STATE_MAX_; k++)
				n += length(v, v->labels[b->labels].label[k]);
	}
	return n;
}

static void test_any_damage_is_refused_or_harmless(void **state)
{
	struct image i = load();
	unsigned seed = 3, accepted = 0;

	(void)state;
	for (int n = 0; n < 5000; n++) {
		char *copy = malloc(i.size);
		struct view *v;
		int fd;

		assert_non_null(copy);
		memcpy(copy, i.bytes, i.size);
		for (int k = 0; k <= n % 3; k++) {
			uint32_t word;
			size_t at;

			seed = seed * 1103515245 + 12345;
			at = (seed >> 8) % (i.size / 4) * 4;
			seed = seed * 1103515245 + 12345;
			word = n % 2 ? seed : (seed >> 8) % (uint32_t)(i.size + 8);
			memcpy(copy + at, &word, sizeof(word));
		}
		fd = seal(copy, i.size, SEALS);
		if (view_map(fd, &v) == 0) {
			accepted++;
			assert_true(use(v) < 100 * i.size);
			view_unmap(v);
		}
		close_fd(fd);
		free(copy);
	}
	/* Damage within texts and times can't be told, and does no harm. */
	assert_in_range(accepted, 1, 4000);
	free(i.bytes);
}

/* 10,000 objects with three actions each: it is checked at each reload and start. */
static void test_large_configuration(void **state)
{
	const uint32_t n = 10000;
	struct view_board *boards = calloc(n, sizeof(*boards));
	struct view_action *actions = calloc((size_t)n * 3, sizeof(*actions));
	struct view_press press = {0};
	struct view_builder *b = view_builder_new();
	struct view_base base = {.path = view_add_string(b, "/srv/flagman")};
	struct view_header h = {.n_bases = 1, .n_boards = n, .n_actions = n * 3, .n_press = 1};
	static const char *const names[] = {"Restart", "Start", "Stop"};
	uint64_t began = now_monotonic(), built, mapped;
	struct view *v;

	(void)state;
	assert_non_null(boards);
	assert_non_null(actions);
	for (uint32_t i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "Object %u", i);
		boards[i] = (struct view_board){.object = view_add_string(b, name),
			.group = view_add_string(b, ""),
			.first_action = 3 * i,
			.n_actions = 3,
			.labels = VIEW_NONE};
		for (uint32_t k = 0; k < 3; k++)
			actions[3 * i + k] =
				(struct view_action){.name = view_add_string(b, names[k]),
					.board = i,
					.drop = VIEW_NONE};
	}
	_cleanup_close_ int fd = view_finish(b, &h, &base, boards, actions, &press, NULL, NULL);
	assert_true(fd >= 0);
	built = now_monotonic();
	assert_int_equal(view_map(fd, &v), 0);
	mapped = now_monotonic();
	print_message("built in %ju us, mapped and checked in %ju us, %zu bytes\n",
		(uintmax_t)(built - began), (uintmax_t)(mapped - built), v->size);
	/* A few ms; generous, for sanitizers and a busy machine. */
	assert_true(mapped - built < 200000);
	assert_true(built - began < 2000000);
	assert_true(v->size < 2U * 1024 * 1024);
	view_unmap(v);
	view_builder_free(b);
	free(boards);
	free(actions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty_configuration),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_strings_are_shared),
		cmocka_unit_test(test_many_strings),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_counts_that_wrap),
		cmocka_unit_test(test_copies_are_accepted),
		cmocka_unit_test(test_not_sealed),
		cmocka_unit_test(test_wrong_sizes),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_ends_of_the_strings),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_indexes),
		cmocka_unit_test(test_small_numbers),
		cmocka_unit_test(test_any_damage_is_refused_or_harmless),
		cmocka_unit_test(test_large_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
