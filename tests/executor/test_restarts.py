# SPDX-License-Identifier: GPL-2.0-or-later
"""What is left when flagmand, its agent or a runner dies, and what a successor makes of it."""

import os
import select
import shutil
import signal
import time
from pathlib import Path

import pytest

import wire
from lib import processes
from lib.waiting import wait_for

ACTIONS = """
- name: Hang
  command: %PROBE% hang
- name: Limited
  command: %PROBE% hang
  timeout: 2s
- name: Fail
  command: /bin/sh -c 'echo sorry; exit 3'
- name: Cascade
  command: /bin/sh -c 'setsid %PROBE% hang & exec %PROBE% hang'
"""
HANG, LIMITED, FAIL, CASCADE = range(4)


@pytest.fixture
def agent(daemon):
    daemon.board("Box", ACTIONS)
    return daemon.begin()


def running(agent, action, **more):
    run = agent.start(action, **more)
    wait_for(lambda: "here" in run.output(), "it runs")
    return run


def probes():
    return [p for p in processes.descendants(os.getpid())
            if processes.alive(p) and processes.comm(p) == "probe"]


def started(daemon, run):
    return daemon.started(run)


def test_a_run_outlives_flagmand_and_is_adopted(daemon, agent):
    run = running(agent, HANG, run=5)
    daemon.wait_planned(run)
    daemon.kill()
    assert len(probes()) == 1
    successor = daemon.start().agent()
    claims, restarted = successor.begin()
    claim, fds = claims[run.hex]
    assert (claim.state, claim.run, restarted) == (wire.CLAIM_RUNNING, 5, False)
    assert os.pread(fds[0], 100, 4096) == b"here\n"
    poll = select.poll()
    poll.register(fds[1], 0)
    assert not poll.poll(0)
    successor.send(wire.CANCEL, wire.Token(token=run.token))
    message, _ = successor.expect(wire.ENDED)
    assert bytes(message.token) == bytes(run.token)
    assert (message.end.kind, message.end.stop) == (wire.SIGNALED, wire.STOP_CANCEL)
    assert poll.poll(20000)[0][1] & select.POLLHUP


def test_an_adopted_run_keeps_its_time_limit(daemon, agent):
    run = running(agent, LIMITED)
    daemon.wait_planned(run)
    daemon.kill()
    daemon.start()
    successor = daemon.agent()
    successor.begin()
    message, _ = successor.expect(wire.ENDED)
    assert bytes(message.token) == bytes(run.token)
    assert message.end.stop == wire.STOP_TIMEOUT


def test_a_run_that_ended_meanwhile(daemon, agent):
    run = running(agent, HANG, run=9)
    daemon.wait_planned(run)
    daemon.kill()
    command, _, runner, _ = started(daemon, run)
    os.kill(command, signal.SIGTERM)
    wait_for(lambda: daemon.has_result(run), "the runner has written the result")
    wait_for(lambda: not processes.alive(runner), "and synced it, and is gone")
    claims, _ = daemon.start().agent().begin()
    claim, fds = claims[run.hex]
    assert (claim.state, claim.run) == (wire.CLAIM_ENDED, 9)
    assert (claim.end.kind, claim.end.code) == (wire.SIGNALED, signal.SIGTERM)
    assert os.pread(fds[0], 100, 4096) == b"here\n"


def test_a_run_whose_runner_died_meanwhile(daemon, agent):
    """The main process dies with its runner; what has left its session is found all the same."""
    run = agent.start(CASCADE)
    wait_for(lambda: len(probes()) == 2, "both run")
    main, _, runner, _ = started(daemon, run)
    daemon.kill()
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: main not in probes(), "the command died with its runner")
    agent = daemon.start().agent()
    for _ in range(2):
        claims, _ = agent.begin()
        claim, _ = claims[run.hex]
        assert (claim.state, claim.end.kind) == (wire.CLAIM_INTERRUPTED, wire.INTERRUPTED)
        assert daemon.has_result(run)  # nobody asks, or kills, again
        os.kill(agent.pid, signal.SIGKILL)
        agent = daemon.agent()


def test_stopping_leaves_runs_alone(daemon, agent):
    run = running(agent, HANG)
    daemon.process.send_signal(signal.SIGTERM)
    agent.expect(wire.QUIT)
    agent.connection.sendall(b"exit 0\n")
    agent.close()
    daemon.agents = []
    assert daemon.process.wait(20) == 0
    assert len(probes()) == 1
    assert not (daemon.run / "control").exists()
    claims, _ = daemon.start().agent().begin()
    assert claims[run.hex][0].state == wire.CLAIM_RUNNING


def test_an_agent_that_does_not_quit_is_killed(daemon, agent):
    agent.connection.sendall(b"ignore-quit\n")
    daemon.process.send_signal(signal.SIGTERM)
    agent.expect(wire.QUIT)
    assert daemon.process.wait(20) == 0
    daemon.wait_log("killing it")


