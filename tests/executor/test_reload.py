# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration while flagmand runs: edits, mistakes, removed directories; and watchers."""

import fcntl
import os
import shutil
import signal

import pytest

import wire
from lib import processes
from lib.waiting import wait_for

ONE = "- {name: Go, command: '%PROBE% hang'}\n"
TWO = ONE + "- {name: Stop, command: /bin/false}\n"


@pytest.fixture
def agent(daemon):
    daemon.board("Box", ONE)
    return daemon.begin()


def test_an_edit_takes_effect_by_itself(daemon, agent):
    first = agent.generation
    daemon.board("Box", TWO)
    assert agent.configured() > first
    assert agent.start(1).ended().code == 1
    assert agent.start(0, generation=first).result == wire.STALE  # adopted: the old one is gone


def test_a_generation_lives_until_another_is_adopted(daemon, agent):
    first = agent.generation
    daemon.board("Box", "- {name: Other, command: /bin/false}\n")
    message, fds = agent.expect(wire.CONFIG)
    os.close(fds[0])
    run = agent.start(0, generation=first)
    wait_for(lambda: "here" in run.output(), "the old definition runs")
    run.cancel()
    run.ended()
    assert agent.start(0, generation=message.generation).ended().code == 1


@pytest.mark.root
def test_a_command_that_needs_more_capabilities_than_the_nursery_has_left(daemon):
    """What no command needs is dropped for all runners, until some command needs it."""
    daemon.board("Box", "- {name: Go, command: '%PROBE%', user: nobody, group: nogroup}\n")
    agent = daemon.begin()
    run = agent.running(0)
    run.ended()
    assert int(run.values()["CapBnd"], 16) == 0
    daemon.board("Box", "- {name: Go, command: '%PROBE%', user: root, group: root}\n")
    agent.configured()
    run = agent.running(0)
    run.ended()
    own = dict(line.split(":", 1) for line in open("/proc/self/status", encoding="ascii"))
    assert int(run.values()["CapBnd"], 16) == int(own["CapBnd"], 16)


def test_a_mistake_keeps_the_last_good_one(daemon, agent):
    daemon.board("Box", "- {name: Go, comand: /bin/true}\n")
    agent.configured()
    daemon.wait_log("error:")
    run = agent.start(0)
    assert run.result == wire.OK
    run.cancel()
    run.ended()


def test_the_last_good_one_outlives_flagmand(daemon, agent):
    wait_for(lambda: (daemon.state / "last-good.yaml").exists(), "it is saved")
    assert (daemon.state / "last-good.yaml").stat().st_mode & 0o777 == 0o600
    daemon.kill()
    daemon.board("Box", "- {name: Go, comand: /bin/true}\n")
    successor = daemon.begin()
    run = successor.start(0)
    assert run.result == wire.OK
    run.cancel()
    run.ended()


def test_by_message_and_by_signal(daemon, agent):
    agent.send(wire.RELOAD, wire.Cookie(cookie=8))
    message, _ = agent.expect(wire.RELOADED)
    assert (message.cookie, message.n_errors) == (8, 0)
    agent.configured()
    daemon.process.send_signal(signal.SIGHUP)
    agent.configured()
    (daemon.conf / "Bad.yaml").write_text("object: [\n")
    agent.send(wire.RELOAD, wire.Cookie(cookie=9))
    message, _ = agent.expect(wire.RELOADED)
    assert message.n_errors == 1 and b"Bad.yaml" in message.first


def test_conf_d_goes_and_comes(daemon, agent):
    shutil.rmtree(daemon.conf)
    daemon.wait_log("can't read the configuration")
    assert agent.start(0).result == wire.OK
    aside = daemon.conf.parent / "aside"
    aside.mkdir()
    shutil.copy(daemon.state / "last-good.yaml", daemon.root / "copy")
    daemon.conf = aside
    daemon.board("Box", TWO)
    aside.rename(daemon.conf.parent / "conf.d")
    daemon.conf = daemon.conf.parent / "conf.d"
    agent.configured()
    assert agent.start(1).ended().code == 1
    daemon.board("Box", ONE)
    agent.configured()
    assert agent.start(1).result == wire.STALE


