# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent that has been taken over: whatever it sends ends in a refusal or in its own end."""

import contextlib
import ctypes
import errno
import os
import re
import signal
import socket

import pytest

import wire
from floods import GOOD_ONES, Flood, message_of, packet
from lib import processes
from lib.waiting import stays, wait_for

ACTIONS = """
- name: Good
  command: /bin/sh -c 'echo ran >>%ROOT%/ran; exit 3'
- name: Limited
  command: %PROBE% hang
  timeout: 1s
  stop-grace: 1s
"""
GOOD, LIMITED = range(2)


@pytest.fixture
def agent(daemon):
    daemon.board("Box", ACTIONS)
    (daemon.root / "ran").touch()
    (daemon.root / "ran").chmod(0o666)
    return daemon.begin()


@contextlib.contextmanager
def some(n):
    """N descriptors of this process."""
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(n)]
    yield fds
    for fd in fds:
        os.close(fd)


def settled(daemon):
    """Its descriptors once nothing is being prepared, or written to a temporary, any more."""
    wait_for(lambda: len(os.listdir(daemon.state / "runs")) == 33, "runs are prepared",
             dump=daemon.log)
    last = []

    def steady():
        now = daemon.descriptors()
        same = last[-3:] == [now] * 3 and not any("/state/." in name for name in now)
        last.append(now)
        return same
    wait_for(steady, "its descriptors are steady")
    return last[-1]


def nothing_left(daemon, before):
    wait_for(lambda: daemon.descriptors() == before, "nothing is left open",
             dump=lambda: f"{before}\n{daemon.descriptors()}")


def claims(daemon):
    return [c for c in os.listdir(daemon.state / "runs") if not c.startswith(".")]


def breach(daemon, agent, data, n_fds=0, log="broke the contract"):
    """DATA ends this agent; the next one finds all as it was, and nothing has run."""
    before = settled(daemon)
    with some(n_fds) as fds:
        agent.send_raw(data, fds)
    successor = daemon.agent()
    daemon.wait_log(log)
    agent.channel.close()
    assert successor.begin() == ({}, True)
    nothing_left(daemon, before)
    assert not claims(daemon) and not (daemon.root / "ran").read_text()
    assert successor.start(GOOD).ended().code == 3


@pytest.mark.parametrize("name", GOOD_ONES)
@pytest.mark.parametrize("by", [-1, 1])
def test_a_message_of_the_wrong_length(daemon, agent, name, by):
    kind, body = message_of(agent, name)
    breach(daemon, agent, packet(kind, body[:-1] if by < 0 else body + b"\0"),
           GOOD_ONES[name][2])


@pytest.mark.parametrize("name", GOOD_ONES)
def test_a_message_with_the_wrong_number_of_descriptors(daemon, agent, name):
    breach(daemon, agent, packet(*message_of(agent, name)), GOOD_ONES[name][2] + 1)


@pytest.mark.parametrize("name, n", [("own", 0), ("watch", 0), ("watch", 1), ("reload", 250)])
def test_too_few_descriptors_and_far_too_many(daemon, agent, name, n):
    breach(daemon, agent, packet(*message_of(agent, name)), n)


@pytest.mark.parametrize("kind", [0, 12, 31, *sorted(wire.FROM_EXECUTOR), 42, 255, 65535])
def test_a_type_that_is_not_the_agents(daemon, agent, kind):
    """Unknown ones, and those that only the executor sends, in their right size."""
    size = ctypes.sizeof(wire.FROM_EXECUTOR.get(kind, wire.Generation))
    breach(daemon, agent, packet(kind, b"\0" * (size - 8)), 1 if kind == wire.CONFIG else 0)


@pytest.mark.parametrize("what", ["version", "size", "half a header", "big", "huge", "random"])
def test_what_is_no_message(daemon, agent, what):
    kind, body = message_of(agent, "start")
    breach(daemon, agent, {
        "version": packet(kind, body, version=wire.VERSION + 1),
        "size": packet(kind, body, size=len(body)),
        "half a header": packet(kind, body)[:4],
        "big": packet(kind, body + b"\0" * 4096),
        "huge": packet(kind, body + b"\0" * 150_000),
        "random": os.urandom(448),
    }[what])


