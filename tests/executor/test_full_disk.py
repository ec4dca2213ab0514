# SPDX-License-Identifier: GPL-2.0-or-later
"""No room for claims: what was prepared runs and reports its end; nothing else is started."""

import os
from pathlib import Path

import pytest

import wire
from lib.waiting import wait_for

pytestmark = pytest.mark.root

ACTIONS = """
- name: Talk
  command: /bin/sh -c 'echo something; exit 3'
"""


@pytest.fixture
def agent(daemon):
    """The claims' directory is a file system of its own, of 256 KiB."""
    (daemon.state / "runs").mkdir()
    mount = 'mount -t tmpfs -o size=256k none "$1" && shift && exec "$@"'
    daemon.prefix = ["unshare", "--mount", "sh", "-c", mount, "sh", str(daemon.state / "runs")]
    daemon.board("Box", ACTIONS)
    agent = daemon.begin()
    wait_for(lambda: len(os.listdir(inside(daemon))) == 2, "two runs are prepared")
    return agent


def inside(daemon):
    return Path(f"/proc/{daemon.process.pid}/root{daemon.state}/runs")


def fill(daemon):
    with open(inside(daemon) / "ballast", "wb", buffering=0) as f:
        for size in (4096, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass


def test_a_full_disk(daemon, agent):
    fill(daemon)
    for _ in range(2):
        run = agent.start(0)
        assert run.result == wire.OK
        end = run.ended()
        assert (end.kind, end.code) == (wire.EXITED, 3)
        assert run.output() == ""
        assert b"output can't be kept" in run.status().text
    run = agent.start(0)
    assert run.result == wire.NO_ROOM and b"No space left" in run.message.why
    assert run.hex not in os.listdir(inside(daemon))
    (inside(daemon) / "ballast").unlink()
    run = agent.start(0, run.token)
    assert run.ended().code == 3
    assert run.output() == "something\n"
