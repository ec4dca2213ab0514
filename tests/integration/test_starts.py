# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs that cannot start: why stands in the flag, in words, and in the history.

The runner ends them with a status of systemd.exec(5).  200, 201, 203 and 205 can be provoked from
outside.  The others are system calls that do not fail for a process with its rights: 202
(descriptors), 207 (signals), 209 and 222 (output), 216 and 217 (group, user), 218 (capabilities;
the executor has refused them before), 219 (cgroup), 220 (session), 227 (no-new-privileges).
"""

import json
import os
import pwd
import re
import subprocess

import pytest
from boards import QUICK

GONE = "No such file or directory"
DENIED = "Permission denied"


def refused(inst, actions, words, code, name="Go"):
    """ACTIONS' NAME does not start; its text has WORDS, and so has the history.  Its text."""
    inst.define("Apache", actions, group=QUICK)
    if inst.process is None:
        inst.start()
    inst.wait_state("Apache", name, "")
    return does_not_start(inst, words, code, name)


def does_not_start(inst, words, code, name="Go"):
    inst.press_delete("Apache", name)
    inst.wait_state("Apache", name, "Failed")
    inst.wait_text("Apache", name, f"^Failed: {words}")
    text = inst.text("Apache", name)
    for word in ("Started", "Took", "It wrote nothing", "exit status"):
        assert word not in text, text
    row = json.loads(inst.cli("history", "--json", check=0).stdout)[0]
    assert (row["state"], row["exit-status"], row["started"]) == ("failed", code, None)
    line = " ".join(inst.cli("history", check=0).stdout.splitlines()[1].split())
    assert re.search(words, line), line
    assert not inst.ran(name)
    return text


def could_not_start(inst, program, error, code=203, keys=""):
    refused(inst, f"- name: Go\n  command: {program}\n{keys}",
            f"could not start: {re.escape(str(program).split()[0])}: {error}", code)


# --- 203: the program ---

