# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman(1) against a live service: every verb, its JSON and its exit status."""

import json
import re
import subprocess

import pytest
from boards import QUICK, apache, finish, several
from lib.waiting import wait_for

QUIT = "- name: {0}\n  command: %ACT% {0} '{1}'\n"


def status(inst, *what, **keys):
    return json.loads(inst.cli("status", "--json", *what, check=0, **keys).stdout)


def state(inst, action="Restart"):
    return next(a["state"] for a in status(inst) if a["action"] == action)


def test_status(inst):
    apache(inst)
    shown = {a["action"]: a for a in status(inst)}
    assert set(shown) == {"Restart", "Start", "Stop"}
    assert shown["Restart"]["object"] == "Apache" and shown["Restart"]["state"] == "ready"
    text = inst.cli("status", check=0).stdout
    assert all(word in text for word in ("Apache", "Restart", "Start", "Stop"))


def test_status_of_one(inst):
    inst.define("Other", QUIT.format("Go", "exit 0"))
    apache(inst)
    assert {a["object"] for a in status(inst, "Apache")} == {"Apache"}
    assert [a["action"] for a in status(inst, "apache/restart")] == ["Restart"]
    assert inst.cli("status", "Nothing").returncode != 0


def test_states_in_json(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    wait_for(lambda: state(inst) == "running", "running", dump=inst.dump)
    assert state(inst, "Stop") == "blocked"
    finish(inst, line="exit 3")
    wait_for(lambda: state(inst) == "failed", "failed", dump=inst.dump)
    run = next(a for a in status(inst) if a["action"] == "Restart")["run"]
    assert (run["run"], run["trigger"], run["exit-status"], run["signal"]) == (1, "delete", 3, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", run["ended"])
    assert run["claimed"] <= run["started"] <= run["ended"]


def test_run_and_wait(inst):
    apache(inst, actions=QUIT.format("Good", "echo hello") + QUIT.format("Bad", "exit 3")
           + QUIT.format("Killed", "kill -TERM $$"))
    good = inst.cli("run", "--wait", "Apache/Good", check=0)
    assert "hello" in good.stdout
    inst.cli("run", "--wait", "Apache/Bad", check=3)
    killed = inst.cli("run", "--wait", "Apache/Killed").returncode
    assert killed == 128 + 15
    assert inst.ran("Good")[0].trigger == "cli"


def test_run_without_wait(inst):
    apache(inst)
    inst.cli("run", "Apache/Restart", check=0)
    inst.wait_ran("Restart", 1)
    inst.wait_state("Apache", "Restart", "Running")
    busy = inst.cli("run", "Apache/Stop")
    assert busy.returncode == 75, busy.stdout + busy.stderr
    assert not inst.ran("Stop")


def test_run_something_unknown(inst):
    apache(inst)
    for what in ("Apache/Nothing", "Nothing/Restart"):
        done = inst.cli("run", what)
        assert done.returncode not in (0, 1) and done.stderr


def test_run_with_a_payload(inst):
    inst.define("App", """
        - name: Deploy
          command: %ACT% Deploy 'cat "$FLAGMAN_PAYLOAD" >%OUT%/got'
          drop: {folder: In, accept: ["*.war"], settle: 100ms}
    """, group=QUICK)
    inst.start()
    inst.wait_state("App", "Deploy", "")
    payload = inst.root / "shop.war"
    payload.write_bytes(b"content")
    inst.cli("run", "--wait", "--payload", str(payload), "App/Deploy", check=0)
    assert (inst.out / "got").read_bytes() == b"content"
    assert inst.environment_of("Deploy", 1)["FLAGMAN_PAYLOAD_NAME"] == "shop.war"
    assert payload.read_bytes() == b"content", "the original stays"


def test_cancel(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.cli("cancel", "Apache/Restart", check=0)
    inst.wait_state("Apache", "Restart", "Cancelled")
    assert inst.cli("cancel", "Apache/Restart").returncode != 0


def test_log_and_history(inst):
    apache(inst)
    for count in (1, 2):
        inst.press_delete("Apache", "Restart")
        inst.tell("Restart", f"echo output of run {count}", f"exit {count}")
        inst.wait_ran("Restart", count)
        inst.wait_state("Apache", "Restart", "Failed")
        inst.wait_text("Apache", "Restart", f"exit status {count}")
    assert "output of run 2" in inst.cli("log", "Apache/Restart", check=0).stdout
    assert "output of run 1" in inst.cli("log", "--run", "1", check=0).stdout
    runs = json.loads(inst.cli("history", "--json", check=0).stdout)
    assert [(r["run"], r["exit-status"], r["state"]) for r in runs] == [
        (2, 2, "failed"), (1, 1, "failed")]
    assert "exit status 2" in inst.cli("history", check=0).stdout


def test_status_follow_of_progress(inst):
    """Each change of each action is a record, once."""
    apache(inst, group="hold: 200ms\ncooldown: 0")
    with subprocess.Popen([str(inst.bin / "flagman"), "--run-dir", str(inst.run), "status",
                           "--follow", "--json"], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL,
                          env={"ASAN_OPTIONS": "detect_leaks=0"}) as follower:
        def until(action, state, **more):
            while True:
                record = json.loads(follower.stdout.readline())
                seen.append((record["action"], record["state"], record["percent"]))
                if seen[-1][:2] == (action, state) and all(record[k] == more[k] for k in more):
                    return

        seen = []
        until("Stop", "ready")
        seen = []
        inst.press_delete("Apache", "Restart")
        until("Restart", "running")
        inst.tell("Restart", "systemd-notify --status='50% half'")
        until("Restart", "running", percent=50)
        inst.tell("Restart", "systemd-notify --status='60% more'")
        until("Restart", "running", percent=60)
        inst.tell("Restart", "exit 3")
        until("Restart", "failed")
        mine = [entry[1] for entry in seen if entry[0] == "Restart"]
        assert mine[0] == "starting" and mine[-1] == "failed" and set(mine[1:-1]) == {"running"}
        assert ("Stop", "blocked", None) in seen and ("Start", "blocked", None) in seen
        assert len(seen) == len(set(seen)), seen
        follower.terminate()


def test_log_follow(inst):
    apache(inst)
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    with subprocess.Popen([str(inst.bin / "flagman"), "--run-dir", str(inst.run), "log", "--follow",
                           "Apache/Restart"], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL,
                          env={"ASAN_OPTIONS": "detect_leaks=0"}) as follower:
        inst.tell("Restart", "echo first")
        assert follower.stdout.readline().strip() == "first"
        inst.tell("Restart", "echo second", "exit 0")
        assert follower.stdout.readline().strip() == "second"
        assert follower.wait(20) == 0


class Follower:
    """flagman status --follow, line by line."""

    def __init__(self, inst, *arguments):
        self.inst = inst
        self.path = inst.root / "followed"
        self.process = subprocess.Popen(
            [str(inst.bin / "flagman"), "--run-dir", str(inst.run), "status", "--follow",
             *arguments], stdout=open(self.path, "wb"), stdin=subprocess.DEVNULL,
            env={"ASAN_OPTIONS": "detect_leaks=0"})

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.terminate()
        assert self.process.wait(20) in (0, 69)

    def lines(self):
        return self.path.read_text(encoding="utf-8").splitlines()

    def wait(self, what):
        """Until WHAT(line) is true of a line that was not waited for yet."""
        wait_for(lambda: any(what(line) for line in self.lines()), "it is said",
                 dump=lambda: "\n".join(self.lines()) + self.inst.dump())

    def wait_states(self, action, states):
        """Until the records of ACTION have had STATES, and no others."""
        def seen():
            found = [r["state"] for r in map(json.loads, self.lines()) if r["action"] == action]
            return [s for n, s in enumerate(found) if n == 0 or found[n - 1] != s] == states
        wait_for(seen, f"{action} is {states}",
                 dump=lambda: "\n".join(self.lines()) + self.inst.dump())


def test_status_follow(inst):
    """Each change is told, with the flag's new name."""
    apache(inst)
    with Follower(inst, "--json") as follower:
        follower.wait_states("Stop", ["ready"])
        inst.press_delete("Apache", "Restart")
        follower.wait_states("Restart", ["ready", "running"])
        follower.wait_states("Stop", ["ready", "blocked"])
        finish(inst)
        follower.wait_states("Restart", ["ready", "running", "done"])
        follower.wait_states("Stop", ["ready", "blocked", "ready"])
        names = [json.loads(line)["file-name"] for line in follower.lines()]
        for name in ("Restart.txt", "Restart [Running].txt", "Restart [Done].txt",
                     "Stop [Blocked].txt"):
            assert name in names
        inst.define("Apache", QUIT.format("Restart", "exit 0") + QUIT.format("Stop", "exit 0")
                    + QUIT.format("New", "exit 0"), group=QUICK)
        follower.wait_states("New", ["ready"])
        follower.wait_states("Start", ["ready", "blocked", "ready", "removed"])


def test_follow_what_is_removed(inst):
    """Alone of what stays; and to those only who could see it."""
    inst.define("Other", QUIT.format("Go", "exit 0"))
    apache(inst)
    with Follower(inst) as follower:
        follower.wait(lambda line: "Other/Go: ready" in line)
        (inst.conf / "other.yaml").unlink()
        follower.wait(lambda line: line.endswith("Other/Go: removed"))
        assert not any("Apache" in line and "removed" in line for line in follower.lines())
        inst.define("Other", QUIT.format("Go", "exit 0"))
        wait_for(lambda: sum("Other/Go: ready" in line for line in follower.lines()) == 2,
                 "it is there again", dump=inst.dump)


def test_reload(inst):
    apache(inst)
    inst.define("Later", QUIT.format("Go", "exit 0"))
    inst.cli("reload", check=0)
    inst.wait_state("Later", "Go", "")
    inst.write("bad.yaml", "object: Bad\nnonsense: yes\n")
    assert inst.cli("reload").returncode == 78


@pytest.mark.parametrize("arguments", [["status", "--json"], ["reload"], ["run", "App0/Restart"]])
def test_asked_while_another_agent_starts(inst, arguments):
    """As after a snippet with a directory.path of its own: the answer comes when it can."""
    several(inst, 20)
    inst.kill("agent")
    assert inst.cli(*arguments).returncode == 0, inst.dump()


def test_restore_and_release(inst):
    apache(inst)
    inst.cli("release", "Apache", check=0)
    inst.by("alice", lambda: (inst.share / "Apache" / "Restart.txt").unlink())
    inst.never_ran("Restart", seconds=0.5)
    inst.cli("restore", "Apache", check=0)
    inst.wait_state("Apache", "Restart", "")
    assert not inst.ran("Restart")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)


def test_check(inst):
    inst.define("Good", QUIT.format("Go", "exit 0"))
    inst.cli("check", str(inst.conf), check=0)
    inst.write("bad.yaml", "object: Bad\nnonsense: yes\n")
    done = inst.cli("check", str(inst.conf), check=78)
    assert re.search(r"bad\.yaml:2:1: error: ", done.stdout + done.stderr)


def test_no_service(inst):
    done = inst.cli("status")
    assert done.returncode == 69, done.stdout + done.stderr
    assert done.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["run"], ["status", "--nonsense"], []])
