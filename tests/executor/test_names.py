# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent asks whose a uid is; a directory service that hangs, fails or babbles harms nobody."""

import os
import pwd
import shutil
import time
from pathlib import Path

import pytest

import wire
from lib import processes
from lib.waiting import wait_for

ACTIONS = "- {name: Go, command: /bin/true}"
NOBODY = 3_999_999_999


@pytest.fixture
def agent(daemon):
    daemon.board("Box", ACTIONS)
    return daemon.begin()


@pytest.fixture
def stand_in(daemon):
    """Another flagman-names, for this instance alone: stand_in("shell script")."""
    daemon.bin = Path(shutil.copytree(daemon.bin, daemon.root / "bin"))
    real = daemon.bin / "flagman-names"

    def make(script):
        real.unlink()
        real.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        real.chmod(0o755)
        daemon.board("Box", ACTIONS)
        return daemon.begin()
    return make


def ask(agent, uid):
    agent.send(wire.NAME, wire.Name(uid=uid))


def asleep():
    return [p for p in processes.descendants(os.getpid())
            if processes.comm(p) == "sleep" and processes.alive(p)]


def answer(agent, timeout=None):
    named, _ = agent.expect(wire.NAMED, timeout)
    return named.uid, named.name.decode()


def test_names_people(agent):
    for entry in (pwd.getpwuid(os.getuid()), pwd.getpwuid(1), pwd.getpwuid(0)):
        ask(agent, entry.pw_uid)
        assert answer(agent) == (entry.pw_uid, entry.pw_name)


def test_nobodys_is_no_name(agent):
    ask(agent, NOBODY)
    assert answer(agent) == (NOBODY, "")


def test_each_question_has_one_answer(agent):
    """More at once than wait are answered too, with nothing."""
    for uid in range(400):
        ask(agent, uid)
    answers = dict(answer(agent) for _ in range(400))
    assert set(answers) == set(range(400))
    assert answers[0] == "root" and answers[399] == ""


def test_looks_up_as_the_agents_user(daemon, stand_in):
    """What asks a directory service has no privilege and is told nothing."""
    told = daemon.root / "told"
    told.touch()
    told.chmod(0o666)
    agent = stand_in(f"{{ id -u; ls -l /proc/self/fd | wc -l; env; }} >{told}; printf x >&3")
    ask(agent, 7)
    assert answer(agent) == (7, "x")
    uid, fds, *environment = told.read_text().splitlines()
    assert uid == agent.found["status"]["Uid"].split()[0]
    assert int(fds) <= 6  # "total", 0 to 3, and the directory that ls reads
    assert not any(line.startswith(("NOTIFY_SOCKET", "HOME", "USER")) for line in environment)


def test_a_service_that_hangs_delays_nothing_else(daemon, stand_in):
    agent = stand_in("exec sleep 1000")
    began = time.monotonic()
    ask(agent, 1)
    ask(agent, 2)
    run = agent.running(0)
    run.ended()
    assert time.monotonic() - began < 4
    assert answer(agent, 20) == (1, "")
    assert "could not be found within 5 s" in daemon.log()
    assert answer(agent, 20) == (2, "")
    wait_for(lambda: not asleep(), "they are gone", dump=daemon.log)


@pytest.mark.parametrize("script", ["printf %01000d 7 >&3", "printf %0127d 7 >&3; kill -KILL $$",
                                    "exit 1", "exec 3>&-; exec sleep 1000"])
def test_no_answer_that_is_no_name(stand_in, script):
    agent = stand_in(script)
    ask(agent, 1)
    uid, name = answer(agent, 20)
    assert uid == 1 and name in ("", "0" * 126 + "7")


def test_an_agent_that_ends_takes_its_questions_along(daemon, stand_in):
    agent = stand_in("exec sleep 1000")
    for uid in range(10):
        ask(agent, uid)
    wait_for(asleep, "one is asked", dump=daemon.log)
    agent.connection.sendall(b"exit 0\n")
    again = daemon.agent()
    again.begin()
    wait_for(lambda: not asleep(), "it is gone", dump=daemon.log)
    again.running(0).ended()
    ask(again, 11)
    wait_for(asleep, "the next one is asked", dump=daemon.log)