def test_the_agent_is_restarted_and_told(daemon, agent):
    run = running(agent, HANG)
    over = agent.start(FAIL)
    over.ended()
    os.kill(agent.pid, signal.SIGKILL)
    claims, restarted = daemon.agent().begin()
    assert restarted
    assert claims[run.hex][0].state == wire.CLAIM_RUNNING
    assert claims[over.hex][0].state == wire.CLAIM_ENDED
    assert claims[over.hex][0].end.code == 3


def test_an_agent_that_dies_again_and_again_is_slowed_down(daemon, agent):
    pauses = []
    for _ in range(3):
        os.kill(agent.pid, signal.SIGKILL)
        before = time.monotonic()
        agent = daemon.agent()
        pauses.append(time.monotonic() - before)
    assert pauses[0] >= 0.1 and pauses[1] >= 0.2 and pauses[2] >= 0.4


@pytest.mark.parametrize("other", ["nothing", "run", "state"])
def test_only_one_flagmand(daemon, agent, other):
    """For each state directory, and each run directory; the first one does not even notice."""
    run = running(agent, HANG)
    daemon.wait_planned(run)
    first, places = daemon.process, (daemon.state, daemon.run)

    def found():
        return {(d, name) for d in (places[1], places[1] / "alive", places[0] / "runs")
                for name in os.listdir(d)}
    wait_for(lambda: len(os.listdir(places[0] / "runs")) == 34, "runs are prepared")
    before = found()
    if other != "nothing":
        setattr(daemon, other, daemon.root / "other")
    daemon.start()
    assert daemon.process.wait(20) == 75
    shared = places[1] if other == "state" else places[0]
    daemon.wait_log(f"another flagmand uses {shared}")
    daemon.process, (daemon.state, daemon.run) = first, places
    assert found() == before
    run.cancel()
    assert run.ended().stop == wire.STOP_CANCEL
    assert agent.start(FAIL).ended().code == 3


def test_what_was_only_prepared_is_removed(daemon, agent):
    def prepared():
        wait_for(lambda: len(os.listdir(daemon.state / "runs")) == 33, "runs are prepared")
        found = [set(os.listdir(d)) for d in (daemon.state / "runs", daemon.run / "alive",
                                              daemon.run / "notify")]
        assert [len(f) for f in found] == [33, 33, 1]
        return set().union(*found)

    old = prepared()
    daemon.kill()
    daemon.start().agent().begin()
    assert not old & prepared()


def test_a_spent_claim_of_a_run_under_way_stays(daemon, agent):
    run = running(agent, HANG)
    agent.send(wire.SPENT, wire.Spent(n=1, tokens=(wire.token * 64)(run.token)))
    assert agent.start(FAIL).ended().code == 3
    assert daemon.claim(run).exists()
    assert agent.start(HANG, run.token).result == wire.SERVED


def test_what_the_agent_is(daemon, agent, people):
    found = agent.found
    assert found["argv"][1:] == ["--state-dir", str(daemon.state / "agent")]
    assert set(found["environ"]) <= {"PATH", "FLAGMAN_LOG", "ASAN_OPTIONS", "LC_CTYPE"}
    assert found["fds"] == [0, 1, 2, 3, 4, 5]
    assert found["stdin"] == "/dev/null" and found["cwd"] == "/"
    status = found["status"]
    assert status["NoNewPrivs"] == "0"  # or it would get no domain of its own; it sees to that
    assert agent.control.getsockopt(1, 30) == 1  # SO_ACCEPTCONN
    assert os.fstat(agent.directory).st_ino == os.stat(daemon.state / "agent").st_ino
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0
    if people.root:
        assert status["Uid"].split() == [str(people.uid("agent"))] * 4
        assert status["Groups"].split() == [str(people.gid)]
        assert int(status["CapBnd"], 16) == 0
        assert os.stat(daemon.state / "agent").st_uid == people.uid("agent")
        assert os.stat(daemon.state / "runs").st_mode & 0o777 == 0o700


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return int(f.read().rpartition(")")[2].split()[19])


def test_started_names_processes_that_can_be_found_again(daemon, agent):
    """By pid and start time: the runner has waited since long before."""
    time.sleep(0.05)
    run = running(agent, HANG)
    main, main_ticks, runner, runner_ticks = started(daemon, run)
    assert runner_ticks <= ticks(runner) <= runner_ticks + 100
    assert main_ticks <= ticks(main) <= main_ticks + 100
    assert os.getsid(main) == main


def test_a_runner_that_cannot_be_executed_is_not_tried_in_a_loop(daemon):
    daemon.bin = Path(shutil.copytree(daemon.bin, daemon.root / "bin"))
    real, away = daemon.bin / "flagman-runner", daemon.bin / "away"
    real.rename(away)
    real.write_text("#!/bin/false\n", encoding="ascii")
    real.chmod(0o755)
    daemon.board("Box", "- {name: Go, command: /bin/true}")
    agent = daemon.begin()
    daemon.wait_log("another is started when it is needed")
    run = agent.start(0)
    assert run.result == wire.ERROR
    time.sleep(0.5)  # in which there would be hundreds
    assert daemon.log().count("the nursery of runners has ended") < 10
    away.rename(real)

    def starts():
        return agent.start(0).result == wire.OK
    wait_for(starts, "it runs again", dump=daemon.log)
