# SPDX-License-Identifier: GPL-2.0-or-later
"""What people of the share may call things, and where it must not matter: in the command's
arguments and environment, the log, texts, history, the terminal and JSON."""

import json
import os
import pty
import re
import subprocess
import unicodedata

import pytest
from boards import QUICK, apache
from lib.waiting import wait_for

TOUCH = "touch owned"
NAMES = {
    "an option": b"-rf",
    "the end of options": b"--",
    "a long option": b"--help",
    "commands": f"; {TOUCH} ; && {TOUCH} | {TOUCH} > owned".encode(),
    "a substitution": f"$({TOUCH})".encode(),
    "backquotes": f"`{TOUCH}`".encode(),
    "quotes": f"'\"; {TOUCH}; \\".encode(),
    "a pattern": b"* $HOME ~ {a,b} [x]",
    "a newline": b"new\nFLAGMAN_USER=root",
    "a line of the log": b"x\n<0>flagmand[executor]: forged\nPRIORITY=0",
    "a field of the journal": b"MESSAGE=x\n_UID=0\nMESSAGE_ID=1",
    "escape sequences": b"\x1b]0;owned\x07\x1b[2J\x1b[31m\x7f\x08\r",
    "c1 controls": b"\xc2\x9b2J\xc2\x9d0;owned\xc2\x9c",
    "overrides": "\u202egnp.exe\u2066\u200b".encode(),
    "no utf-8": b"\xff\xfe\xc3(\xed\xa0\x80",
    "a format": b"%s%n%1$s%99999d",
    "json": b'","user":"root","x":"\\u0000',
    "255 bytes": b"x" * 255,
    "255 bytes, cut within a character": b"x" + "ü".encode() * 127,
    "decomposed": unicodedata.normalize("NFD", "Gerät").encode(),
}
DEPLOY = r"""
- name: Deploy
  command: %ACT% Deploy 'tr "\0" "\n" </proc/$$/cmdline; cat "$FLAGMAN_PAYLOAD"'
  drop: {folder: In, accept: ["*"], settle: 0, after: return}
- name: Script
  script: |
    printf '<%s>' "$FLAGMAN_PAYLOAD_NAME" >>%OUT%/script
    wc -c <"$FLAGMAN_PAYLOAD" >>%OUT%/script
  drop: {folder: Scripted, accept: ["*"], settle: 0, after: return}
"""
OWN = re.compile(r"(<[0-7]>)?(flagmand\[\w+\]|flagman-\w+|flagmand): |--- ")
COLOURS = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture
def app(inst):
    """Its log is marked up as for the journal."""
    inst.log_path.touch()
    info = inst.log_path.stat()
    inst.environment.update(JOURNAL_STREAM=f"{info.st_dev}:{info.st_ino}", FLAGMAN_LOG="debug")
    return apache(inst, actions=DEPLOY, group=QUICK + "\nresult-delay: 1h")


def put(inst, folder, name, data=b"content"):
    path = os.path.join(os.fsencode(inst.share), b"Apache", folder.encode(), name)

    def write():
        with open(path, "wb") as f:
            f.write(data)
    inst.by("alice", write)


def listed(inst, *folders):
    return os.listdir(os.path.join(os.fsencode(inst.share), b"Apache",
                                   *(f.encode() for f in folders)))


def environment(inst, run):
    """Without what differs between any two runs."""
    raw = (inst.out / f"Deploy.env.{run}").read_bytes().rstrip(b"\0")
    pairs = dict(pair.split(b"=", 1) for pair in raw.split(b"\0"))
    return {k: v for k, v in pairs.items() if k not in (b"FLAGMAN_RUN", b"NOTIFY_SOCKET")}


def is_tame(raw, crlf=False):
    """Valid UTF-8, and nothing that a terminal or an editor obeys."""
    text = raw.decode("utf-8")
    bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
           and c not in ("\n\r\t\ufeff" if crlf else "\n\t")]
    assert not bad, (bad, text[-2000:])
    return text


def on_a_terminal(inst, *words):
    """What flagman writes there, without its own colours."""
    master, slave = pty.openpty()
    with subprocess.Popen([inst.bin / "flagman", "--run-dir", inst.run, *words], stdout=slave,
                          stderr=slave, stdin=subprocess.DEVNULL, cwd="/",
                          env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm",
                               "ASAN_OPTIONS": "detect_leaks=0"}) as process:
        os.close(slave)
        out = b""
        while True:
            try:
                more = os.read(master, 65536)
            except OSError:  # EIO: the other end was closed
                break
            out += more
        os.close(master)
        assert process.wait(60) in (0, os.EX_NOINPUT), out  # 66: it has never run
    return COLOURS.sub(b"", out.replace(b"\r\n", b"\n"))