@pytest.mark.parametrize("name, field", [("start", "user"), ("start", "payload_name")])
def test_a_string_without_an_end(daemon, agent, name, field):
    kind, body = message_of(agent, name)
    struct = GOOD_ONES[name][1]
    place = getattr(struct, field)
    data = bytearray(packet(kind, body))
    data[place.offset:place.offset + place.size] = b"x" * place.size
    breach(daemon, agent, bytes(data))


def test_an_empty_packet_is_an_end(daemon, agent):
    """It reads like one: the channel is closed, and an agent that does not leave is killed."""
    breach(daemon, agent, b"", log="did not end when asked")


def refusals(agent):
    """What each of these START messages is answered with."""
    yield wire.STALE, {"generation": 2 ** 64 - 1}
    yield wire.STALE, {"generation": agent.generation - 1}
    for action in (2, 2 ** 31, 2 ** 32 - 1):
        yield wire.STALE, {"action": action}
    for trigger in (wire.CLI + 1, 2 ** 31, 2 ** 32 - 1):
        yield wire.REFUSED, {"trigger": trigger}
    for payload in (1, 255):
        yield wire.REFUSED, {"payload": payload, "payload_name": b"x.iso"}
    yield wire.REFUSED, {"user": b"\x1b[2J"}
    yield wire.REFUSED, {"token": wire.token()}


def test_numbers_that_mean_nothing(daemon, agent):
    """Each is refused, and the same channel still takes what is right."""
    before = settled(daemon)
    for result, values in refusals(agent):
        run = agent.start(values.pop("action", GOOD), **values)
        assert run.result == result, (values, run.message.why)
    for generation, board in ((agent.generation, 1), (agent.generation, 2 ** 32 - 1),
                              (2 ** 64 - 1, 0), (0, 0)):
        for kind, answer, struct in ((wire.TAKE, wire.TAKEN, wire.Payload),
                                     (wire.MEND, wire.MENDED, wire.Own),
                                     (wire.OWN, wire.OWNED, wire.Own)):
            with some(kind == wire.OWN) as fds:
                agent.send(kind, struct(generation=generation, board=board, cookie=9), fds)
            assert agent.expect(answer)[0].error == errno.ESTALE
    for _ in range(20):
        agent.send(wire.CANCEL, wire.Token(token=wire.new_token()))
        agent.send(wire.SPENT, wire.Spent(n=2 ** 32 - 1))
        agent.send(wire.SPENT, wire.Spent(n=64, tokens=(wire.token * 64)(
            *[wire.new_token() for _ in range(64)])))
        agent.send(wire.UNWATCH, wire.Cookie(cookie=2 ** 64 - 1))
        agent.send(wire.ADOPTED, wire.Generation(generation=2 ** 64 - 1))
        agent.send(wire.ADOPTED, wire.Generation(generation=0))
    assert agent.start(GOOD).ended().code == 3
    assert (daemon.root / "ran").read_text() == "ran\n"
    assert len(claims(daemon)) == 1
    nothing_left(daemon, before)


def test_owning_what_is_no_file(daemon, agent):
    """Descriptors of each kind: none is given to anybody, and none is kept."""
    before = settled(daemon)
    ours = socket.socketpair()
    pipe = os.pipe()
    fds = [os.open("/", os.O_PATH), os.open("/dev/zero", os.O_RDWR), os.memfd_create("x"),
           os.open("/proc/self/mem", os.O_RDWR), *pipe, ours[0].fileno(), agent.channel.fileno()]
    for fd in fds:
        agent.send(wire.OWN, wire.Own(generation=agent.generation, board=0), [fd])
        assert agent.expect(wire.OWNED)[0].error
    for fd in fds[:6]:
        os.close(fd)
    for end in ours:
        end.close()
    nothing_left(daemon, before)


