# SPDX-License-Identifier: GPL-2.0-or-later
"""No room for claims: what runs reports its end; nothing is started."""

import os
from pathlib import Path

import pytest

import wire
from lib.waiting import wait_for

pytestmark = pytest.mark.root

ACTIONS = """
- name: Talk
  command: /bin/sh -c 'echo something; exit 3'
- name: Wait
  command: /bin/sh -c 'read line < "$1"; echo "$line"; exit 4' sh {fifo}
"""


@pytest.fixture
def fifo(daemon):
    path = daemon.state.parent / "go"
    os.mkfifo(path)
    path.chmod(0o666)
    return path


@pytest.fixture
def agent(daemon, fifo):
    """The claims' directory is a file system of its own, of 1 MiB."""
    (daemon.state / "runs").mkdir()
    mount = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'
    daemon.prefix = ["unshare", "--mount", "sh", "-c", mount, "sh", str(daemon.state / "runs")]
    daemon.board("Box", ACTIONS.format(fifo=fifo))
    agent = daemon.begin()
    wait_for(lambda: len(os.listdir(inside(daemon))) == 33, "runs are prepared")
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


def test_a_full_disk(daemon, agent, fifo):
    going = agent.running(1)
    fill(daemon)
    refused = agent.start(0)
    assert refused.result == wire.NO_ROOM and b"No space left" in refused.message.why
    assert refused.hex not in os.listdir(inside(daemon))
    fifo.write_text("the end\n")
    end = going.ended()
    assert (end.kind, end.code) == (wire.EXITED, 4)
    assert going.output() == ""
    assert b"output can't be kept" in going.status().text
    (inside(daemon) / "ballast").unlink()
    run = agent.start(0, refused.token)
    assert run.ended().code == 3
    assert run.output() == "something\n"
