# SPDX-License-Identifier: GPL-2.0-or-later
"""Where flagmand's own cgroup is delegated to it, each run has one, and nothing leaves it."""

import os
import signal
from pathlib import Path

import pytest

import wire
from lib import processes
from lib.waiting import wait_for

pytestmark = pytest.mark.root

ACTIONS = """
- name: Hang
  command: %PROBE% hang
- name: Where
  command: /bin/cat /proc/self/cgroup
- name: Cascade
  command: /bin/sh -c 'setsid -f %PROBE% stubborn >/dev/null 2>&1; exec %PROBE% hang'
  stop-grace: 100ms
- name: Leave
  command: /bin/sh -c 'setsid -f %PROBE% hang >/dev/null 2>&1; exit 0'
- name: Missing
  command: /x
"""
HANG, WHERE, CASCADE, LEAVE, MISSING = range(5)


def hierarchy():
    """Where cgroup v2 is mounted."""
    with open("/proc/mounts", encoding="utf-8") as f:
        for line in f:
            _, point, kind = line.split()[:3]
            if kind == "cgroup2":
                return Path(point)
    raise AssertionError("no cgroup v2 is mounted here")


@pytest.fixture
def cgroup(daemon):
    path = hierarchy() / f"flagman-test-{os.getpid()}"
    path.mkdir()
    os.setxattr(path, "trusted.delegate", b"1")
    daemon.prefix = ["sh", "-c", 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"', "sh",
                     str(path)]
    yield path
    daemon.close()
    processes.end_all()
    for below in path.iterdir():
        if below.is_dir():
            wait_for(lambda b=below: not (b / "cgroup.procs").read_text(), "it is empty")
            below.rmdir()
    path.rmdir()


@pytest.fixture
def agent(daemon, cgroup):
    daemon.board("Box", ACTIONS)
    return daemon.begin()


def probes():
    return [p for p in processes.descendants(os.getpid())
            if processes.alive(p) and processes.comm(p) == "probe"]


def runs_of(cgroup):
    return [p for p in cgroup.iterdir() if p.name.startswith("run-")]


def populated(daemon, cgroup):
    """Those of runs; in those of ready runners the process waits that will be the command."""
    ready = {f"run-{p.name.removeprefix('.ready-')}"
             for p in (daemon.state / "runs").glob(".ready-*")}
    return [p for p in runs_of(cgroup)
            if p.name not in ready and (p / "cgroup.procs").read_text()]


def test_a_run_has_a_cgroup_of_its_own(daemon, agent, cgroup):
    run = agent.running(WHERE)
    run.ended()
    own = [line for line in run.output().splitlines() if line.startswith("0::")][0]
    assert own.startswith(f"0::/{cgroup.name}/run-")
    main = (cgroup / "main" / "cgroup.procs").read_text().split()
    assert str(daemon.process.pid) in main and str(agent.pid) in main
    wait_for(lambda: len(runs_of(cgroup)) == 1, "only that of the ready runner is left")
    assert agent.running(MISSING).ended().kind == wire.NOT_STARTED


def test_stopping_stops_everything(daemon, agent, cgroup):
    """Also what has left session and output, and is deaf."""
    run = agent.running(CASCADE)
    wait_for(lambda: len(probes()) == 2, "both run")
    run.cancel()
    assert run.ended().stop == wire.STOP_CANCEL
    wait_for(lambda: not probes(), "all are dead")
    wait_for(lambda: not populated(daemon, cgroup), "and the cgroup is empty")


def test_a_left_daemon_keeps_the_cgroup(daemon, agent, cgroup):
    agent.running(LEAVE).ended()
    wait_for(lambda: len(populated(daemon, cgroup)) == 1, "the daemon is in it")
    os.kill(wait_for(probes, "it has begun")[0], signal.SIGKILL)
    wait_for(lambda: not populated(daemon, cgroup), "it is empty")
    daemon.kill()
    daemon.start().agent().begin()
    wait_for(lambda: len(runs_of(cgroup)) == 1, "the next flagmand sweeps it away")


def test_a_cgroup_that_became_empty_is_removed_with_the_next_claim(daemon, agent, cgroup):
    def spent(run):
        agent.send(wire.SPENT, wire.Spent(n=1, tokens=(wire.token * 64)(run.token)))
        wait_for(lambda: not daemon.claim(run).exists(), "the claim is gone")

    run = agent.running(LEAVE)
    run.ended()
    wait_for(lambda: len(populated(daemon, cgroup)) == 1, "the daemon is in it")
    spent(run)
    left, = populated(daemon, cgroup)
    os.kill(wait_for(probes, "it has begun")[0], signal.SIGKILL)
    wait_for(lambda: not populated(daemon, cgroup), "it is empty")
    assert left.exists()
    run = agent.running(MISSING)
    run.ended()
    spent(run)
    wait_for(lambda: not left.exists(), "the empty one is gone too")


def test_a_runner_that_died_while_flagmand_was_down(daemon, agent, cgroup):
    """What escaped from the session is found by the cgroup."""
    run = agent.running(CASCADE)
    wait_for(lambda: len(probes()) == 2, "both run")
    runner = daemon.started(run)[2]
    daemon.kill()
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: len(probes()) == 1, "the main process has died with its runner")
    claims, _ = daemon.start().agent().begin()
    assert claims[run.hex][0].state == wire.CLAIM_INTERRUPTED
    wait_for(lambda: not probes(), "the other one was killed")


def test_an_adopted_run_is_stopped_by_its_cgroup(daemon, agent):
    run = agent.running(CASCADE)
    wait_for(lambda: len(probes()) == 2, "both run")
    daemon.kill()
    successor = daemon.start().agent()
    successor.begin()
    successor.send(wire.CANCEL, wire.Token(token=run.token))
    assert successor.expect(wire.ENDED)[0].end.stop == wire.STOP_CANCEL
    wait_for(lambda: not probes(), "all are dead")