def test_watchers_that_are_nonsense(daemon, agent):
    """Each ends by itself, or is one of a few; flagmand keeps neither list nor pipe."""
    before = settled(daemon)
    for _ in range(30):
        with some(2) as fds:
            agent.send(wire.WATCH, wire.Cookie(cookie=7), fds)
    assert agent.start(GOOD).ended().code == 3
    wait_for(lambda: not daemon.processes("flagman-watcher"), "they are gone", dump=daemon.log)
    nothing_left(daemon, before)


def test_a_flood_that_is_not_read(daemon, agent):
    """Answers are queued up to a limit; beyond it the agent is killed, and another one started."""
    before = settled(daemon)
    data = packet(wire.TAKE, bytes(wire.Payload(generation=0))[8:])
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while processes.alive(agent.pid):
            agent.send_raw(data)
    agent.channel.close()
    successor = daemon.agent()
    daemon.wait_log("can't send to the agent")
    assert successor.begin() == ({}, True)
    assert successor.start(GOOD).ended().code == 3
    nothing_left(daemon, before)


def test_a_flood_keeps_nothing_else_from_being_done(daemon, agent):
    """Time limits hold, and SIGTERM is heard, however fast the agent asks."""
    run = agent.running(LIMITED)
    with Flood(agent, packet(*message_of(agent, "mend"))):
        wait_for(lambda: daemon.has_result(run), "its time limit was kept", 6, daemon.log)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(8) == 0
    os.close(run.claim_fd)
    os.close(run.alive_fd)


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


def test_reloads_that_are_never_adopted(daemon, agent):
    """Neither configurations nor their views, which nobody takes, are kept without end."""
    before = settled(daemon)
    for cookie in range(100):
        agent.send(wire.RELOAD, wire.Cookie(cookie=cookie))
    agent.send(wire.MEND, wire.Own(generation=agent.generation, board=0))
    wait_for(lambda: daemon.log().count("1 groups, 2 actions") > 1, "it has begun to read")
    newest = 0
    for cookie in range(100):
        message, _ = agent.expect(wire.RELOADED)
        assert (message.cookie, message.n_errors) == (cookie, cookie >= 15), message.first
        assert len(daemon.descriptors()) < len(before) + 20
    assert agent.expect(wire.MENDED)[0].error == 0
    for kind, message, fds in agent.kept:
        assert kind == wire.CONFIG
        newest = message.generation
        os.close(fds[0])
    agent.kept = []
    agent.send(wire.ADOPTED, wire.Generation(generation=newest))
    agent.send(wire.RELOAD, wire.Cookie(cookie=1000))
    assert agent.expect(wire.RELOADED)[0].n_errors == 0
    assert agent.start(GOOD, generation=newest).ended().code == 3


def test_claims_that_never_were(daemon, agent):
    """Millions of tokens are given up: what is remembered of them has a limit."""
    agent.start(GOOD).ended()
    before = resident(daemon.process.pid)
    data = packet(wire.SPENT, b"\1" * 8 + os.urandom(64 * 16))
    for _ in range(40_000):
        agent.send_raw(data)
    agent.send(wire.MEND, wire.Own(generation=agent.generation, board=0))
    agent.expect(wire.MENDED, 60)
    assert resident(daemon.process.pid) < before + 16 * 1024
    assert agent.start(GOOD).ended().code == 3


def test_memory_in_a_flood(daemon):
    """Of whatever is asked and answered: what is refused leaves nothing behind, and answers that
    nobody reads are 64 MiB at most."""
    daemon.board("Box", ACTIONS)
    daemon.environment["ASAN_OPTIONS"] = "detect_leaks=0:quarantine_size_mb=1"
    agent = daemon.begin()
    names = ("cancel", "spent", "take", "mend", "unwatch", "adopted", "start")
    before = resident(daemon.process.pid)
    with Flood(agent, *(packet(*message_of(agent, name)) for name in names)):
        stays(lambda: resident(daemon.process.pid) < before + 96 * 1024, "it stays small", 3)
