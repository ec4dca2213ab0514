# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman, or a part of it, is down while something happens."""

import contextlib
import os
import signal
import sqlite3

import pytest
from lib.waiting import wait_for


@contextlib.contextmanager
def no_agent(inst):
    """What happens below is seen by the next agent only, under a living executor."""
    agent = inst.pids("agent")
    for pid in agent:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in agent:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: inst.pids("agent") and not set(inst.pids("agent")) & set(agent),
             "another agent is there", dump=inst.dump)


@contextlib.contextmanager
def no_service(inst):
    inst.stop()
    yield
    inst.start()


def while_stopped(inst, change):
    inst.stop()
    change()
    inst.start()


def while_dead(inst, change):
    inst.kill("executor")
    change()
    inst.start()


@contextlib.contextmanager
def database(inst):
    """flagman's own, while it is stopped."""
    path = next(inst.state.rglob("flagman.db"))
    owner = path.stat()
    connection = sqlite3.connect(path)
    yield connection
    connection.commit()
    connection.close()
    for file in path.parent.iterdir():
        os.chown(file, owner.st_uid, owner.st_gid)


DOWN = pytest.mark.parametrize("down, keys", [
    (no_agent, "cooldown: 0\nhold: 200ms"),
    (no_service, "cooldown: 0\nhold: 200ms\nmissed: run"),
], ids=["agent", "service"])
