# SPDX-License-Identifier: GPL-2.0-or-later
"""run, cancel, log, history, reload, release, restore; and what is said when nobody answers."""

import json
import os
import pty
import socket
import subprocess

import pytest

from fake_agent import (CANCEL, EX_CONFIG, EX_NOPERM, EX_TEMPFAIL, HISTORY, LIVE, LOG, RELEASE,
                        RELOAD, RESTORE, RUN, STATUS, WAIT, FOLLOW, Header, End, make_run)

T = 1_700_000_000_123_456


def words(request):
    return tuple(getattr(request, key).decode() for key in ("object", "group", "action"))


@pytest.fixture
def apache(agent):
    agent.add("Apache", "Restart")
    agent.add("Apache", "Start")
    agent.add("Apache", "Restart", group="Intranet")
    agent.add("DVD", "Eject")
    return agent


# --- run ---

def test_run(cli, apache):
    apache.runs = [make_run(12, "DVD", "Eject", state="starting", trigger="cli")]
    assert cli("run", "dvd/eject").stdout == "run 12 of DVD/Eject: Starting\n"
    (request,) = apache.asked(RUN)
    assert words(request) == ("DVD", "", "Eject"), "the names as the agent knows them"
    assert request.flags == 0 and request.payload_name == b""


def test_run_json(cli, apache):
    apache.runs = [make_run(12, "DVD", "Eject", state="starting", trigger="cli", user="root",
                            certainty="peer")]
    found = cli.json("run", "DVD/Eject")
    assert found["run"] == 12 and found["state"] == "starting" and found["trigger"] == "cli"
    assert found["user"] == "root" and found["user-certainty"] == "peer"


def test_run_wants_exactly_one(cli, apache):
    done = cli("run", "Apache/Restart", status=64)
    assert "which one? Apache/Restart, Apache/Intranet/Restart" in done.stderr
    assert "which one?" in cli("run", "DVD", status=64).stderr, "an object is no button"
    assert "which one?" in cli("run", "Apache/Intranet", status=64).stderr
    assert "usage: flagman run" in cli("run", status=64).stderr
    assert apache.asked(RUN) == []


def test_run_wait_passes_output_and_status_on(cli, apache):
    def answer(request, connection):
        assert request.flags == WAIT
        connection.send(make_run(12, "DVD", "Eject", state="running"))
        connection.output(b"one\ntw", run=12)
        connection.output(b"o\n\xff\x1b[31m", run=12)
        connection.send(make_run(12, "DVD", "Eject", state="failed", exit_status=3,
                                 result="exit status 3"))
        connection.end(3, "Eject of DVD: exit status 3")
    apache.answers[RUN] = answer
    done = cli("run", "--wait", "DVD/Eject", status=3, text=False)
    assert done.stdout == b"one\ntwo\n\xff\x1b[31m", "a pipe gets the bytes as they are"
    assert done.stderr == b"flagman: Eject of DVD: exit status 3\n"
    found = json.loads(cli("--json", "run", "--wait", "DVD/Eject", status=3).stdout)
    assert found["exit-status"] == 3 and found["state"] == "failed"


def test_run_payload(cli, apache, tmp_path):
    image = tmp_path / "image.iso"
    image.write_bytes(b"data" * 1000)
    cli("run", "--payload", image, "DVD/Eject")
    assert apache.payloads == [(b"image.iso", b"data" * 1000)]
    os.mkfifo(tmp_path / "fifo")
    assert "regular file" in cli("run", "--payload", tmp_path / "fifo", "DVD/Eject",
                                 status=64).stderr
    cli("run", "--payload", tmp_path / "none", "DVD/Eject", status=66)
    cli("run", "--payload", tmp_path, "DVD/Eject", status=64)
    assert len(apache.asked(RUN)) == 1


def test_run_says_why_not(cli, apache):
    for status, why in ((EX_TEMPFAIL, "Start is running"), (EX_NOPERM, "you may not")):
        apache.answers[RUN] = lambda _, c: c.end(status, why)
        done = cli("run", "DVD/Eject", status=status)
        assert done.stderr == f"flagman: {why}\n" and done.stdout == ""


# --- cancel ---

