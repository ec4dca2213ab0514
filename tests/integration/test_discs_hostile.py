# SPDX-License-Identifier: GPL-2.0-or-later
"""Discs in a share, among people and programs that are in the way, by chance or on purpose."""

import os
import shutil

import pytest
import test_discs
from boards import QUICK
from lib.waiting import wait_for
from test_discs import burned, dvd, folder, history, pressed

iso = test_discs.iso


def on_the_way(result, kind, target):
    if kind == "directory":
        result.mkdir()
    elif kind == "link":
        result.symlink_to(target)
    else:
        os.mkfifo(result)


@pytest.mark.parametrize("kind", ("directory", "link", "fifo"))
def test_something_in_the_result_s_place(inst, iso, test_dir, kind):
    """It stays, and the log says what could not be written; the history has it."""
    dvd(inst)
    target = test_dir / "target"
    target.write_text("theirs")
    result = folder(inst) / "lab.iso.result.txt"
    inst.by("alice", lambda: on_the_way(result, kind, target))
    before = result.lstat()
    mark = inst.mark()
    burned(inst, iso)
    inst.wait_log("lab.iso.result.txt can't be written", mark)
    assert result.lstat().st_ino == before.st_ino and target.read_text() == "theirs"
    assert history(inst)[0]["disc"]["verdict"] == "matches"


@pytest.mark.root
def test_a_result_of_somebody_s_own(inst):
    """A file that only has such a name is a payload like any other."""
    inst.define("Lab", """
- name: Read
  command: /bin/sh -c 'cat "$FLAGMAN_PAYLOAD"'
  drop: {folder: In, accept: ['*.txt'], settle: 150ms}
""", group=QUICK)
    inst.start()
    inst.wait_state("Lab", "Read", "")
    inst.drop("Lab", "In", "sample.result.txt", "42 mg")
    inst.wait_text("Lab", "Read", "^Done.*42 mg")


@pytest.mark.parametrize("kind", ("directory", "link", "fifo"))
def test_something_else_in_place_of_what_was_burned(inst, iso, kind):
    """The agent's user may put there what it likes: root does not follow it, nor wait for it."""
    disc = dvd(inst, burn="verify: no")
    burned(inst, iso)
    discs = inst.state / "agent" / "discs"
    discs.rename(discs.with_name("elsewhere"))
    on_the_way(discs, kind, "elsewhere")
    assert "there is nothing to compare with" in pressed(inst, "Verify", "Failed")
    if kind == "directory":
        discs.rmdir()
    disc.write_bytes(b"")
    burned(inst, iso, name="again.iso")  # what comes next puts it right
    assert "the disc matches again.iso as it was burned" in pressed(inst, "Verify", "Done")


LIAR = """#!/usr/bin/python3
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
def record(**values):
    s.send(b"X_FLAGMAN_DISC=" + "\\t".join(f"{k}={v}" for k, v in values.items()).encode())
record(verb="burn", verdict="matches", image="A" * 100_000)
for n in range(500):
    record(verb="burn", verdict="matches", sha256="a" * 64, length=n, image="\\x1b[31m%s%n" * 90)
waited = []
for n in range(20):
    end, other = os.pipe()
    socket.send_fds(s, [b"BARRIER=1"], [other] * 200)
    os.close(other)
    waited.append(end)
for end in waited:
    os.read(end, 1)
record(verb="burn", verdict="spoiled", sha256="../../etc/passwd", length=2**63 - 1, speed=2**63 - 1,
       id="x", media="\\x1b[2J", image="../../" + "\\xff" * 400)
s.send(b"STATUS=\\xff\\x1b[2Jwhat a disc")
"""


def test_a_program_that_floods_and_lies(inst, iso):
    """What it says is believed as far as it fits, and made harmless; the last record counts."""
    programs = inst.root / "bin"
    shutil.copytree(inst.bin, programs)
    (programs / "flagman-disc").write_text(LIAR)
    (programs / "flagman-disc").chmod(0o755)
    inst.bin = programs
    dvd(inst)
    text = burned(inst, iso)
    assert text.startswith("Done: ? [2Jwhat a disc"), text
    run, = history(inst)
    assert run["disc"]["verdict"] == "spoiled" and run["disc"]["length"] == 2**63 - 1
    assert not run["disc"]["sha256"] and not run["disc"]["id"]
    assert run["disc"]["image"].startswith("../../")
    assert not (inst.state / "agent" / "discs").exists()
    result = folder(inst) / "lab.iso.result.txt"
    wait_for(result.exists, "the result is beside", dump=inst.dump)
    for told in (result.read_text(), inst.cli("history", "--disc", check=0).stdout):
        assert "\x1b" not in told and "spoiled" in told
