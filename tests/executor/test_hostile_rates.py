# SPDX-License-Identifier: GPL-2.0-or-later
"""How often, how many, how loud: what an agent that was taken over is held to by flagmand."""

import os
import re
import signal
import time

import pytest

import wire
from floods import Flood, message_of, packet
from lib import processes
from lib.waiting import stays, wait_for

# Counted is asked for far more often than it may.
ACTIONS = """
- name: Counted
  command: /bin/sh -c 'echo ran >>%ROOT%/ran'
  start-limit-burst: 3
  start-limit-interval: 1h
- name: Other
  command: /bin/sh -c 'exit 3'
  start-limit-burst: 1
  start-limit-interval: 1h
- name: Short
  command: /bin/sh -c 'exit 3'
  start-limit-burst: 2
  start-limit-interval: 2s
- name: Limited
  command: %PROBE% hang
  timeout: 1s
  stop-grace: 1s
- name: Leaves
  command: /bin/sh -c 'setsid %PROBE% hang & echo $!; read go <%ROOT%/go'
  leftovers: kill
- name: Unlimited
  command: /bin/sh -c 'exit 3'
  start-limit-interval: 0
"""
COUNTED, OTHER, SHORT, LIMITED, LEAVES, UNLIMITED = range(6)


@pytest.fixture
def agent(daemon):
    daemon.board("Box", ACTIONS)
    (daemon.root / "ran").touch()
    (daemon.root / "ran").chmod(0o666)
    os.mkfifo(daemon.root / "go")
    (daemon.root / "go").chmod(0o666)
    return daemon.begin()


def results(agent, action, n, **more):
    """What N starts are answered with; those that begin are waited for."""
    found = []
    for _ in range(n):
        run = agent.start(action, **more)
        found.append(run.result)
        if run.result == wire.OK:
            run.ended()
            os.close(run.claim_fd)
            os.close(run.alive_fd)
    return found


def ran(daemon):
    return (daemon.root / "ran").read_text().count("ran")


# --- starts ---

def test_no_more_starts_than_are_configured(daemon, agent):
    """By whichever trigger, run number and user; each action has its own count."""
    assert results(agent, COUNTED, 3) == [wire.OK] * 3
    for more in ({}, {"run": 7}, {"user": b"bob"}, {"trigger": wire.DELETE}, {"sync": 1}):
        run = agent.start(COUNTED, **more)
        assert run.result == wire.REFUSED and b"3 times within 1 h" in run.message.why
        assert not daemon.claim(run).exists()
    assert results(agent, OTHER, 2) == [wire.OK, wire.REFUSED]
    assert results(agent, UNLIMITED, 30) == [wire.OK] * 30
    assert ran(daemon) == 3


def test_what_was_not_started_does_not_count(daemon, agent):
    token = wire.new_token()
    assert results(agent, COUNTED, 1, token=token) == [wire.OK]
    assert results(agent, COUNTED, 20, token=token) == [wire.SERVED] * 20
    assert results(agent, COUNTED, 20, payload=1, payload_name=b"x") == [wire.REFUSED] * 20
    assert results(agent, COUNTED, 3) == [wire.OK, wire.OK, wire.REFUSED]
    assert ran(daemon) == 3


def test_a_new_agent_gets_no_more(daemon, agent):
    assert results(agent, COUNTED, 2) == [wire.OK] * 2
    agent.channel.close()
    successor = daemon.agent()
    successor.begin()
    assert results(successor, COUNTED, 2) == [wire.OK, wire.REFUSED]
    assert ran(daemon) == 3


def test_a_reload_gives_no_more(daemon, agent):
    """Of the new generation as of the old one."""
    assert results(agent, COUNTED, 2) == [wire.OK] * 2
    old = agent.generation
    agent.send(wire.RELOAD, wire.Cookie(cookie=1))
    agent.expect(wire.RELOADED)
    message, fds = agent.expect(wire.CONFIG)
    os.close(fds[0])
    assert message.generation != old
    assert results(agent, COUNTED, 1, generation=message.generation) == [wire.OK]
    for generation in (old, message.generation):
        assert results(agent, COUNTED, 1, generation=generation) == [wire.REFUSED]
    assert ran(daemon) == 3


def test_after_the_interval_it_goes_on(agent):
    assert results(agent, SHORT, 3) == [wire.OK, wire.OK, wire.REFUSED]
    began = time.monotonic()
    wait_for(lambda: results(agent, SHORT, 1) == [wire.OK], "it may start again")
    assert time.monotonic() - began < 2.5


def test_a_flood_of_starts(daemon, agent):
    """Thousands are asked for; they run as often as they may, and their ends are seen."""
    starts = [packet(wire.START, bytes(wire.Start(
        generation=agent.generation, action=COUNTED, trigger=wire.CLI, token=wire.new_token(),
        run=1))[8:]) for _ in range(5000)]
    with Flood(agent, *starts):
        wait_for(lambda: ran(daemon) == 3, "it ran as often as it may")
        stays(lambda: ran(daemon) == 3, "and no more", 1)


# --- what goes on meanwhile ---

def test_time_limits_hold_in_a_flood(daemon, agent):
    """Also for a run that was asked for in the midst of it."""
    token = wire.new_token()
    start = wire.Start(generation=agent.generation, action=LIMITED, trigger=wire.CLI, token=token,
                       run=1)
    with Flood(agent, packet(*message_of(agent, "mend"))):
        agent.send(wire.START, start)
        path = daemon.state / "runs" / wire.hex_of(token)
        wait_for(lambda: path.exists() and path.read_bytes()[3072], "it was stopped", 10,
                 daemon.log)