def everywhere_tame(inst):
    """Every text that flagman shows; the flags' are those with CRLF."""
    for action in ("Deploy", "Script"):
        is_tame(inst.path_of("Apache", action).read_bytes(), crlf=True)
    is_tame((inst.share / "Apache" / "Status.txt").read_bytes(), crlf=True)
    for words in (["status"], ["history"], ["log", "Apache/Script"], ["history", "Apache/Deploy"],
                  ["doctor"]):
        if words != ["doctor"]:
            is_tame(on_a_terminal(inst, *words))
        done = subprocess.run([inst.bin / "flagman", "--run-dir", inst.run, "--json", *words],
                              capture_output=True, check=False, cwd="/",
                              env={"ASAN_OPTIONS": "detect_leaks=0"}, timeout=60)
        for document in is_tame(done.stdout).splitlines() if words[0] == "log" else [done.stdout]:
            json.loads(document)
    for line in is_tame(inst.log_path.read_bytes()).splitlines():
        assert OWN.match(line) and "<0>" not in line[:4], line
        assert len(line) < 4096


TAKEN = {words: name for words, name in NAMES.items() if words != "no utf-8"}


@pytest.mark.parametrize("name", TAKEN.values(), ids=TAKEN)
def test_a_payload(app, name):
    """It is run like any other, with the same arguments, and what people see of it is harmless."""
    put(app, "In", b"plain")
    app.wait_ran("Deploy", 1)
    wait_for(lambda: b"plain" in listed(app, "In", "Returned"), "it comes back", dump=app.dump)
    put(app, "In", name)
    put(app, "Scripted", name)
    app.wait_ran("Deploy", 2)
    for folder in ("In", "Scripted"):
        wait_for(lambda f=folder: name in listed(app, f, "Returned"), f"{folder}: it comes back",
                 dump=app.dump)
    app.wait_text("Apache", "Deploy", "content")
    first, second = environment(app, 1), environment(app, app.ran("Deploy")[1].run)
    assert second.pop(b"FLAGMAN_PAYLOAD_NAME") == name
    assert first.pop(b"FLAGMAN_PAYLOAD_NAME") == b"plain"
    for found in (first, second):
        path = found.pop(b"FLAGMAN_PAYLOAD")
        assert re.fullmatch(re.escape(os.fsencode(app.share)) + rb"/\.flagman/[0-9a-f]{32}", path)
    assert first == second
    arguments = on_a_terminal(app, "log", "Apache/Deploy")
    assert b"listen" not in arguments and arguments.count(b"Deploy\n") >= 1
    assert name not in arguments.splitlines()
    assert (app.out / "script").read_bytes() == b"<" + name + b">7\n"
    assert not [p for p in app.root.rglob("owned")] and not os.path.exists("/owned")
    everywhere_tame(app)


def test_a_payload_whose_name_is_no_text(app):
    """It stays where it is, and what is beside it can be read."""
    name = NAMES["no utf-8"]
    put(app, "In", name)
    wait_for(lambda: name + b" [Not accepted].txt" in listed(app, "In"), "it is not accepted",
             dump=app.dump)
    app.never_ran("Deploy")
    with open(os.path.join(os.fsencode(app.share), b"Apache/In", name + b" [Not accepted].txt"),
              "rb") as f:
        is_tame(f.read(), crlf=True)
    everywhere_tame(app)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_foreign_file(app, name):
    """Beside the flags, in Run, over a flag; it is left alone, or put aside, and no press."""
    where = os.path.join(os.fsencode(app.share), b"Apache")
    put(app, ".", name)
    put(app, "Run", name)
    app.by("alice", lambda: os.rename(os.path.join(where, name),
                                      os.path.join(where, b"Deploy.txt")))
    wait_for(lambda: any(b"put aside" in n for n in listed(app)), "it is put aside", dump=app.dump)
    app.wait_state("Apache", "Deploy", "")
    app.never_ran("Deploy")
    everywhere_tame(app)


def test_names_that_are_one_name_to_flagman(app):
    """Payloads that differ in case or spelling are two payloads, and both come back."""
    names = [b"ger\xc3\xa4t.war", unicodedata.normalize("NFD", "gerät.war").encode(),
             "GERÄT.WAR".encode()]
    for name in names:
        put(app, "In", name, name)
    app.wait_ran("Deploy", 3)
    wait_for(lambda: len(listed(app, "In", "Returned")) == 3, "all come back", dump=app.dump)
    found = [environment(app, run.run)[b"FLAGMAN_PAYLOAD_NAME"] for run in app.ran("Deploy")]
    assert sorted(found) == sorted(names)
    everywhere_tame(app)


@pytest.mark.root
def test_an_owner_without_a_name(app):
    """FLAGMAN_USER is empty, never a number; and nobody else's name."""
    path = app.share / "Apache" / "In" / "app.war"
    new = app.share / "Apache" / "new"
    new.write_bytes(b"content")
    os.chown(new, 54321, 54321)
    new.rename(path)
    app.wait_ran("Deploy", 1)
    app.wait_state("Apache", "Deploy", "Done")
    assert environment(app, 1)[b"FLAGMAN_USER"] == b""
    assert json.loads(app.cli("history", "--json", check=0).stdout)[0].get("user") in (None, "")
