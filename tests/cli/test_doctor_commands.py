# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman doctor and commands: what would keep one from starting when it is pressed."""

import os
import shutil
import stat
import subprocess

import pytest

from snippets import ROOT

WHO = "nobody" if ROOT else os.popen("id -un").read().strip()


def script(patient, text="#!/bin/sh\n", mode=0o755, where=None):
    path = (where or patient.public) / "tool"
    path.write_text(text, newline="")
    path.chmod(mode)
    return path


def test_command_that_is_well(patient):
    assert patient.command(f"command: {script(patient)}").look()[0] == []
    patient.command("script: 'true'")
    assert patient.look()[0] == []


def test_program_that_is_missing(patient):
    patient.command("command: /usr/local/bin/nosuchtool --all")
    assert patient.only() == (
        "command", "Apache/Go: /usr/local/bin/nosuchtool: No such file or directory",
        "install it, or write its right path")


def test_program_that_is_none(patient):
    assert patient.command("command: /usr/bin").only()[1] == "Apache/Go: /usr/bin is no program"


def test_program_that_is_not_executable(patient):
    path = script(patient, mode=0o644)
    assert patient.command(f"command: {path}").only() == (
        "command", f"Apache/Go: {path} can't be executed by {WHO} (mode 0644)",
        f"chmod a+rx '{path}'")


@pytest.mark.root
def test_program_of_somebody_else(patient):
    path = script(patient, mode=0o750)
    area, message, advice = patient.command(f"command: {path}").only()
    assert area == "command" and f"can't be executed by {WHO} (mode 0750)" in message
    assert advice.startswith(f"chmod o+rx '{path}'")
    subprocess.run(["setfacl", "-m", f"u:{WHO}:rx", path], check=True)
    assert patient.look()[0] == []


@pytest.mark.root
def test_program_that_a_group_opens(patient):
    """supplementary-groups and group are the command's; its user's own in the data base are not."""
    path = script(patient, mode=0o750)
    os.chown(path, 0, 12)
    assert "can't be executed" in patient.command(f"command: {path}").only()[1]
    for how in ("group: man", "supplementary-groups: [man]"):
        assert patient.command(f"command: {path}", how).look()[0] == []


@pytest.mark.root
def test_program_in_a_directory_that_is_shut(patient):
    shut = patient.public / "shut"
    shut.mkdir(mode=0o700)
    path = script(patient, where=shut)
    area, message, advice = patient.command(f"command: {path}").only()
    assert area == "command"
    assert message == f"Apache/Go: nobody, who runs {path}, may not pass {shut}"
    assert advice == f"chmod o+x '{shut}', or setfacl -m u:nobody:x '{shut}'"


@pytest.mark.root
def test_program_on_noexec(patient):
    path = script(patient)
    mount = f"mount --bind {path} {path}; mount -o remount,bind,noexec {path}"
    area, message, _ = patient.command(f"command: {path}").only(sick=mount)
    assert area == "command" and "mounted noexec" in message


@pytest.mark.parametrize("text,words", [
    ("#!/bin/sh\r\necho\r\n", "end as Windows ends them"),
    ("#!/usr/bin/nosuchinterpreter -x\n", "wants /usr/bin/nosuchinterpreter, which is not there"),
    ("#! /bin/sh\n", None), ("#!/usr/bin/env python3\n", None), ("#!", None), ("\r\n", None)])
def test_first_line(patient, text, words):
    patient.command(f"command: {script(patient, text)}")
    if not words:
        assert patient.look()[0] == []
        return
    area, message, advice = patient.only()
    assert area == "command" and words in message and advice


def test_same_program_many_times(patient):
    """It is said once for each user."""
    actions = "".join(f"    - {{name: {n}, command: [/nosuchtool, {n}]}}\n"
                      for n in ("Go", "Come", "Stay"))
    patient.prepare(actions=actions)
    assert len(patient.of("command")) == 1


# --- around it ---

@pytest.mark.parametrize("name,words", [("nowhere", "No such file"), ("file", "is none")])
def test_working_directory(patient, name, words):
    (patient.public / "file").touch()
    patient.command("command: /bin/true", f"working-directory: {patient.public}/{name}")
    area, message, advice = patient.only()
    assert area == "command" and words in message and "working-directory" in message and advice


@pytest.mark.root
def test_working_directory_that_is_shut(patient):
    shut = patient.public / "shut"
    shut.mkdir(mode=0o700)
    how = f"working-directory: {shut}"
    assert "may not enter working-directory" in patient.command("command: /bin/true", how).only()[1]
    shut.chmod(0o711)
    assert patient.look()[0] == []


@pytest.mark.root
def test_home_that_is_missing(patient):
    """That of nobody is /nonexistent."""
    patient.command("command: /bin/true", "working-directory: '~'")
    assert "working-directory /nonexistent: No such file" in patient.only()[1]


@pytest.mark.parametrize("mode,kind,words", [
    (None, "", "No such file or directory"), (0o666, "", "others may write to"),
    (0o755, "directory", "is no regular file"), (0o644, "", None), (None, "-", None)])
def test_environment_file(patient, mode, kind, words):
    path = patient.public / "defaults"
    if kind == "directory":
        path.mkdir()
    elif mode:
        path.touch()
    if mode:
        path.chmod(mode)
    sign = "-" if kind == "-" else ""
    patient.command("command: /bin/true", f"environment-file: {sign}{path}")
    if words:
        area, message, advice = patient.only()
        assert area == "command" and words in message and f"environment-file {path}" in message
        assert advice
    else:
        assert patient.look()[0] == []


