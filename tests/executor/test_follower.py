# SPDX-License-Identifier: GPL-2.0-or-later
"""The pipe that the agent gets of Samba's audit log."""

import fcntl
import os
import select

import pytest

import wire
from lib.waiting import wait_for


@pytest.fixture
def log(daemon):
    path = daemon.root / "audit.log"
    path.touch(mode=0o644)
    (daemon.conf.parent / "flagman.yaml").write_text(f"samba-audit: {path}\n")
    return path


def take(agent):
    """The pipe of the next EXEC_AUDIT."""
    _, fds = agent.expect(wire.AUDIT)
    fd, = fds
    return fd


def read_after(log, fd, text):
    """What comes of TEXT; it is written until something does, for the log must be open first."""
    def written():
        with open(log, "a", encoding="utf-8") as f:
            f.write(text)
        return select.select([fd], [], [], 0.2)[0]
    wait_for(written, "a line comes")
    return os.read(fd, 4096).decode()


def test_lines_come_by_a_pipe_that_does_not_block(daemon, log):
    daemon.board("Box", "- name: Hang\n  command: %PROBE% hang\n")
    agent = daemon.begin()
    fd = take(agent)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    assert flags & os.O_ACCMODE == os.O_RDONLY
    assert flags & os.O_NONBLOCK
    assert read_after(log, fd, "a line\n").startswith("a line\n")
    os.close(fd)


def test_who_does_not_read_is_given_another(daemon, log):
    """The follower ends by SIGPIPE, and begins again; runs are started all the same."""
    daemon.board("Box", "- name: Hang\n  command: %PROBE% hang\n")
    agent = daemon.begin()
    os.close(take(agent))
    with open(log, "a", encoding="utf-8") as f:
        f.write("x\n")

    def again():
        with open(log, "a", encoding="utf-8") as f:
            f.write("x\n")
        try:
            return take_within(agent, 0.3)
        except AssertionError:
            return None
    fd = wait_for(again, "another pipe comes")
    assert read_after(log, fd, "more\n")
    os.close(fd)
    agent.running(0).cancel()


def take_within(agent, seconds):
    _, (fd,) = agent.expect(wire.AUDIT, seconds)
    return fd


def test_without_the_setting_there_is_none(daemon):
    daemon.board("Box", "- name: Hang\n  command: %PROBE% hang\n")
    agent = daemon.begin()
    agent.running(0).cancel()
    agent.expect(wire.ENDED)
    assert wire.AUDIT not in [kind for kind, *_ in agent.kept]
