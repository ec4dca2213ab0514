# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands that mean no good, against their runner: notifications and output without an end."""

import array
import contextlib
import os
import re
import shutil
import socket
import struct
import time
from pathlib import Path

import pytest

import wire
from lib import processes
from lib.people import as_user
from lib.waiting import stays, wait_for

NONE = 2 ** 32 - 1
HOSTILE = Path(__file__).resolve().parent / "hostile.py"
ACTIONS = """
- {name: Vocabulary, command: %ROOT%/hostile.py vocabulary}
- {name: Descriptors, command: %ROOT%/hostile.py with-descriptors %ROOT%/go hang}
- {name: Long, command: %ROOT%/hostile.py too-long hang}
- {name: Flood, command: %ROOT%/hostile.py flood 100000 %ROOT%/go hang}
- {name: Flood without an end, command: %ROOT%/hostile.py flood 1000000000}
- {name: Flood that is left, command: %ROOT%/hostile.py flood-on}
- name: Two GiB
  script: |
    head -c 2147483648 /dev/zero
    read go <%ROOT%/go
  output-limit: 64KiB
- name: Closes
  script: |
    echo before
    exec >&- 2>&-
    read go <%ROOT%/go
    exit 7
- name: Output that is left
  script: |
    echo mine
    setsid yes &
    exit 7
  output-limit: 64KiB
"""
VOCABULARY, DESCRIPTORS, LONG, FLOOD, ENDLESS, LEFT, TWO_GIB, CLOSES, YES = range(9)


@pytest.fixture
def agent(daemon):
    shutil.copy(HOSTILE, daemon.root / "hostile.py")
    (daemon.root / "hostile.py").chmod(0o755)
    os.mkfifo(daemon.root / "go")
    (daemon.root / "go").chmod(0o666)
    daemon.board("Box", ACTIONS)
    return daemon.begin()


def let_go(daemon):
    (daemon.root / "go").write_text("go\n")


def descriptors(pid):
    return sorted(os.listdir(f"/proc/{pid}/fd"))