def test_what_a_run_leaves_is_killed_in_a_flood(daemon, agent):
    run = agent.running(LEAVES)
    left = int(wait_for(lambda: re.search(r"\d+\n", run.output()), "it has left something")[0])
    with Flood(agent, packet(*message_of(agent, "mend"))):
        (daemon.root / "go").write_text("go\n")
        wait_for(lambda: not processes.alive(left), "it is killed", dump=daemon.log)
    os.close(run.claim_fd)
    os.close(run.alive_fd)


def test_the_end_of_a_run_has_its_turn(daemon, agent):
    """It came first, but flagmand finds all at once: it is not put off until nothing is asked."""
    run = agent.running(LIMITED)
    wait_for(lambda: any(daemon.block(run)[2048:2112]), "it is started")
    command, _, runner, _ = daemon.started(run)
    daemon.process.send_signal(signal.SIGSTOP)
    os.kill(command, signal.SIGKILL)
    wait_for(lambda: not processes.alive(runner), "it has ended")
    for cookie in range(200):
        agent.send(wire.MEND, wire.Own(generation=agent.generation, cookie=cookie))
    daemon.process.send_signal(signal.SIGCONT)
    kinds = [agent.receive()[0] for _ in range(201)]
    assert kinds.index(wire.ENDED) < 150, kinds
    os.close(run.claim_fd)
    os.close(run.alive_fd)


def test_the_configuration_is_read_in_a_flood(daemon, agent):
    with Flood(agent, packet(*message_of(agent, "mend"))):
        daemon.board("Box", "- {name: Only, command: /bin/true}")
        daemon.wait_log("1 groups, 1 actions")


# --- the log ---

def refusals(log):
    """Lines that came of a message, and what they say was kept back."""
    lines = [line for line in log.splitlines() if re.search(
        r"is not started|belongs to no board|the new flag|the payload|can't start a watcher|"
        r"more refusals", line)]
    return lines, sum(int(n) for n in re.findall(r"and (\d+) more refusals", "\n".join(lines)))


def mixed(agent):
    """Messages that are refused, each in its own way."""
    yield wire.START, wire.Start(generation=0, token=wire.new_token())
    yield wire.START, wire.Start(generation=agent.generation, action=COUNTED, trigger=99,
                                 token=wire.new_token())
    yield wire.TAKE, wire.Payload(generation=0)
    yield wire.TAKE, wire.Payload(generation=agent.generation, token=wire.new_token())
    yield wire.MEND, wire.Own(generation=0)
    yield wire.START, wire.Start(generation=agent.generation, action=COUNTED, trigger=wire.CLI,
                                 token=wire.token())


def test_refusals_are_logged_once_a_second_in_all(daemon, agent):
    began, sent = time.monotonic(), 0
    while time.monotonic() < began + 3:
        for kind, message in mixed(agent):
            agent.send(kind, message)
            agent.receive()
            sent += 1
    lasted = time.monotonic() - began
    wait_for(lambda: sum(refusals(daemon.log())[1:]) + len(refusals(daemon.log())[0]) == sent,
             "all are accounted for", dump=lambda: f"{sent}: {daemon.log()[-2000:]}")
    lines, _ = refusals(daemon.log())
    assert 3 <= len(lines) <= lasted + 2, lines
    assert sent > 100


def test_one_refusal_is_told_at_once_and_a_second_one_soon(daemon, agent):
    for name in (b"\x1b[31mred", b"new\nline"):
        agent.start(COUNTED, user=name)
    wait_for(lambda: daemon.log().count("control characters") == 2, "both are told",
             dump=daemon.log)
    assert "more refusals" not in daemon.log()


# --- reloads, generations ---

def test_reloads_in_a_loop(daemon, agent):
    """Adopted ones too: it takes everybody's time."""
    began, read = time.monotonic(), 0
    for cookie in range(60):
        agent.send(wire.RELOAD, wire.Cookie(cookie=cookie))
        message, _ = agent.expect(wire.RELOADED)
        if message.n_errors == 0:
            read += 1
            agent.configured()
    assert 16 <= read <= 17 + time.monotonic() - began
    assert daemon.log().count("1 groups, 6 actions") == read + 1


def test_an_agent_that_does_not_take_over_the_configuration(daemon, agent):
    """What was taken away is refused after half a minute, and the agent replaced, however often it
    has had it read meanwhile."""
    daemon.board("Box", "- {name: Only, command: /bin/true}")
    daemon.wait_log("1 groups, 1 actions")
    assert agent.start(UNLIMITED).ended().code == 3, "for what is under way it holds"
    asked = 0

    def is_refused():
        nonlocal asked
        asked += 1
        if asked % 10 == 0:
            agent.send(wire.RELOAD, wire.Cookie(cookie=asked))
        run = agent.start(UNLIMITED)
        if run.result == wire.OK:
            run.ended()
            os.close(run.claim_fd)
            os.close(run.alive_fd)
        return run.result == wire.STALE
    wait_for(is_refused, "it is refused", 40, daemon.log)
    successor = daemon.agent()
    assert daemon.log().count("has not taken over the configuration") == 1
    successor.begin()
    assert successor.start(0).ended().code == 0
    assert successor.start(UNLIMITED).result == wire.STALE
