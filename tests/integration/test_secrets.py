# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets in environment and environment-file: the command has them, and nobody else."""

import os
import re
import secrets
import stat

import pytest
from boards import QUICK, finish
from lib import processes
from lib.waiting import wait_for

ACTION = """
- name: Restart
  command: %ACT% Restart listen
  environment: {TOKEN: "SECRET", PLAIN: "a word that may be seen"}
  environment-file: FILE
- name: Script
  script: |
    test ${#TOKEN} = 32
  environment: {TOKEN: "SECRET"}
- name: Broken file
  command: /bin/true
  environment-file: BROKEN
"""


class Secrets:
    """Random ones, each in a place of its own; found() is where one of them is."""

    def __init__(self, inst):
        self.inst = inst
        self.declared, self.filed, self.broken = (secrets.token_hex(16) for _ in range(3))
        self.all = [s.encode() for s in (self.declared, self.filed, self.broken)]
        for name, text in (("file", f"FILED={self.filed}\n"),
                           ("broken", f"OK=x\nthis line {self.broken} is none\n")):
            path = inst.root / name
            path.write_text(text)
            path.chmod(0o600)
            if inst.people.root:
                os.chown(path, 0, 0)
        self.actions = (ACTION.replace("SECRET", self.declared)
                        .replace("FILE", str(inst.root / "file"))
                        .replace("BROKEN", str(inst.root / "broken")))

    def found(self, data):
        data = data.encode() if isinstance(data, str) else data
        return any(secret in data for secret in self.all)

    def files(self, *directories):
        """Those that have one, relative to the instance."""
        paths = [p for d in directories for p in d.rglob("*") if p.is_file()]
        return {str(p.relative_to(self.inst.root)) for p in paths if self.found(p.read_bytes())}


@pytest.fixture
def app(inst):
    """It runs, after a start of each kind; .secrets are its."""
    inst.environment["FLAGMAN_LOG"] = "debug"
    inst.secrets = Secrets(inst)
    inst.define("Apache", inst.secrets.actions, group=QUICK)
    (inst.conf / "apache.yaml").chmod(0o600)
    inst.start()
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Script")
    inst.wait_state("Apache", "Script", "Done")
    inst.wait_state("Apache", "Broken file", "")
    inst.press_delete("Apache", "Broken file")
    inst.wait_state("Apache", "Broken file", "Failed")
    inst.wait_state("Apache", "Restart", "")
    inst.press_delete("Apache", "Restart")
    inst.wait_ran("Restart", 1)
    return inst


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def memory(pid):
    """All that this process could read of its own, but a sanitizer's terabytes of shadow."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        ranges = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) r", f.read(), re.M)
    found = []
    with open(f"/proc/{pid}/mem", "rb", 0) as f:
        for start, end in ((int(a, 16), int(b, 16)) for a, b in ranges):
            if end - start > 1 << 28:
                continue
            try:
                f.seek(start)
                found.append(f.read(end - start))
            except (OSError, ValueError, OverflowError):
                pass  # vvar and its like
    assert sum(len(part) for part in found) > 1 << 20
    return b"".join(found)


def test_the_command_has_them(app):
    """Or all that follows would prove nothing."""
    environment = app.environment_of("Restart", app.ran("Restart")[0].run)
    assert environment["TOKEN"] == app.secrets.declared
    assert environment["FILED"] == app.secrets.filed
    finish(app)


def test_no_other_process_shows_them(app, people):
    """In ps nobody; in its environment the command, which is its user's to read."""
    command = app.ran("Restart")[0].pid
    own = {command, *processes.descendants(command)}
    pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    shown = {pid for pid in pids for what in ("cmdline", "comm", "status", "stat", "wchan")
             if app.secrets.found(read(f"/proc/{pid}/{what}"))}
    having = {pid for pid in pids if app.secrets.found(read(f"/proc/{pid}/environ"))}
    assert not shown and having and having <= own
    assert {os.stat(f"/proc/{pid}").st_uid for pid in having} == {people.uid("runner")}
    finish(app)


@pytest.mark.root
def test_whose_memory_has_them(app):
    """flagmand's, and it is root's; the agent and its watcher have never heard of them."""
    assert app.secrets.found(memory(app.pids("executor")[0]))
    for role in ("agent", "watcher"):
        for pid in app.pids(role):
            assert not app.secrets.found(memory(pid)), role
    for role in ("executor", "runner"):
        for pid in app.pids(role):
            assert os.stat(f"/proc/{pid}/environ").st_uid == 0
            with pytest.raises(PermissionError):
                app.by("alice", lambda p=pid: open(f"/proc/{p}/mem", "rb").close())
    finish(app)