def memory(pid, key="VmHWM"):
    """In KiB; VmHWM is the most that it ever was."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"{key}:\s+(\d+)", f.read())[1])


def nudges(run):
    """How often the runner has said "look" since the last time."""
    with contextlib.suppress(BlockingIOError):
        return len(os.read(run.alive_fd, 1 << 20))
    return 0


def runner_of(daemon, run):
    wait_for(lambda: nudges(run), "it has been executed")
    return daemon.started(run)[2]


def notify_socket(run):
    """What the command has printed: all that it says was sent by then."""
    return wait_for(lambda: run.output().strip(), "it is through")


def cancel(run):
    run.cancel()
    assert run.ended().stop == wire.STOP_CANCEL


def test_only_a_status_is_heard(daemon, agent):
    """The rest of sd_notify(3) changes nothing, with and without descriptors."""
    run = agent.running(VOCABULARY)
    end = run.ended()
    assert (end.kind, end.code) == (wire.EXITED, 7), run.output()
    assert (run.status().percent, run.status().text) == (NONE, b"")


def test_what_comes_with_descriptors(daemon, agent):
    """It is not heard, and they are closed at once: sd_notify_barrier(3) waits for that."""
    run = agent.running(DESCRIPTORS)
    runner = runner_of(daemon, run)
    before = descriptors(runner)
    let_go(daemon)
    notify_socket(run)
    wait_for(lambda: run.status().percent == 10, "the first one was heard")
    assert descriptors(runner) == before
    cancel(run)
    assert (run.status().percent, run.status().text) == (10, b"10% alone")


def test_what_is_too_long(daemon, agent):
    run = agent.running(LONG)
    notify_socket(run)
    wait_for(lambda: run.status().percent == 10, "the first one was heard")
    cancel(run)
    assert run.status().text == b"10% short"


def test_a_flood(daemon, agent):
    """100,000 messages: nothing is left of them, and whoever follows the run is seldom told."""
    run = agent.running(FLOOD)
    runner = runner_of(daemon, run)
    before, most, began = descriptors(runner), memory(runner), time.monotonic()
    let_go(daemon)
    told = 0

    def over():
        nonlocal told
        told += nudges(run)
        assert len(descriptors(runner)) <= len(before) + 16
        return run.output()
    wait_for(over, "it is through", 120)
    assert told <= (time.monotonic() - began) / 0.05 + 2
    assert memory(runner) <= most + 2048
    wait_for(lambda: descriptors(runner) == before, "nothing is left open")
    assert run.status().percent <= 100
    cancel(run)


def test_a_flood_does_not_keep_it_from_being_stopped(daemon, agent):
    run = agent.running(ENDLESS)
    wait_for(lambda: run.status().percent <= 100, "it is heard")
    cancel(run)


def test_a_flood_does_not_keep_it_from_ending(daemon, agent):
    """The main process is over, something that it has left goes on."""
    run = agent.running(LEFT)
    end = run.ended()
    assert (end.kind, end.code) == (wire.EXITED, 7)
    wait_for(lambda: len(os.listdir(daemon.run / "notify")) == 1, "its socket is gone")


@pytest.mark.root
def test_strangers_are_not_heard(daemon, agent, people):
    """They can't reach the socket; who was given a way to it, is not believed."""
    run = agent.running(DESCRIPTORS)
    let_go(daemon)
    path = notify_socket(run)
    wait_for(lambda: run.status().percent == 10, "its own message was heard")
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with pytest.raises(PermissionError):
        as_user(people.alice, lambda: channel.connect(path))
    with pytest.raises(PermissionError):
        as_user(people.alice, lambda: os.listdir(os.path.dirname(path)))
    channel.connect(path)
    forged = struct.pack("iII", daemon.started(run)[0], people.uid("runner"), people.gid)
    for control in ([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1]))]):
        as_user(people.alice, lambda c=control: channel.sendmsg([b"STATUS=66% forged"], c))
    with pytest.raises(PermissionError):
        as_user(people.alice, lambda: channel.sendmsg(
            [b"STATUS=67% forged"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, forged)]))
    stays(lambda: run.status().text == b"10% alone", "they are not heard", 0.3)
    channel.send(b"STATUS=11% root")
    wait_for(lambda: run.status().text == b"11% root", "root is")
    channel.close()
    cancel(run)


def test_two_gib(daemon, agent):
    """What is kept is output-limit, in the claim as in memory."""
    run = agent.running(TWO_GIB)
    runner = runner_of(daemon, run)
    most = memory(runner)
    wait_for(lambda: run.status().total == 2 ** 31, "all was written", 120)
    assert memory(runner) <= most + 2048
    assert os.fstat(run.claim_fd).st_size == 4096 + 65536
    let_go(daemon)
    assert run.ended().code == 0


def test_it_closes_its_output(daemon, agent):
    """That is not its end, and nothing turns round for it."""
    run = agent.running(CLOSES)
    runner = runner_of(daemon, run)
    main = daemon.started(run)[0]
    wait_for(lambda: not os.path.exists(f"/proc/{main}/fd/1"), "it has closed it")
    wait_for(lambda: processes.state(runner) == "S", "the runner sleeps")
    stays(lambda: processes.state(runner) == "S", "the runner sleeps", 0.2)
    let_go(daemon)
    assert run.ended().code == 7
    assert run.output() == "before\n"


def test_output_that_is_left(daemon, agent):
    """Something of it writes without an end: the run is over all the same, and its output too."""
    run = agent.running(YES)
    assert run.ended().code == 7
    total = run.status().total
    assert run.output().startswith("mine\n") or total > 65536
    stays(lambda: run.status().total == total, "nothing more is kept", 0.2)
    assert os.fstat(run.claim_fd).st_size <= 4096 + 65536