def test_used_wrongly(inst, arguments):
    done = inst.cli(*arguments)
    assert done.returncode == 64 and done.stderr


def test_help_and_version(inst):
    assert "status" in inst.cli("--help", check=0).stdout
    assert re.search(r"\d+\.\d+", inst.cli("--version", check=0).stdout)


@pytest.mark.root
def test_who_may_press_may_run(inst, people):
    apache(inst)
    inst.cli("run", "Apache/Restart", who="alice", check=0)
    assert inst.wait_ran("Restart", 1)[0].user == people.alice
    inst.cli("cancel", "Apache/Restart", who="bob", check=0)
    inst.wait_state("Apache", "Restart", "Cancelled")


@pytest.mark.root
def test_who_may_not_sees_nothing(inst):
    apache(inst)
    done = inst.cli("status", "--json", who="carol")
    assert "Apache" not in done.stdout
    assert inst.cli("run", "Apache/Restart", who="carol").returncode not in (0, 1)
    assert inst.cli("reload", who="carol").returncode == 77
    assert inst.cli("reload", who="alice").returncode == 77
    assert not inst.ran("Restart")


@pytest.mark.root
def test_press_only_members_may_run(inst):
    apache(inst, directory="access: press-only")
    inst.cli("run", "Apache/Restart", who="alice", check=0)
    inst.wait_ran("Restart", 1)
