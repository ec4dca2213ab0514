# SPDX-License-Identifier: GPL-2.0-or-later
"""The users and groups of a test session.

As root they are real ones, made once and removed at the end; names carry the pid of the session,
so that sessions don't meet and what a killed session left is swept by the next.

    agent    the service's own user
    runner   the user that commands run as
    alice, bob   members of the group that may press
    carol        not a member

As an ordinary user everybody is oneself, and what needs more than one person is marked `root`.
"""

import contextlib
import dataclasses
import fcntl
import grp
import json
import os
import pwd
import subprocess
import traceback

PREFIX = "fmt-"
ROLES = ("agent", "runner", "alice", "bob", "carol")
ENV = "FLAGMAN_TEST_PEOPLE"
LOCK = "/run/lock/flagman-tests.lock"


@dataclasses.dataclass(frozen=True)
class People:
    """Names, by role; `group` is the group of those who may press."""

    root: bool
    agent: str
    runner: str
    alice: str
    bob: str
    carol: str
    group: str

    def uid(self, role):
        return pwd.getpwnam(getattr(self, role)).pw_uid

    @property
    def gid(self):
        return grp.getgrnam(self.group).gr_gid


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _locked(function):
    """useradd and its kin give up when another holds /etc/passwd."""
    with open(LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return function()


def _session_of(name):
    tail = name.rpartition("-")[2]
    return int(tail) if name.startswith(PREFIX) and tail.isdigit() else None


def _remove(session):
    for user in [u.pw_name for u in pwd.getpwall()]:
        if _session_of(user) == session:
            _run("userdel", user)
    for group in [g.gr_name for g in grp.getgrall()]:
        if _session_of(group) == session:
            _run("groupdel", group)


def _sweep():
    """Users of sessions that no longer exist; those of whom a process still lives wait for it."""
    names = [u.pw_name for u in pwd.getpwall()] + [g.gr_name for g in grp.getgrall()]
    for session in {_session_of(name) for name in names} - {None}:
        if not os.path.exists(f"/proc/{session}"):
            with contextlib.suppress(RuntimeError):
                _remove(session)


def make(session):
    """The people of SESSION (a pid); remove() is their end."""
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(os.getegid()).gr_name
        return People(False, me, me, me, me, me, group)
    names = {role: f"{PREFIX}{role}-{session}" for role in ROLES}
    group = f"{PREFIX}www-{session}"

    def add():
        _sweep()
        _run("groupadd", "--system", group)
        for role, name in names.items():
            member = ["--groups", group] if role in ("alice", "bob") else []
            _run("useradd", "--system", "--user-group", "--no-create-home",
                 "--home-dir", "/nonexistent", "--shell", "/bin/sh", *member, name)

    _locked(add)
    return People(True, group=group, **names)


def remove(session):
    if os.geteuid() == 0:
        _locked(lambda: _remove(session))


def to_env(people):
    os.environ[ENV] = json.dumps(dataclasses.asdict(people))


def from_env():
    return People(**json.loads(os.environ[ENV]))


def as_user(name, function):
    """FUNCTION() in a child that is NAME with all of NAME's groups; its exception comes back.

    Only builtin OSErrors come back as what they are; others come as RuntimeError with the trace.
    """
    user = pwd.getpwnam(name)
    if user.pw_uid == os.geteuid():
        return function()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer = {"ok": None}
        try:
            os.close(read)
            os.initgroups(name, user.pw_gid)
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
            answer = {"ok": function()}
        except OSError as error:
            answer = {"errno": error.errno, "text": str(error)}
        except BaseException:  # whatever it is, the parent must hear of it
            answer = {"trace": traceback.format_exc()}
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(pid, 0)
    answer = json.loads(raw)
    if "errno" in answer:
        raise OSError(answer["errno"], answer["text"])
    if "trace" in answer:
        raise RuntimeError(answer["trace"])
    return answer["ok"]
