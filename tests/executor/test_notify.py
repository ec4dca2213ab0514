# SPDX-License-Identifier: GPL-2.0-or-later
"""What flagmand tells systemd: sd_notify(3)."""

import os
import signal
import socket

import pytest

import wire
from floods import Flood, message_of, packet
from lib import processes
from lib.waiting import stays, wait_for

ONE = "- {name: Go, command: /bin/true}\n"


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, daemon):
        self.path = daemon.root / "manager"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(str(self.path))
        self.heard = []
        self.ready = ["READY=1", f"STATUS=1 actions of 1 groups, 0 errors in {daemon.conf}"]
        daemon.environment["NOTIFY_SOCKET"] = str(self.path)

    def messages(self):
        """All so far, each a list of lines."""
        while True:
            try:
                text = self.socket.recv(8192, socket.MSG_DONTWAIT).decode()
            except BlockingIOError:
                return self.heard
            self.heard.append(text.rstrip("\n").split("\n"))

    def wait(self, line):
        """The message that has LINE, once it has come."""
        return wait_for(lambda: next((m for m in self.messages() if line in m), None),
                        f"{line} was said")


@pytest.fixture
def manager(daemon):
    daemon.board("Box", ONE)
    it = Manager(daemon)
    yield it
    it.socket.close()


def test_ready_when_the_agent_has_adopted(daemon, manager):
    agent = daemon.start().agent()
    agent.expect(wire.CLAIMS_END)
    assert not manager.messages()
    agent.configured()
    assert manager.wait("READY=1") == manager.ready


def test_reloading_and_stopping(daemon, manager):
    agent = daemon.begin()
    manager.wait("READY=1")
    manager.heard.clear()
    daemon.process.send_signal(signal.SIGHUP)
    agent.expect(wire.CONFIG)
    manager.wait("READY=1")
    begin, end = manager.heard
    assert begin[0] == "RELOADING=1" and begin[1].startswith("MONOTONIC_USEC=")
    assert 0 < int(begin[1].partition("=")[2]) and end == manager.ready
    daemon.process.send_signal(signal.SIGTERM)
    agent.expect(wire.QUIT)
    manager.wait("STOPPING=1")


def test_the_status_says_what_is_configured(daemon, manager):
    daemon.begin()
    manager.wait("READY=1")
    (daemon.conf / "wrong.yaml").write_text("object: Wrong\n", encoding="ascii")
    daemon.process.send_signal(signal.SIGHUP)
    manager.wait(f"STATUS=1 actions of 1 groups, 1 errors in {daemon.conf}")


def test_the_watchdog_is_fed(daemon, manager):
    daemon.environment["WATCHDOG_USEC"] = "200000"
    daemon.begin()
    wait_for(lambda: manager.messages().count(["WATCHDOG=1"]) >= 3, "it says that it lives")
    os.kill(daemon.process.pid, signal.SIGSTOP)
    wait_for(lambda: processes.state(daemon.process.pid) == "T", "it hangs")
    manager.messages()
    n = len(manager.heard)
    stays(lambda: len(manager.messages()) == n, "who hangs says nothing", 0.5)


def test_the_watchdog_is_fed_in_a_flood(daemon, manager):
    """Of all that takes long: never as late as would have flagmand killed."""
    daemon.environment["WATCHDOG_USEC"] = "2000000"
    agent = daemon.begin()
    with Flood(agent, *(packet(*message_of(agent, name)) for name in ("mend", "reload", "take"))):
        for count in range(1, 6):
            wait_for(lambda n=count: manager.messages().count(["WATCHDOG=1"]) >= n,
                     "it says that it lives", 2)


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}])
def test_no_watchdog_unless_asked(daemon, manager, environment):
    """Without WATCHDOG_USEC, or with one that is meant for another process, nothing wakes up."""
    daemon.environment |= environment
    daemon.begin()
    manager.wait("READY=1")
    stays(lambda: ["WATCHDOG=1"] not in manager.messages(), "it says nothing", 0.5)


def test_nobody_listens(daemon, manager):
    """A manager that is gone, or was never there, is no reason to fail."""
    manager.path.unlink()
    assert daemon.begin().start(0).ended().code == 0
