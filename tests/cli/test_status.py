# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman status: the table, JSON, names, and following."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import pytest

from fake_agent import STATES, STATUS, make_action, make_run
from lib.waiting import wait_for

NOW = int(time.time() * 1_000_000)
T = 1_700_000_000_123_456  # 2023-11-14T22:13:20.123456Z


def fill(agent):
    agent.add("Apache", "Restart", state="running", percent=40, since=NOW - 75_000_000,
              progress="reloading", description="Restarts it",
              run=make_run(7, "Apache", "Restart", state="running", user="alice",
                           address="10.0.0.7", certainty="audit"))
    agent.add("Apache", "Start", state="blocked", since=NOW, note="Restart is running")
    agent.add("Apache", "Clear cache", description="Empties the cache")
    agent.add("DVD", "Burn", group="Room 1", state="failed", since=T,
              run=make_run(3, "DVD", "Burn", "Room 1", state="failed", user="bob", exit_status=3,
                           result="exit status 3", started=T - 4_000_000, ended=T,
                           payload="image.iso", trigger="drop", certainty="owner"))


def test_table(cli, agent):
    fill(agent)
    lines = cli("status").stdout.splitlines()
    assert lines[0].split() == ["ACTION", "STATE", "SINCE", "WHO", "RESULT"]
    assert lines[1] == "Apache"
    assert "Running 40%" in lines[2] and "alice (10.0.0.7)" in lines[2]
    assert re.search(r"  1 min \d+ s; reloading$", lines[2])
    assert "Blocked" in lines[3] and "Restart is running" in lines[3]
    assert lines[4].split() == ["Clear", "cache", "ready", "Empties", "the", "cache"]
    assert lines[5] == "DVD/Room 1"
    assert "Failed" in lines[6] and "2023-11-14 22:13" in lines[6]
    assert lines[6].endswith("bob               exit status 3; image.iso; in 4 s")
    # Columns stand below each other.
    column = lines[0].index("STATE")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines
               if line.startswith("  "))
    assert "\033" not in "".join(lines)


def test_columns_count_what_a_terminal_shows(cli, agent):
    agent.add("Büro", "日本語", state="done", since=T)
    agent.add("Büro", "Dru\u0308cken", state="done", since=T)  # NFD: the dots take no column
    agent.add("Büro", "abcdefghij", state="done", since=T)
    lines = cli("status").stdout.splitlines()
    assert lines[2].index("Done") == len("  日本語") + 4 + 2  # six columns, four to the longest
    assert lines[3].index("Done") == 2 + len("Dru\u0308cken") + 3 + 2
    assert lines[4].index("Done") == 2 + 10 + 2


def test_json(cli, agent):
    fill(agent)
    found = cli.json("status")
    assert [(a["object"], a["group"], a["action"], a["state"]) for a in found] == [
        ("Apache", None, "Restart", "running"), ("Apache", None, "Start", "blocked"),
        ("Apache", None, "Clear cache", "ready"), ("DVD", "Room 1", "Burn", "failed")]
    assert found[0]["percent"] == 40 and found[1]["percent"] is None
    assert found[1]["note"] == "Restart is running" and found[1]["run"] is None
    assert found[3]["since"] == "2023-11-14T22:13:20.123456Z"
    assert found[3]["run"] == {
        "run": 3, "token": f"{3:032x}", "object": "DVD", "group": "Room 1", "action": "Burn",
        "trigger": "drop", "user": "bob", "user-certainty": "owner", "address": None,
        "state": "failed", "exit-status": 3, "signal": None, "claimed": None,
        "started": "2023-11-14T22:13:16.123456Z", "ended": "2023-11-14T22:13:20.123456Z",
        "payload": "image.iso"}


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_its_words(cli, agent, state):
    agent.add("A", "B", state=state)
    assert cli.json("status")[0]["state"] == state
    shown = {"missed": "Not run", "ready": "ready", "confirm": "Press again to confirm"}
    assert shown.get(state, state.capitalize()) in cli("status").stdout


