/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runners that wait. */
#include "executor/pool.h"

#include "common/fd.h"
#include "common/log.h"
#include "common/text.h"
#include "executor/spawn.h"
#include "wire/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define NURSERY_PATIENCE 5 /* seconds that a birth may take to be accepted */
#define NURSERY_DEATHS   3 /* of young ones in a row; then a press may try again each second */

static int start_nursery(struct pool *p)
{
	static const char *const argv[] = {"flagman-runner", NULL};
	const struct timeval patience = {.tv_sec = NURSERY_PATIENCE};
	struct helper h = {.argv = argv, .n_fds = 1};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	h.fds = &pair[1];
	p->nursery_since = now_monotonic();
	p->nursery = spawn_helper(&h);
	close(pair[1]);
	if (p->nursery < 0) {
		close(pair[0]);
		return p->nursery;
	}
	p->nursery_socket = pair[0];
	p->nursery_has = UINT64_MAX;
	return 0;
}

/* The old one ends when it has read what was asked of it. */
/* One that can't be executed ends as fast as it can be started. */
static bool may_start(struct pool *p)
{
	if (now_monotonic() - p->nursery_since >= USEC_PER_SEC)
		p->nursery_deaths = 0;
	return p->nursery_deaths < NURSERY_DEATHS;
}

static void lose_nursery(struct pool *p)
{
	close_fd(p->nursery_socket);
	p->nursery_socket = -1;
	p->nursery = 0;
}

static void replace_nursery(struct pool *p)
{
	int r;

	lose_nursery(p);
	r = start_nursery(p);
	if (r < 0)
		log_error("can't start the nursery of runners: %s", strerror(-r));
}

int pool_open(struct pool *p, const struct places *places, const struct cgroups *cgroups)
{
	*p = (struct pool){
		.places = places, .cgroups = cgroups, .nursery_socket = -1, .last_uid = geteuid()};
	p->spares = calloc(SPARES_MAX, sizeof(*p->spares));
	return p->spares ? start_nursery(p) : -ENOMEM;
}

void ready_close(struct ready *r)
{
	close_fd(r->socket);
	claim_close_fds(&r->fds);
	r->socket = -1;
}

void ready_tidy(struct pool *p, const char *id)
{
	(void)unlinkat(p->places->notify, id, 0);
	p->left_cgroups |= cgroup_remove(p->cgroups, id) == -EBUSY;
}

void pool_drop(struct pool *p, struct ready *r)
{
	ready_close(r);
	claim_remove_ready(&p->places->claims, r->id);
	ready_tidy(p, r->id);
}

void pool_recycle(struct pool *p, const struct token *token)
{
	char id[CLAIM_ID_MAX];

	if (p->n_spares == SPARES_MAX) {
		(void)claim_remove(&p->places->claims, token);
		return;
	}
	if (claim_recycle(&p->places->claims, token, id) < 0 || !*id)
		return;
	/* Something that the run has left may live on in its cgroup, which has that name. */
	if (p->cgroups->root >= 0 && cgroup_remove(p->cgroups, id) == -EBUSY)
		claim_remove_ready(&p->places->claims, id);
	else
		memcpy(p->spares[p->n_spares++], id, sizeof(id));
}

bool pool_has(const struct pool *p, const char *id)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->ready[i].id, id))
			return true;
	return false;
}

void pool_close(struct pool *p)
{
	while (p->n_spares > 0)
		claim_remove_ready(&p->places->claims, p->spares[--p->n_spares]);
	free(p->spares);
	p->spares = NULL;
	while (p->n > 0)
		pool_drop(p, &p->ready[--p->n]);
	close_fd(p->nursery_socket);
	p->nursery_socket = -1;
}

void pool_want(struct pool *p, size_t ready, uint64_t bounding)
{
	p->wanted = ready < POOL_MAX ? ready : POOL_MAX;
	while (p->n > 0 && (p->n > p->wanted || bounding & ~p->bounding))
		pool_drop(p, &p->ready[--p->n]);
	p->bounding = bounding;
	if (bounding & ~p->nursery_has)
		replace_nursery(p);
}

/* A command can be told only a path that fits an address; with a longer one it gets none, and the
 * descriptor is one of /dev/null. */