def test_cancel(cli, apache):
    apache.runs = [make_run(3, "DVD", "Eject", state="cancelled"),
                   make_run(4, "Apache", "Start", state="cancelled")]
    assert cli("cancel", "dvd").stdout == "run 3 of DVD/Eject: Cancelled\n"
    assert cli("cancel", "--run", "4").stdout == "run 4 of Apache/Start: Cancelled\n"
    assert [(words(r), r.run) for r in apache.asked(CANCEL)] == [
        (("dvd", "", ""), 0), (("", "", ""), 4)]
    assert [r["run"] for r in cli.json("cancel", "DVD")] == [3]


def test_cancel_of_nothing(cli, apache):
    apache.answers[CANCEL] = lambda _, c: c.end(EX_TEMPFAIL, "nothing of it runs or waits")
    assert cli("cancel", "DVD", status=75).stderr == "flagman: nothing of it runs or waits\n"
    assert cli.json("cancel", "DVD", status=75) == []
    for args in ([], ["--run", "0"], ["--run", "3", "DVD"], ["--run", "x"], ["--run", "-1"]):
        cli("cancel", *args, status=64)
    assert len(apache.asked(CANCEL)) == 2


# --- log ---

def test_log(cli, apache):
    apache.answers[LOG] = lambda _, c: (c.output(b"head\n"), c.output(b"tail", left_out=1536),
                                        c.end())
    assert cli("log", "DVD/Eject").stdout == "head\n[... 1.5 KiB left out ...]\ntail"
    lines = cli("--json", "log", "--run", "1", "--follow").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"run": 1, "line": "head"}, {"run": 1, "left-out": 1536}, {"run": 1, "line": "tail"}]
    first, second = apache.asked(LOG)
    assert words(first) == ("DVD", "", "Eject") and first.flags == 0
    assert second.run == 1 and second.flags == FOLLOW


def test_log_on_a_terminal_is_printable(cli, apache):
    apache.answers[LOG] = lambda _, c: (c.output(b"a\tb\x1b[31mred\x1b"), c.output(b"[0m\xc3"),
                                        c.output(b"\xbc\xff\x07\r\nend"), c.end())
    master, out = pty.openpty()
    subprocess.run(cli.line("log", "DVD/Eject"), stdout=out, env=cli.env, check=True, timeout=60)
    seen = os.read(master, 65536)
    os.close(out)
    os.close(master)
    # The terminal's own line discipline makes CRLF of what was LF.
    assert seen == b"a\tbred\xc3\xbc\\xFF\\x07\r\nend\r\n"


def test_log_json_replaces_what_is_no_utf8(cli, apache):
    apache.answers[LOG] = lambda _, c: (c.output(b"\xff\xc2\x9b\n"), c.end())
    out = cli("--json", "log", "DVD/Eject").stdout
    assert out == '{"run":1,"line":"\ufffd\\u009b"}\n'


def test_a_log_line_longer_than_any_buffer(cli, apache):
    apache.answers[LOG] = lambda _, c: ([c.output(b"x" * 2048) for _ in range(200)], c.end())
    assert cli("log", "DVD/Eject").stdout == "x" * 2048 * 200
    lines = cli("--json", "log", "DVD/Eject").stdout.splitlines()
    assert "".join(json.loads(line)["line"] for line in lines) == "x" * 2048 * 200


# --- history ---

def test_history(cli, agent):
    agent.runs = [
        make_run(9, "Apache", "Restart", state="running", pressed=T, started=T, user="alice"),
        make_run(8, "Gone", "Long ago", state="failed", pressed=T, started=T,
                 ended=T + 65_000_000, exit_status=3, result="exit status 3"),
        make_run(7, "Gone", "Burn", group="Room 1", state="done", pressed=T, result="done")]
    lines = cli("history").stdout.splitlines()
    assert lines[0].split() == ["RUN", "WHEN", "ACTION", "STATE", "WHO", "LASTED", "RESULT"]
    assert lines[1].split() == ["9", "2023-11-14", "22:13", "Apache/Restart", "Running", "alice"]
    assert lines[2].endswith("1 min 5 s  exit status 3")
    assert lines[3].split()[-1] == "Done", "the state is not said twice"
    found = cli.json("history", "--limit", "2")
    assert [r["run"] for r in found] == [9, 8]
    assert found[1]["exit-status"] == 3 and found[1]["ended"] == "2023-11-14T22:14:25.123456Z"
    assert [(r.flags, r.limit) for r in agent.requests] == [(LIVE, 50), (LIVE, 2)]