def test_no_file_has_them_but_those_that_must(app, people):
    """The last good version, and only root reads that; never the share, nor the run directory."""
    finish(app)
    app.wait_state("Apache", "Restart", "Done")
    last_good = app.state / "last-good.yaml"
    wait_for(lambda: last_good.exists(), "the last good versions are kept", dump=app.dump)
    app.stop()
    assert app.secrets.files(app.state, app.run, app.share) == {"state/last-good.yaml"}
    info = last_good.stat()
    assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o600, os.getuid())


def every_answer(inst):
    """What flagman says to anybody, in all its ways."""
    doubtful = inst.conf.parent / "doubtful"
    for words in (["status"], ["history"], ["log", "Apache/Restart"], ["log", "Apache/Script"],
                  ["log", "Apache/Broken file"], ["reload"], ["doctor"], ["samba"], ["sudoers"],
                  ["check"], ["check", str(inst.conf)], ["check", "--print"],
                  ["check", "--print", str(inst.conf)], ["check", str(doubtful)],
                  ["check", "--print", str(doubtful)]):
        for options in ([], ["--json"]):
            for who in (None, "alice"):
                done = inst.cli("--conf-dir", str(inst.conf), *options, *words, who=who)
                yield words, done.stdout + done.stderr


def test_nothing_that_is_said_has_them(app):
    finish(app)
    app.wait_state("Apache", "Restart", "Done")
    for words, said in every_answer(app):
        assert not app.secrets.found(said), (words, said)
    assert "a word that may be seen" not in app.log()
    assert not app.secrets.found(app.log())
    for action in ("Restart", "Script", "Broken file"):
        assert not app.secrets.found(app.text("Apache", action))
    app.wait_text("Apache", "Broken file", "a line is not NAME=value")


WRONG = {
    "a list with a blank": "environment: ['A TOKEN=SECRET']",
    "a list without a name": "environment: ['=SECRET']",
    "a list without =": "environment: [SECRET]",
    "one word": "environment: SECRET",
    "a list in it": "environment: {TOKEN: [SECRET]}",
    "a mapping in it": "environment: {TOKEN: {SECRET: SECRET}}",
    "a name with a blank": "environment: {A TOKEN: SECRET}",
    "a wrong name": "environment: {1TOKEN: SECRET}",
    "our own name": "environment: {FLAGMAN_USER: SECRET}",
    "a wrong key": "enviroment: {TOKEN: SECRET}",
    "twice": "environment: {TOKEN: SECRET, TOKEN: SECRET}",
    "a nul": 'environment: {TOKEN: "SECRET\\0"}',
    "a wrong escape": 'environment: {TOKEN: "SECRET\\q"}',
    "an open quote": 'environment: {TOKEN: "SECRET}',
    "a colon": "environment: {TOKEN: SECRET: x}",
    "an alias": "environment: {TOKEN: *SECRET}",
    "a tag": "environment: {TOKEN: !SECRET x}",
    "a block": "environment:\n    TOKEN: SECRET\n   OTHER: x",
    "a percent": "environment: {TOKEN: %SECRET}",
    "an at sign": "environment: {TOKEN: @SECRET}",
    "a file of that name": "environment-file: [SECRET]",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_by_its_place(inst, wrong):
    """The message says where and what; the value that is wrong, or beside it, is not in it."""
    inst.environment["FLAGMAN_LOG"] = "debug"
    inst.secrets = Secrets(inst)
    secret = inst.secrets.declared
    inst.write("apache.yaml", inst.snippet(
        "Apache", "- name: Restart\n  command: /bin/true\n", group=QUICK) + "      "
        + wrong.replace("SECRET", secret).replace("\n", "\n      ") + "\n")
    done = inst.cli("check", str(inst.conf))
    inst.start()
    wait_for(lambda: "configuration:" in inst.log(), "it was read")
    said = [done.stdout + done.stderr, inst.log()]
    said += [text for _, text in every_answer(inst)]
    said += [p.read_text() for p in inst.share.rglob("*.txt")]
    assert re.search(r"apache\.yaml:\d+:\d+: (error|warning)", said[0]), said[0]
    assert not [text for text in said if secret in text]