static int make_notify(const struct pool *p, struct ready *r)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int on = 1;
	int n = snprintf(r->notify, sizeof(r->notify), "%s/%s", p->places->notify_path, r->id);

	if (n < 0 || (size_t)n >= sizeof(r->notify)) {
		*r->notify = '\0';
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : steal_fd(&fd);
	}
	memcpy(a.sun_path, r->notify, (size_t)n);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode of the socket becomes that of its name. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
		fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	r->notify_uid = geteuid();
	if (p->last_uid != r->notify_uid && fchownat(p->places->notify, r->id, p->last_uid,
						    (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0)
		r->notify_uid = p->last_uid;
	return steal_fd(&fd);
}

static int give_birth(struct pool *p, const int *fds, size_t n)
{
	const struct nursery_message m = {.request = NURSERY_BIRTH, .bounding = p->bounding};

	if (p->nursery <= 0 && may_start(p))
		replace_nursery(p);
	if (p->nursery <= 0)
		return -EAGAIN;
	p->nursery_has &= p->bounding;
	return spec_send(p->nursery_socket, &m, sizeof(m), fds, n);
}

int pool_sync(struct pool *p)
{
	const struct nursery_message m = {.request = NURSERY_SYNC};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = spec_send(p->nursery_socket, &m, sizeof(m), (int[]){pair[1], p->places->claims.runs},
		NURSERY_SYNC_FDS);
	close(pair[1]);
	if (r == 0)
		return pair[0];
	close(pair[0]);
	return r;
}

static int make_spare(struct pool *p)
{
	char *id = p->spares[p->n_spares], hex[TOKEN_HEX + 1];
	struct token t = token_new();
	int r;

	snprintf(id, CLAIM_ID_MAX, "%.*s", CLAIM_ID_MAX - 1, token_hex(&t, hex));
	r = claim_prepare(&p->places->claims, id);
	if (r == 0)
		p->n_spares++;
	return r;
}

/* A claim's file, used before or new. */
static int take_spare(struct pool *p, struct ready *r, int *ret_file, int *ret_alive)
{
	for (;;) {
		int e = p->n_spares > 0 ? 0 : make_spare(p);

		if (e < 0)
			return e;
		memcpy(r->id, p->spares[--p->n_spares], sizeof(r->id));
		e = claim_open_ready(&p->places->claims, r->id, &r->fds, ret_file, ret_alive);
		if (e == 0)
			return 0;
		claim_remove_ready(&p->places->claims, r->id);
		if (e != -ENOENT) /* somebody has removed it: the next one, or a new one */
			return e;
	}
}

static int prepare(struct pool *p, struct ready *ret)
{
	struct ready r = {.socket = -1, .fds = CLAIM_FDS_NONE};
	_cleanup_close_ int notify = -1, theirs = -1, file = -1, alive = -1, cgroup = -1;
	int pair[2], error;

	error = take_spare(p, &r, &file, &alive);
	if (error < 0)
		return error;
	if (p->cgroups->root >= 0)
		cgroup = cgroup_run(p->cgroups, r.id, true);
	notify = make_notify(p, &r);
	error = notify < 0 ? notify : 0;
	if (error == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		error = -errno;
	if (error == 0) {
		r.socket = pair[0];
		theirs = pair[1];
		error = give_birth(p, (const int[]){theirs, file, notify, alive, cgroup},
			NURSERY_BIRTH_FDS + (cgroup >= 0));
	}
	if (error < 0) {
		pool_drop(p, &r);
		return error;
	}
	*ret = r;
	return 0;
}

/* Somebody may have killed a runner while it waited. */
static bool has_died(const struct ready *r)
{
	struct pollfd p = {.fd = r->socket};

	return poll(&p, 1, 0) != 0;
}

int pool_take(struct pool *p, struct ready *ret)
{
	while (p->n > 0) {
		struct ready *r = &p->ready[--p->n];
		if (!has_died(r)) {
			*ret = *r;
			return 0;
		}
		pool_drop(p, r);
	}
	return prepare(p, ret);
}

int pool_refill(struct pool *p)
{
	int r;

	if (p->n < p->wanted) {
		r = prepare(p, &p->ready[p->n]);
		p->n += r == 0;
	} else if (p->n_spares < SPARES_MIN) {
		r = make_spare(p);
	} else {
		return 0;
	}
	return r < 0 ? r : 1;
}

bool pool_reap(struct pool *p, pid_t pid)
{
	bool again;

	if (pid != p->nursery)
		return false;
	p->nursery_deaths++;
	again = may_start(p);
	log_error("the nursery of runners has ended; %s",
		again ? "starting another" : "another is started when it is needed");
	/* Those that it had forked live on; births that it had not read are lost. */
	while (p->n > 0)
		pool_drop(p, &p->ready[--p->n]);
	if (again)
		replace_nursery(p);
	else
		lose_nursery(p);
	return true;
}