@pytest.mark.parametrize("target,asked,names", [
    ("apache", [("apache", "", "")], ["Apache/Restart", "Apache/Start", "Apache/Clear cache"]),
    ("apache/start", [("apache", "", "start")], ["Apache/Start"]),
    ("dvd/room 1", [("dvd", "", "room 1"), ("dvd", "room 1", "")], ["DVD/Room 1/Burn"]),
    ("dvd/room 1/burn", [("dvd", "room 1", "burn")], ["DVD/Room 1/Burn"]),
])
def test_targets(cli, agent, target, asked, names):
    fill(agent)
    assert cli("status", "--names", target).stdout.splitlines() == names
    assert [(r.object.decode(), r.group.decode(), r.action.decode())
            for r in agent.requests] == asked


def test_nothing_by_that_name(cli, agent):
    fill(agent)
    done = cli("status", "Apache/Restat", status=64)
    assert done.stdout == ""
    assert "there is no Apache/Restat" in done.stderr and "Apache/Restart" in done.stderr
    done = cli("status", "Nginx", status=64)
    assert "DVD/Room 1/Burn" in done.stderr
    agent.actions.clear()
    assert "there is no Nginx that you may see\n" in cli("status", "Nginx", status=64).stderr


def test_no_button_at_all(cli, agent):
    assert cli("status").stdout == ""
    assert cli.json("status") == []


@pytest.mark.parametrize("target", ["a/b/c/d", "/", "a/", "/a", "a//b", "x" * 128])
def test_targets_that_are_none(cli, agent, target):
    assert "OBJECT" in cli("status", target, status=64).stderr
    assert agent.requests == []


def test_stranger_text_can_not_command_the_terminal(cli, agent):
    evil = b"\x1b]0;owned\x07\xc2\x9b2J\xe2\x80\xaetxt\xff\n"
    agent.add("A", "B", state="failed", since=T, note=evil, progress=evil,
              run=make_run(1, "A", "B", state="failed", user=evil, address=b"\x1b[2J",
                           payload=evil, result=evil))
    for args in (["status"], ["--json", "status"], ["history"], ["--json", "history"]):
        agent.runs = [agent.actions[0].last]
        out = cli(*args, text=False).stdout
        for bad in (b"\x1b", b"\x07", b"\xc2\x9b", b"\xe2\x80\xae", b"\xff"):
            assert bad not in out, (args, bad)
    found = cli.json("status")[0]["run"]
    assert found["user"] == "\x1b]0;owned\x07\x9b2J\u202etxt\ufffd\n"


# --- following ---

class Follower:
    """flagman status --follow, on a pipe or on a terminal of its own."""

    def __init__(self, cli, *args, terminal=False, env=None):
        self.master = None
        out = subprocess.PIPE
        if terminal:
            self.master, out = pty.openpty()
            fcntl.ioctl(out, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 90, 0, 0))
        self.process = subprocess.Popen(cli.line("status", "--follow", *args), stdout=out,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        env={**cli.env, **(env or {})})
        if terminal:
            os.close(out)
        self.fd = self.master if terminal else self.process.stdout.fileno()
        os.set_blocking(self.fd, False)
        self.seen = ""

    def read(self):
        try:
            self.seen += os.read(self.fd, 65536).decode()
        except (BlockingIOError, OSError):
            pass
        return self.seen

    def wait(self, text):
        return wait_for(lambda: text in self.read(), f"{text!r} is printed",
                        dump=lambda: repr(self.seen))

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        status = self.process.wait(20)
        os.set_blocking(self.fd, True)  # a terminal hands it over piecemeal, until EIO
        before = None
        while before != self.seen:
            before = self.seen
            self.read()
        self.close()
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master is not None:
            os.close(self.master)
            self.master = None
        self.process.stderr.close()
        if self.process.stdout:
            self.process.stdout.close()


def test_follow_lines(cli, agent):
    fill(agent)
    follower = Follower(cli)
    follower.wait("Apache/Restart: Running 40%, alice (10.0.0.7), 1 min")
    follower.wait("Apache/Clear cache: ready\n")
    agent.push(make_action("Apache", "Restart", state="done"))
    follower.wait("Apache/Restart: Done\n")
    assert follower.stop() == 0
    assert "\033" not in follower.seen
    assert [r.flags for r in agent.asked(STATUS)] == [0, 1]