@pytest.mark.root
def test_environment_file_of_a_stranger(patient):
    path = patient.public / "defaults"
    path.touch(mode=0o644)
    os.chown(path, 12345, -1)
    patient.command("command: /bin/true", f"environment-file: {path}")
    assert "others may write to" in patient.only()[1]


# --- units ---

def systemd(*units, masked=()):
    """Shell that boots it, as far as sd_booted(3) and files can tell."""
    return "\n".join(["mount -t tmpfs none /run; mkdir -p /run/systemd/system",
                      *(f">/run/systemd/system/{u}" for u in units),
                      *(f"ln -s /dev/null /run/systemd/system/{u}" for u in masked)])


@pytest.mark.root
@pytest.mark.parametrize("unit,there,missing", [
    ("flagman-probe", "flagman-probe.service", "flagman-probe.service"),
    ("flagman-probe.service", "flagman-probe.service", "flagman-probe.service"),
    ("flagman-probe@web", "flagman-probe@.service", "flagman-probe@web.service"),
    ("flagman-probe@web.service", "flagman-probe@web.service", "flagman-probe@web.service"),
])
def test_unit_that_systemd_has_not(patient, unit, there, missing):
    patient.command(f"restart-service: {unit}")
    assert patient.look(sick=systemd(there))[0] == []
    area, message, advice = patient.only(sick=systemd("flagman-probe-other.service"))
    assert area == "command" and message == f"Apache/Go: systemd has no {missing}"
    assert advice.startswith("systemctl list-unit-files")


@pytest.mark.root
def test_unit_that_is_masked(patient):
    patient.command("service: {unit: flagman-probe, verb: start}")
    assert patient.only(sick=systemd(masked=["flagman-probe.service"]))[1:] == (
        "Apache/Go: flagman-probe.service is masked", "systemctl unmask 'flagman-probe.service'")


@pytest.mark.root
def test_unit_without_a_file(patient):
    """A mount's, say, is made of /proc/mounts."""
    patient.command("restart-service: flagman-probe.mount")
    assert patient.look(sick=systemd())[0] == []


def test_service_without_systemd(patient):
    patient.command("restart-service: flagman-probe")
    if not os.path.exists("/run/systemd/system"):
        assert patient.of("command") == []


@pytest.mark.root
def test_sudo_that_is_not_installed(patient):
    """Of an ordinary user's service."""
    conf = patient.public / "conf.d"
    conf.mkdir()
    (conf / "a.yaml").write_text(
        "object: A\naction-group:\n"
        f"  directory: {{path: {patient.share}, group: games}}\n"
        "  actions:\n    - {name: Go, command: /usr/bin/true, via: sudo, user: root}\n")
    line = ["setpriv", "--reuid=games", "--regid=games", "--clear-groups", patient.cli.line()[0],
            "--run-dir", patient.public, "--conf-dir", conf]
    assert patient.of("command", line=line) == []
    assert patient.of("command", line=line, sick="mount --bind /dev/null /usr/bin/sudo") == [
        ("A/Go runs via sudo, which is not installed", "install sudo")]


# --- drives ---

SCSI_CDROM, LOOP = 11, 7


@pytest.fixture
def drive(patient):
    """What is enough of one to be looked at; there may be none behind it."""
    path = patient.public / "sr7"
    os.mknod(path, stat.S_IFBLK | 0o660, os.makedev(SCSI_CDROM, 7))
    os.chown(path, 0, 24)
    path.chmod(0o660)
    return path


def look(patient, name, how="group: '24'", what="burn", more="", **how_to_look):
    """Of the drive NAME, for which a directory of the test's is /dev/shm."""
    drop = ", drop: {folder: In, accept: ['*.iso']}" if what == "burn" else ""
    patient.command(f"{what}: {{device: /dev/shm/{name}}}{drop}", how)
    return patient.of("drive", sick=f"mount --bind {patient.public} /dev/shm\n{more}",
                      **how_to_look)


@pytest.mark.root
def test_drive_that_is_well(patient, drive):
    assert look(patient, drive.name) == []
    (patient.public / "cdrom").symlink_to(drive.name)
    assert look(patient, "cdrom") == []


@pytest.mark.root
def test_drive_that_its_user_may_not_open(patient, drive):
    assert look(patient, drive.name, "") == [
        ("Apache/Go: nobody may not open /dev/shm/sr7",
         "write in the action: group: cdrom; or supplementary-groups: [cdrom]")]
    drive.chmod(0o664)
    assert look(patient, drive.name, "", "verify") == []
    assert len(look(patient, drive.name, "")) == 1, "burning writes"


@pytest.mark.root
def test_drive_that_is_missing(patient):
    ((message, advice),) = look(patient, "sr97")
    assert message == "Apache/Go: /dev/shm/sr97: No such file or directory" and "lsblk" in advice


@pytest.mark.root
def test_drive_that_is_none(patient):
    path = patient.public / "disk"
    os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(LOOP, 0))
    ((message, advice),) = look(patient, "disk")
    assert message == "Apache/Go: /dev/shm/disk is no optical drive" and "lsblk" in advice
    path.unlink()
    path.touch()
    assert look(patient, "disk") == [(message, advice)]


@pytest.mark.root
def test_disc_tools_that_are_not_installed(patient, drive):
    """They are a package of their own."""
    program = patient.tmp / "flagman"
    shutil.copy(patient.cli.line()[0], program)
    away = "d=$(command -v flagman-disc || :); [ -z \"$d\" ] || mount --bind /dev/null \"$d\""
    line = [program, *patient.cli.line()[1:]]
    assert look(patient, drive.name, more=away, line=line) == [
        ("Apache/Go needs flagman-disc, which is not installed",
         "install the package flagman-disc")]