def executable(inst, content, name="program"):
    path = inst.root / name
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("content, error", [
    (b"#!/not/there\n", GONE),
    (b"echo a script without its first line\n", "Exec format error"),
    (b"", "Exec format error"),
    # of a machine that nobody has: EM_NONE
    (b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\0\0\1\0\0\0" + bytes(100), "Exec format error"),
    (b"#!/etc\n", DENIED),
], ids=["interpreter", "text", "empty", "machine", "directory"])
def test_a_program_that_is_none(inst, content, error):
    could_not_start(inst, executable(inst, content), error)


def test_a_program_that_is_a_directory(inst):
    could_not_start(inst, inst.out, DENIED)


def test_a_program_below_a_file(inst):
    could_not_start(inst, executable(inst, b"") / "below", GONE)


def test_a_program_that_went_meanwhile(inst):
    """And another try finds it again."""
    path = executable(inst, b"#!/bin/sh\necho here I am\n")
    inst.define("Apache", f"- name: Go\n  command: {path}\n", group=QUICK)
    inst.start()
    inst.wait_state("Apache", "Go", "")
    kept = path.rename(path.with_name("kept"))
    does_not_start(inst, f"could not start: {path}: {GONE}", 203)
    kept.rename(path)
    inst.press_delete("Apache", "Go")
    inst.wait_state("Apache", "Go", "Done")
    inst.wait_text("Apache", "Go", "here I am")


@pytest.mark.root
def test_a_program_that_others_may_not_reach(inst):
    (inst.root / "closed").mkdir(mode=0o700)
    could_not_start(inst, executable(inst, b"#!/bin/sh\n", "closed/program"), DENIED)


@pytest.mark.root
def test_a_program_on_a_noexec_file_system(inst):
    disk = inst.root / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,mode=755", "tmpfs", disk], check=True)
    try:
        could_not_start(inst, executable(inst, b"#!/bin/sh\n", "disk/program"), DENIED)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_too_many_arguments(inst):
    """With a small stack the kernel takes 128 KiB with all that points to them."""
    words = "[" + ", ".join(["/bin/true"] + ["x" * 124] * 1000) + "]"
    refused(inst, f"- name: Go\n  command: {words}\n  limit-stack: 64KiB\n",
            "could not start: /bin/true: Argument list too long", 203)


def test_three_megabytes_of_arguments(inst):
    """More than a run's specification holds: nobody is asked to start it."""
    refused(inst, "- name: Go\n  command: [/bin/true, " + "x" * 3_000_000 + "]\n",
            "refused: can't describe the run: Argument list too long", None)


def test_three_megabytes_of_environment(inst):
    pairs = ", ".join(f"V{n}: {'x' * 12000}" for n in range(250))
    refused(inst, f"- name: Go\n  command: /bin/true\n  environment: {{{pairs}}}\n",
            "refused: can't describe the run: Argument list too long", None)


# --- 200: the working directory ---

def in_directory(inst, path, error):
    refused(inst, f"- name: Go\n  command: /bin/true\n  working-directory: {path}\n",
            f"could not start: {path}: {error}", 200)


def test_a_working_directory_that_is_not_there(inst):
    in_directory(inst, inst.root / "nowhere", GONE)


def test_a_working_directory_that_is_a_file(inst):
    in_directory(inst, executable(inst, b""), "Not a directory")


@pytest.mark.root
def test_a_working_directory_of_somebody_else(inst):
    """It is entered with the rights of the command's user."""
    (inst.root / "closed").mkdir(mode=0o700)
    in_directory(inst, inst.root / "closed", DENIED)


@pytest.mark.root
def test_a_home_that_is_not_there(inst):
    refused(
        inst, "- name: Go\n  command: /bin/true\n  working-directory: '~'\n",
        f"could not start: /nonexistent: {GONE}", 200)


# --- 201, 205: nice, limits ---

def test_a_limit_that_nobody_can_have(inst):
    """Not even root: /proc/sys/fs/nr_open."""
    refused(inst, "- name: Go\n  command: /bin/true\n  limit-nofile: 2147483647\n",
            "could not start: limits: Operation not permitted", 205)


@pytest.fixture
def mine(theirs):
    """Alice's, where the tests are root's: who may do less than root."""
    def define(actions):
        theirs.define("Apache", actions, group=QUICK)
        for path in theirs.conf.iterdir():
            if os.geteuid() == 0:
                os.chown(path, pwd.getpwnam(theirs.people.alice).pw_uid, -1)
        theirs.start()
        theirs.wait_state("Apache", "Go", "")
        return theirs
    return define


def test_nice_that_is_not_allowed(mine):
    inst = mine("- name: Go\n  command: /bin/true\n  nice: -5\n")
    does_not_start(inst, f"could not start: nice: {DENIED}", 201)


def test_a_limit_above_the_hard_one(mine, theirs):
    theirs.wrapper += ["prlimit", "--fsize=1048576"]
    inst = mine("- name: Go\n  command: /bin/true\n  limit-fsize: 2MiB\n")
    does_not_start(inst, "could not start: limits: Operation not permitted", 205)


# --- refused before: capabilities, environment-file ---

@pytest.mark.root
def test_a_capability_that_flagmand_has_not(inst):
    inst.wrapper = ["setpriv", "--bounding-set", "-net_bind_service"]
    refused(inst, "- name: Go\n  command: /bin/true\n"
                  "  ambient-capabilities: [CAP_NET_BIND_SERVICE]\n",
            "refused: flagmand does not hold net_bind_service itself", None)


def with_file(inst, path, words):
    refused(inst, f"- name: Go\n  command: /bin/true\n  environment-file: {path}\n",
            f"refused: environment-file {path}: {words}", None)


@pytest.mark.parametrize("content, words", [
    ("NAME=value\nno such line\n", "a line is not NAME=value"),
    ("2ND=digit first\n", "a line is not NAME=value"),
    ("NAME='no end\n", "a line is not NAME=value"),
    ("A=" + "x" * 70000, "File too large"),
], ids=["line", "name", "quote", "size"])
def test_an_environment_file_with_bad_lines(inst, content, words):
    path = inst.root / "environment"
    path.write_text(content, encoding="ascii")
    with_file(inst, path, words)


def test_an_environment_file_that_others_may_write(inst):
    path = inst.root / "environment"
    path.write_text("A=1\n", encoding="ascii")
    path.chmod(0o666)
    with_file(inst, path, "others may write to it")


def test_an_environment_file_that_is_a_directory(inst):
    with_file(inst, inst.out, "Is a directory")


def test_an_environment_file_that_is_no_file(inst):
    """It is not waited for, either."""
    path = inst.root / "fifo"
    os.mkfifo(path, 0o600)
    with_file(inst, path, "it is no regular file")


@pytest.mark.ordinary
def test_an_environment_file_that_nobody_can_read(inst):
    path = inst.root / "environment"
    path.write_text("A=1\n", encoding="ascii")
    path.chmod(0)
    with_file(inst, path, DENIED)


# --- who it is ---

@pytest.fixture
def somebody(people):
    """A user and a group, who may go before the test does."""
    name = people.runner.replace("runner", "gone")

    def remove():
        for command in ("userdel", "groupdel"):
            subprocess.run([command, name], check=False, capture_output=True)
    subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
                    "/nonexistent", name], check=True)
    yield name, remove
    remove()


@pytest.mark.root
def test_a_user_who_was_removed(inst, somebody):
    """Who that is was looked up with the configuration, and no press asks for it again; but then
    the action is wrong, also in the last version that was good."""
    name, remove = somebody
    inst.define("Apache", f"- name: Go\n  command: /usr/bin/id -u\n  user: {name}\n"
                          f"  group: {name}\n", group=QUICK)
    uid = pwd.getpwnam(name).pw_uid
    inst.start()
    inst.wait_state("Apache", "Go", "")
    remove()
    inst.press_delete("Apache", "Go")
    inst.wait_state("Apache", "Go", "Done")
    inst.wait_text("Apache", "Go", rf"\b{uid}\b")
    for again in (inst.reload, inst.restart):
        again()
        inst.wait_state("Apache", "Go", "Misconfigured")
        inst.wait_text("Apache", "Go", f'there is no user "{name}" on this machine')
    inst.press_delete("Apache", "Go")
    inst.wait_state("Apache", "Go", "Misconfigured")
    assert len(json.loads(inst.cli("history", "--json", check=0).stdout)) == 1