def test_history_of_what_has_no_button_any_more(cli, agent):
    agent.runs = [make_run(7, "Gone", "Burn", group="Room 1", state="done", pressed=T)]
    assert [r["run"] for r in cli.json("history", "gone/burn")] == [7]
    assert [r["run"] for r in cli.json("history", "gone/room 1")] == [7]
    assert cli.json("history", "gone/nothing") == []
    assert agent.asked(STATUS) == []
    assert cli("history", "nobody").stdout == ""
    cli("history", "--limit", "many", status=64)


# --- reload, release, restore ---

def test_reload(cli, agent):
    assert cli("reload").stdout == "2 groups, 7 actions\n"
    agent.answers[RELOAD] = lambda _, c: c.end(EX_CONFIG, "a.yaml:3:5: error: no")
    assert cli("reload", status=78).stderr == "flagman: a.yaml:3:5: error: no\n"
    assert cli.json("reload", status=78) == {"ok": False, "exit-status": 78,
                                             "message": "a.yaml:3:5: error: no"}


@pytest.mark.parametrize("verb,kind", [("release", RELEASE), ("restore", RESTORE)])
def test_release_and_restore(cli, agent, verb, kind):
    cli(verb, "DVD")
    cli(verb, "DVD/Room 1")
    assert [words(r) for r in agent.asked(kind)] == [("DVD", "", ""), ("DVD", "Room 1", "")]
    cli(verb, status=64)
    cli(verb, "", status=64)
    cli(verb, "DVD/Room 1/Burn", status=64)
    assert len(agent.requests) == 2


# --- nobody there, or nonsense ---

VERBS = [["status"], ["run", "A/B"], ["cancel", "A"], ["log", "A/B"], ["history"], ["reload"],
         ["release", "A"], ["restore", "A"], ["status", "--follow"]]


@pytest.mark.parametrize("args", VERBS, ids=" ".join)
def test_service_not_running(cli, args):
    done = cli(*args, status=69)
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert f"flagmand --run-dir {cli.run_dir}" in done.stderr


def test_service_not_running_says_how_to_start_it(tmp_path, cli):
    (cli.run_dir / "control").touch()
    assert "not running" in cli("status", status=69).stderr
    long = "x" * 120
    assert "too long" in cli("--run-dir", tmp_path / long, "status", status=64).stderr


@pytest.mark.parametrize("answer", [
    lambda _, c: None,
    lambda _, c: c.sock.send(b"x"),
    lambda _, c: c.sock.send(bytes(End(header=Header(2, 36, 528)))),
    lambda _, c: c.sock.send(bytes(End(header=Header(1, 35, 528)))),
    lambda _, c: c.sock.send(bytes(End(header=Header(1, 36, 528), message=b"x" * 512))),
    lambda _, c: c.end(256),
    lambda _, c: c.end(-1),
], ids=["hang up", "short", "version", "type", "unterminated", "status 256", "status -1"])
def test_answers_that_make_no_sense(cli, agent, answer):
    agent.answers[RELOAD] = answer
    done = cli("reload", status=69)
    assert done.stdout == "" and "flagman" in done.stderr


@pytest.mark.parametrize("field,value", [("state", 13), ("trigger", 4), ("certainty", 4)])
def test_values_that_are_none(cli, agent, field, value):
    run = make_run(1, "A", "B")
    setattr(run, field, value)
    agent.answers[HISTORY] = lambda _, c: c.send(run)
    assert "makes no sense" in cli("history", status=69).stderr


def test_a_percentage_that_is_none(cli, agent):
    agent.add("A", "B", state="running", percent=101)
    assert "makes no sense" in cli("status", status=69).stderr


def test_no_permission(cli):
    if os.geteuid() == 0:
        cli.run_dir.chmod(0o700)
        demote = {"user": 65534, "group": 65534, "extra_groups": []}
        cli.tmp.chmod(0o755)
        for parent in cli.tmp.parents:
            if parent.name.startswith("pytest-"):
                parent.chmod(0o755)
    else:
        cli.run_dir.chmod(0)
        demote = {}
    assert "you may not" in cli("status", status=77, cwd="/", **demote).stderr
    cli.run_dir.chmod(0o700)


def test_the_agent_is_asked_once_at_a_time(cli, agent):
    """One request for each connection (control.h)."""
    agent.add("A", "B")
    cli("status")
    assert len(agent.asked(STATUS)) == 1


def test_the_socket_is_the_only_thing_needed(tmp_path, cli):
    """A stream socket in its place is not flagman's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.bind(str(cli.run_dir / "control"))
        s.listen(1)
        assert "control" in cli("status", status=69).stderr
