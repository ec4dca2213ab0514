# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting, stopping and ending runs, as the agent sees it."""

import errno
import os
import select
import signal
import time

import pytest

import wire
from lib import processes
from lib.waiting import wait_for

ACTIONS = """
- name: Probe
  command: %PROBE%
- name: Fail
  command: /bin/sh -c 'echo sorry; exit 3'
  start-limit-interval: 0
- name: Missing
  command: /x
- name: Hang
  command: %PROBE% hang
  stop-grace: 20s
- name: Stubborn
  command: %PROBE% stubborn
  stop-grace: 100ms
- name: Late
  command: %PROBE% hang
  timeout: 1s
- name: Drop
  command: /bin/sh -c 'cat "$FLAGMAN_PAYLOAD"; echo "$FLAGMAN_PAYLOAD_NAME"'
  drop: {folder: In, accept: ["*.iso"]}
- name: Script
  script: |
    echo one
    exit 4
- name: Three
  command: /bin/sh -c 'exit 3'
  success-exit-status: [0, 3]
- name: Leave
  command: /bin/sh -c 'setsid %PROBE% hang & exit 0'
- name: Kill
  command: /bin/sh -c 'setsid %PROBE% hang & exit 0'
  leftovers: kill
- name: Notify
  command: %PROBE% notify "STATUS=42% half way"
"""
PROBE, FAIL, MISSING, HANG, STUBBORN, LATE, DROP, SCRIPT, THREE, LEAVE, KILL, NOTIFY = range(12)


@pytest.fixture
def agent(daemon):
    daemon.board("Box", ACTIONS)
    return daemon.begin()


def below(daemon):
    """Commands that are alive: what flagmand's programs are not."""
    return [p for p in processes.descendants(os.getpid())
            if processes.alive(p) and processes.comm(p) == "probe"]


def test_a_run_and_what_it_finds(daemon, agent, people):
    run = agent.start(PROBE, run=17, trigger=wire.DELETE)
    end = run.ended()
    assert (end.kind, end.code, end.success) == (wire.EXITED, 0, 1)
    assert 0 < end.started <= end.ended
    text = run.output()
    found = dict(line[5:].split("=", 1) for line in text.splitlines() if line.startswith("env: "))
    notify = found.pop("NOTIFY_SOCKET")
    assert notify.startswith(str(daemon.run / "notify"))
    home = found.pop("HOME")
    assert home
    assert found.pop("PATH") and found.pop("SHELL")
    assert found == {
        "USER": people.runner, "LOGNAME": people.runner, "LANG": "C.UTF-8",
        "FLAGMAN_OBJECT": "Box", "FLAGMAN_GROUP": "", "FLAGMAN_ACTION": "Probe",
        "FLAGMAN_RUN": "17", "FLAGMAN_TRIGGER": "delete", "FLAGMAN_USER": "alice",
    }
    values = {k: v.strip() for k, v in run.values().items()}
    assert values["fds"] == "0 1 2"
    assert values["ignored"] == values["blocked"] == ""
    assert values["session"] == "own"
    assert values["NoNewPrivs"] == "1"
    if people.root:
        uid = people.uid("runner")
        assert values["Uid"].split() == [str(uid)] * 4
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(values[name], 16) == 0, name


def test_ends(daemon, agent):
    end = agent.start(FAIL).ended()
    assert (end.kind, end.code, end.success) == (wire.EXITED, 3, 0)
    end = agent.start(THREE).ended()
    assert (end.kind, end.code, end.success) == (wire.EXITED, 3, 1)
    end = agent.start(MISSING).ended()
    assert (end.kind, end.code, end.error) == (wire.NOT_STARTED, 203, errno.ENOENT)
    assert end.where == b"/x" and end.success == 0
    run = agent.start(SCRIPT)
    assert run.ended().code == 4
    assert run.output() == "one\n"


def test_progress(daemon, agent):
    run = agent.start(NOTIFY)
    run.ended()
    status = run.status()
    assert (status.percent, status.text) == (42, b"42% half way")


def test_never_twice(daemon, agent):
    token = wire.new_token()
    first = agent.start(PROBE, token)
    assert first.result == wire.OK
    first.ended()
    assert agent.start(PROBE, token).result == wire.SERVED
    agent.send(wire.SPENT, wire.Spent(n=1, tokens=(wire.token * 64)(token)))
    wait_for(lambda: not daemon.claim(first).exists(), "the claim is removed")


def test_refusals(daemon, agent):
    assert agent.start(PROBE, generation=agent.generation + 1).result == wire.STALE
    assert agent.start(4711).result == wire.STALE
    assert agent.start(PROBE, trigger=9).result == wire.REFUSED
    assert agent.start(PROBE, trigger=wire.DROP).result == wire.REFUSED
    assert agent.start(PROBE, user=b"a\nb").result == wire.REFUSED
    assert agent.start(PROBE, token=wire.token()).result == wire.REFUSED
    refused = agent.start(DROP, payload=1, payload_name=b"../x")
    assert refused.result == wire.REFUSED
    refused = agent.start(DROP, payload=1, payload_name=b"x.iso", trigger=wire.DROP)
    assert refused.result == wire.REFUSED and b"payload" in refused.message.why
    assert not [c for c in os.listdir(daemon.state / "runs") if not c.startswith(".")]