def test_settings_are_watched_too(daemon, agent):
    daemon.settings("max-runs: 1\n")
    agent.configured()
    first = agent.start(0)
    assert first.result == wire.OK
    assert agent.start(0).result == wire.BUSY
    first.cancel()
    first.ended()


def test_another_place_needs_another_agent(daemon, agent):
    """Its rights are fixed at its start."""
    run = agent.start(0)
    text = (daemon.conf / "Box.yaml").read_text()
    other = daemon.root / "other"
    daemon.define("More", text.replace("object: Box", "object: More")
                  .replace(f"path: {daemon.share}", f"path: {other}"))
    agent.expect(wire.QUIT)
    agent.connection.sendall(b"exit 0\n")
    agent.channel.close()
    successor = daemon.agent()
    claims, restarted = successor.begin()
    assert restarted and claims[run.hex][0].state == wire.CLAIM_RUNNING
    assert (other / "More" / "Run").is_dir()
    assert b"More" in successor.view


def test_what_is_removed_is_cleared_up_by_who_may(daemon, agent):
    """The agent gets the new view while it has the old rights, and then ends."""
    text = (daemon.conf / "Box.yaml").read_text()
    (daemon.conf / "Box.yaml").unlink()
    daemon.define("More", text.replace("object: Box", "object: More")
                  .replace(f"path: {daemon.share}", f"path: {daemon.root / 'other'}"))
    agent.configured()
    assert b"Box" not in agent.view and b"More" in agent.view
    agent.expect(wire.QUIT)
    agent.connection.sendall(b"exit 0\n")
    agent.channel.close()
    successor = daemon.agent()
    successor.begin()
    assert b"More" in successor.view


def watch(agent, cookie, path):
    """Starts a watcher; returns the reading end of its pipe."""
    listing = os.memfd_create("list", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(listing, f"1 {path}\0".encode())
    os.lseek(listing, 0, os.SEEK_SET)
    fcntl.fcntl(listing, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK
                | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    read, write = os.pipe()
    agent.send(wire.WATCH, wire.Cookie(cookie=cookie), [listing, write])
    os.close(listing)
    os.close(write)
    return read


def watchers():
    return [p for p in processes.descendants(os.getpid())
            if processes.comm(p) == "flagman-watcher" and processes.alive(p)]


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test_watchers(daemon, agent, people):
    pipes = [watch(agent, cookie, daemon.conf) for cookie in (1, 2)]
    wait_for(lambda: len(watchers()) == 2, "both watch")
    for pid in watchers():
        status = status_of(pid)
        assert status["Uid"].split() == [str(people.uid("agent"))] * 4
        assert int(status["CapEff"], 16) == 0
        wait_for(lambda p=pid: status_of(p)["NoNewPrivs"] == "1", "it sees to that itself")
    assert os.read(pipes[1], 8)
    agent.send(wire.UNWATCH, wire.Cookie(cookie=2))
    wait_for(lambda: len(watchers()) == 1, "the older one is gone")
    while os.read(pipes[0], 8):
        pass  # to its end
    os.kill(agent.pid, signal.SIGKILL)
    wait_for(lambda: not watchers(), "the other one dies with the agent")
    for pipe in pipes:
        os.close(pipe)


def test_watchers_are_few(daemon, agent):
    pipes = [watch(agent, cookie, daemon.conf) for cookie in range(1, 8)]
    assert os.read(pipes[-1], 8) == b""  # was refused: the pipe is closed
    wait_for(lambda: len(watchers()) == 5, "the first five watch")
    for pipe in pipes:
        os.close(pipe)