def test_follow_json_is_one_object_a_line(cli, agent):
    fill(agent)
    follower = Follower(cli, "--json")
    follower.wait('"Burn"')
    agent.push(make_action("Apache", "Start", state="starting"))
    follower.wait('"starting"')
    follower.stop(signal.SIGTERM)
    lines = [json.loads(line) for line in follower.seen.splitlines()]
    assert [(a["action"], a["state"]) for a in lines] == [
        ("Restart", "running"), ("Start", "blocked"), ("Clear cache", "ready"),
        ("Burn", "failed"), ("Start", "starting")]


def test_follow_draws_a_table_on_a_terminal(cli, agent):
    fill(agent)
    follower = Follower(cli, terminal=True)
    follower.wait("\033[?1049h")
    follower.wait("████░░░░░░ 40%")
    follower.wait("\033[1mApache\033[0m")
    agent.push(make_action("Apache", "Restart", state="running", percent=55, since=NOW))
    follower.wait("█████▌░░░░ 55%")
    agent.push(make_action("Apache", "New one", state="waiting", since=NOW))
    follower.wait("New one")
    # Eight rows, eight lines; the last row is the cursor's.
    follower.wait("... and 1 more\033")
    assert follower.stop() == 0
    last = follower.seen[follower.seen.rindex("\033[?1049l"):]
    assert "55%" in last and "New one" in last, "what was seen last stays"


def test_follow_takes_out_what_is_removed(cli, agent):
    for names in (["B"], ["B", "C"], ["B", "C", "D"]):
        agent.actions.clear()
        for name in names:
            agent.add("A", name, state="running", since=NOW)
        follower = Follower(cli, terminal=True)
        follower.wait(names[-1] + " ")
        agent.push(make_action("A", "B", removed=1))
        agent.push(make_action("A", "never there", removed=1))
        agent.push(make_action("A", "New", state="done", since=NOW))
        follower.wait("New")
        follower.stop()
        agent.followers.clear()
        last = follower.seen[follower.seen.rindex("\033[?1049l") + 8:]
        shown = [line.split()[0] for line in last.splitlines()[2:]]
        assert shown == [*names[1:], "New"]


def test_follow_says_what_is_removed(cli, agent):
    agent.add("A", "B")
    for args in ([], ["--json"]):
        follower = Follower(cli, *args)
        follower.wait("B")
        wait_for(lambda: agent.followers, "it follows")
        agent.push(make_action("A", "B", removed=1))
        follower.wait("removed")
        follower.stop()
        agent.followers.clear()
    assert json.loads(follower.seen.splitlines()[-1])["state"] == "removed"


def test_follow_draws_nothing_wider_than_the_terminal(cli, agent):
    agent.add("A", "B", state="running", since=NOW, progress="x" * 200)
    follower = Follower(cli, terminal=True, env={"NO_COLOR": "1"})
    follower.wait("…")
    follower.stop()
    last = follower.seen[follower.seen.rindex("\033[?1049l") + 8:]
    assert max(len(line) for line in last.splitlines()) == 90
    assert "\033[3" not in last, "NO_COLOR is respected"


def test_follow_ends_with_the_agent(cli, agent):
    agent.add("A", "B")
    follower = Follower(cli)
    follower.wait("A/B: ready")
    agent.end_follower(0, "flagman is stopping")
    assert follower.process.wait(20) == 0
    follower.close()

    follower = Follower(cli)
    follower.wait("A/B: ready")
    wait_for(lambda: agent.followers, "it follows")
    agent.followers.pop().sock.close()
    assert follower.process.wait(20) == 69
    follower.close()


@pytest.mark.parametrize("env,args,colored", [
    ({}, [], True), ({"NO_COLOR": "1"}, [], False), ({"NO_COLOR": ""}, [], True),
    ({}, ["--no-color"], False), ({"TERM": "dumb"}, [], False)])
def test_color_on_a_terminal_only(cli, agent, env, args, colored):
    agent.add("A", "B", state="failed", since=T)
    master, out = pty.openpty()
    fcntl.ioctl(out, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run(cli.line("status", *args), stdout=out, env={**cli.env, **env}, check=True,
                   timeout=60)
    seen = os.read(master, 65536).decode()
    os.close(out)
    os.close(master)
    assert ("\033[31mFailed\033[0m" in seen) == colored
    assert "Failed" in seen