def test_a_breach_of_contract_ends_the_agent(daemon, agent):
    agent.send_raw(b"nonsense")
    successor = daemon.agent()
    claims, restarted = successor.begin()
    assert successor.pid != agent.pid and not claims and restarted
    daemon.wait_log("broke the contract")


def test_cancel_stops_with_term(daemon, agent):
    run = agent.start(HANG)
    wait_for(lambda: "here" in run.output(), "it runs")
    run.cancel()
    end = run.ended()
    assert (end.kind, end.code, end.stop) == (wire.SIGNALED, signal.SIGTERM, wire.STOP_CANCEL)


def test_cancel_kills_after_the_grace(daemon, agent):
    run = agent.start(STUBBORN)
    wait_for(lambda: "here" in run.output(), "it runs")
    run.cancel()
    end = run.ended()
    assert (end.kind, end.code, end.stop) == (wire.SIGNALED, signal.SIGKILL, wire.STOP_CANCEL)


def test_timeout(daemon, agent):
    end = agent.start(LATE).ended()
    assert (end.kind, end.stop, end.success) == (wire.SIGNALED, wire.STOP_TIMEOUT, 0)


def test_leftovers(daemon, agent):
    agent.start(LEAVE).ended()
    assert len(wait_for(lambda: below(daemon), "the daemon lives")) == 1
    os.kill(below(daemon)[0], signal.SIGKILL)
    wait_for(lambda: not below(daemon), "it is gone")
    agent.start(KILL).ended()
    wait_for(lambda: not below(daemon), "the daemon was killed")


def test_alive_hangs_up_at_the_end(daemon, agent):
    run = agent.start(PROBE)
    poll = select.poll()
    poll.register(run.alive_fd, 0)
    assert poll.poll(20000)[0][1] & select.POLLHUP
    assert daemon.has_result(run)


def test_the_descriptor_is_read_only(daemon, agent):
    run = agent.start(PROBE)
    with pytest.raises(OSError):
        os.write(run.claim_fd, b"x")


def test_a_runner_that_dies(daemon, agent):
    run = agent.start(HANG)
    wait_for(lambda: "here" in run.output(), "it runs")
    os.kill(daemon.started(run)[2], signal.SIGKILL)
    end = run.ended()
    assert (end.kind, end.success) == (wire.INTERRUPTED, 0)
    wait_for(lambda: not below(daemon), "the command is dead")


def test_a_nursery_that_dies(daemon, agent):
    nursery, = wait_for(lambda: daemon.processes("flagman-nursery"), "it has its name")
    run = agent.start(HANG)
    wait_for(lambda: "here" in run.output(), "it runs")
    os.kill(nursery, signal.SIGKILL)
    daemon.wait_log("nursery")
    assert agent.start(FAIL).ended().code == 3
    run.cancel()
    assert run.ended().stop == wire.STOP_CANCEL


def test_many_at_once(daemon, agent):
    runs = []
    for i in range(100):
        agent.send(wire.START, wire.Start(generation=agent.generation, action=FAIL,
                                          trigger=wire.CLI, token=wire.new_token(), run=i + 1))
    started = [agent.expect(wire.STARTED) for _ in range(100)]
    assert {message.result for message, _ in started} == {wire.OK}
    ends = [agent.expect(wire.ENDED)[0].end for _ in range(100)]
    assert {(end.kind, end.code) for end in ends} == {(wire.EXITED, 3)}
    for _, fds in started:
        for fd in fds:
            os.close(fd)
    assert not runs


def test_max_runs(daemon):
    daemon.settings("max-runs: 2\n")
    daemon.board("Box", ACTIONS)
    agent = daemon.begin()
    runs = [agent.start(HANG), agent.start(HANG)]
    assert agent.start(HANG).result == wire.BUSY
    runs[0].cancel()
    runs[0].ended()
    assert agent.start(FAIL).result == wire.OK


@pytest.mark.root
def test_the_notification_socket_is_its_users(daemon, agent, people):
    run = agent.start(HANG)
    wait_for(lambda: "here" in run.output(), "it runs")
    owners = {(os.stat(daemon.run / "notify" / n).st_uid,
               os.stat(daemon.run / "notify" / n).st_mode & 0o777)
              for n in os.listdir(daemon.run / "notify")}
    assert (people.uid("runner"), 0o600) in owners
    run.cancel()
    run.ended()


def test_the_time_between(daemon, agent):
    """A claim's started, ended and lasted agree with the clock."""
    before = time.time()
    end = agent.start(FAIL).ended()
    assert before - 1 <= end.started / 1e6 <= end.ended / 1e6 <= time.time() + 1
    assert 0 < end.lasted < 20e6
