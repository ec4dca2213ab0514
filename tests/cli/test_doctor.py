# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman doctor: each thing that it can find, found; and nothing where all is well."""

import grp
import json
import os
import pwd
import stat
import subprocess

import pytest

from fake_agent import EX_NOPERM, HEALTH, STATUS
from network_mount import network_mount
from snippets import GROUP, PRESSER, ROOT, shipped, snippet


class Patient:
    """A machine in good health: service, directory, share.  Tests make it ill."""

    def __init__(self, cli, agent, tmp):
        self.cli = cli
        self.agent = agent
        self.share = tmp / "share"
        self.share.mkdir(mode=0o755)
        self.object = self.share / "Apache"
        self.options = dict(shipped("group"), path=str(self.share))
        self.sections = {}
        self.smb_conf = tmp / "smb.conf"
        self.tmp = tmp

    def prepare(self, **how):
        self.cli.snippet("apache.yaml", snippet("Apache", str(self.share), **how))
        access = how.get("access", "group")
        self.object.mkdir(exist_ok=True)
        if ROOT:
            os.chown(self.object, self.owner(access), self.gid())
        self.object.chmod(0o755 if access == "press-only" else 0o770)
        (self.object / "Go.txt").touch()
        self.agent.add("Apache", "Go", path=str(self.object), file_name="Go.txt")
        return self

    @staticmethod
    def gid():
        return grp.getgrnam(GROUP).gr_gid

    @staticmethod
    def owner(access):
        if access != "press-only" or not ROOT:
            return os.geteuid()
        try:
            return pwd.getpwnam("flagman").pw_uid
        except KeyError:
            return 65534

    def look(self, *args):
        """(findings as [(area, message, advice)], areas that were not seen)"""
        sections = self.sections or {"flags": self.options}
        self.smb_conf.write_text("[global]\n" + "".join(
            f"[{name}]\n" + "".join(f"  {k} = {v}\n" for k, v in options.items())
            for name, options in sections.items()), encoding="utf-8")
        line = ("doctor", "--smb-conf", self.smb_conf, *args)
        done = subprocess.run(self.cli.line("--json", *line), env=self.cli.env, timeout=60,
                              capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        found = json.loads(done.stdout)
        assert found["ok"] == (not found["findings"]) == (done.returncode == 0)
        return ([(f["area"], f["message"], f["advice"]) for f in found["findings"]],
                [f["area"] for f in found["unseen"]])

    def only(self, *args):
        """The one finding."""
        findings, _ = self.look(*args)
        assert len(findings) == 1, findings
        return findings[0]


@pytest.fixture
def patient(cli, agent, tmp_path):
    return Patient(cli, agent, tmp_path)


def test_all_is_well(patient):
    findings, unseen = patient.prepare().look()
    assert findings == []
    if ROOT:
        assert unseen == []
        done = patient.cli("doctor", "--smb-conf", patient.smb_conf)
        assert done.stdout == "all is well\n"


def test_one_line_each(patient):
    patient.prepare()
    patient.options["oplocks"] = "yes"
    patient.options["read only"] = "yes"
    patient.look()
    lines = patient.cli("doctor", "--smb-conf", patient.smb_conf, status=1).stdout.splitlines()
    assert lines[0].startswith("share: [flags] has oplocks = yes") and "oplocks = no" in lines[0]
    assert [line for line in lines if line.endswith("things to mend")] == ["2 things to mend"]


# --- the service ---

def test_service_not_running(patient):
    patient.prepare()
    patient.agent.close()
    area, message, advice = patient.only()
    assert area == "service" and "not running" in message and "flagmand --run-dir" in advice


def test_service_that_does_not_answer(patient):
    patient.prepare()
    for kind in (HEALTH, STATUS):
        patient.agent.answers[kind] = lambda _, c: c.end(EX_NOPERM, "no")
    findings, unseen = patient.look()
    assert findings == [] and unseen.count("service") >= 2


@pytest.mark.parametrize("facts,area,words", [
    ([("watches", "10"), ("watches-failed", "3")], "limits", "3 directories"),
    ([("descriptors-held", "30"), ("descriptors-budget", "30")], "limits", "all 30 descriptors"),
    ([("directories-unusable", "2")], "directory", "2 of the directories"),
    ([("trouble", "the disk is full")], "service", "the disk is full")])
def test_what_the_service_knows(patient, facts, area, words):
    patient.prepare().agent.facts = facts
    found = patient.only()
    assert found[0] == area and words in found[1]


def test_healthy_facts(patient):
    patient.prepare().agent.facts = [("watches", "10"), ("watches-failed", "0"),
                                     ("descriptors-held", "10"), ("descriptors-budget", "30"),
                                     ("directories-unusable", "0"), ("later", "unknown")]
    assert patient.look()[0] == []


def test_missing_flag(patient):
    patient.prepare()
    (patient.object / "Go.txt").unlink()
    assert patient.only() == ("service", f"the flag of Apache/Go is missing from {patient.object}",
                              "flagman restore 'Apache'")
    patient.agent.actions[0].file_name = b""
    assert "is missing" in patient.only()[1]
    patient.agent.actions[0].state = 1  # pressed: its flag is on its way
    assert patient.look()[0] == []


# --- the configuration ---

def test_mistakes(patient):
    patient.prepare().cli.snippet("bad.yaml", "object: Bad\nnonsense: yes\n")
    findings, _ = patient.look()
    assert any(area == "configuration" and "bad.yaml:2:1: " in message
               for area, message, _ in findings)


def test_conf_dir_that_others_may_write(patient):
    patient.prepare().cli.conf_dir.chmod(0o777)
    findings, _ = patient.look()
    assert any("others may write to" in message and "chmod go-w" in (advice or "")
               for _, message, advice in findings)


@pytest.mark.root
def test_conf_dir_that_belongs_to_somebody(patient):
    os.chown(patient.prepare().cli.conf_dir, 65534, -1)
    findings, _ = patient.look()
    assert any("belongs to nobody" in message for _, message, _ in findings)


def test_no_configuration(patient, cli):
    cli.conf_dir.rmdir()
    assert patient.only()[1].endswith("No such file or directory")


# --- directories ---

def test_directory_with_the_wrong_mode(patient):
    patient.prepare().object.chmod(0o777)
    area, message, _ = patient.only()
    assert area == "directory" and "has mode 0777, not 0770" in message


@pytest.mark.root
def test_directory_with_the_wrong_owner(patient):
    os.chown(patient.prepare().object, 65534, 65534)
    messages = [message for _, message, _ in patient.look()[0]]
    assert any("belongs to nobody, not root" in m for m in messages)
    assert any(f"has group nogroup, not {GROUP}" in m for m in messages)


def test_directory_that_is_not_there(patient):
    (patient.prepare().object / "Go.txt").unlink()
    patient.object.rmdir()
    patient.agent.actions.clear()
    assert "Apache: No such file" in patient.only()[1]
    patient.share.rmdir()
    assert "does not exist" in patient.only()[1]


def test_something_else_in_its_place(patient):
    (patient.prepare().object / "Go.txt").unlink()
    patient.object.rmdir()
    patient.object.symlink_to("/tmp")
    patient.agent.actions.clear()
    assert "is no directory" in patient.only()[1]


def test_share_that_everybody_may_write(patient):
    patient.prepare().share.chmod(0o777)
    findings, _ = patient.look()
    assert any(str(patient.share) in message for _, message, _ in findings), findings


@pytest.mark.root
def test_directory_on_a_network(patient):
    patient.prepare()
    with network_mount(patient.share):
        findings, _ = patient.look()
    assert ("directory",
            f"{patient.share} is on FUSE: what other machines do there is not seen here",
            "run flagman on the machine that has the disk, and smbd beside it") in findings


@pytest.mark.root
def test_directory_that_is_mounted_read_only(patient):
    patient.prepare()
    share = str(patient.share)
    subprocess.run(["mount", "--bind", share, share], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", share], check=True)
        assert patient.only() == (
            "directory", f"{share} is mounted read-only, so no flag can change",
            "remount it read-write")
    finally:
        subprocess.run(["umount", "--lazy", share], check=True)


@pytest.mark.root
def test_press_only_without_its_acl(patient):
    patient.options.update(shipped("press-only"))
    area, message, _ = patient.prepare(access="press-only").only()
    assert area == "directory" and "has no NT ACL" in message
    os.setxattr(patient.object, "security.NTACL", b"x")
    assert patient.look()[0] == []


# --- the share ---

@pytest.mark.parametrize("change,words", [
    ({"oplocks": "yes"}, "oplocks = yes"),
    ({"kernel oplocks": "yes"}, "kernel oplocks = yes"),
    ({"csc policy": "manual"}, "csc policy = manual"),
    ({"csc policy": None}, "csc policy = manual"),
    ({"read only": None}, "read only = yes"),
    ({"follow symlinks": None}, "follow symlinks = yes"),
    ({"store dos attributes": None}, "store dos attributes = yes"),
    ({"veto files": "/._*/"}, "does not hide .flagman"),
    ({"veto files": None}, "does not hide .flagman"),
    ({"vfs objects": "full_audit recycle"}, "has recycle"),
    ({"vfs objects": "acl_xattr full_audit"}, "acl_xattr before full_audit"),
    ({"path": "/srv/elsewhere"}, "no share of smb.conf has"),
])
def test_share_options(patient, change, words):
    patient.prepare().options.update(change)
    patient.options = {k: v for k, v in patient.options.items() if v is not None}
    area, message, advice = patient.only()
    assert area == "share" and words in message and advice


@pytest.mark.parametrize("change,words", [
    ({"vfs objects": None}, "lacks full_audit"),
    ({"full_audit:prefix": "%u|%I"}, "full_audit:prefix = %u|%I, so"),
    ({"full_audit:prefix": None}, "full_audit:prefix = (none), so"),
    ({"full_audit:success": "unlinkat"}, "does not record renameat"),
    ({"full_audit:syslog": "false"}, "does not come to the journal"),
])
def test_samba_audit(patient, change, words):
    patient.prepare().options.update(change)
    patient.options = {k: v for k, v in patient.options.items() if v is not None}
    findings, _ = patient.look()
    assert findings == []  # not set: nobody reads it
    (patient.cli.conf_dir.parent / "flagman.yaml").write_text("samba-audit: journal\n")
    area, message, advice = patient.only()
    assert area == "share" and words in message and advice


@pytest.mark.parametrize("change", [
    {}, {"full_audit:prefix": "%U|%I|%m|%S"}, {"full_audit:success": "all"},
    {"full_audit:syslog": None}])
def test_samba_audit_that_is_well(patient, change):
    patient.prepare().options.update(change)
    patient.options = {k: v for k, v in patient.options.items() if v is not None}
    (patient.cli.conf_dir.parent / "flagman.yaml").write_text("samba-audit: journal\n")
    assert patient.look()[0] == []


def test_samba_audit_in_a_file(patient):
    patient.prepare().options["full_audit:syslog"] = "false"
    (patient.cli.conf_dir.parent / "flagman.yaml").write_text("samba-audit: /var/log/samba/log\n")
    assert patient.look()[0] == []


def test_oplocks_of_both_kinds(patient):
    patient.prepare().options.update({"oplocks": "yes", "level2 oplocks": "yes"})
    assert ["oplocks = yes" in m for _, m, _ in patient.look()[0]] == [True, True]


def test_wide_links(patient):
    patient.prepare().options.update({"wide links": "yes"})
    patient.sections = {"global": {"allow insecure wide links": "yes"}, "flags": patient.options}
    assert "wide links = yes" in patient.only()[1]


def test_veto_of_macos_files_with_a_drop_folder(patient):
    drop = "    - {name: Go, command: /usr/bin/true, drop: {folder: In, accept: ['*']}}\n"
    assert "vetoes ._*" in patient.prepare(actions=drop).only()[1]


@pytest.mark.root
def test_press_only_share(patient):
    patient.prepare(access="press-only")
    os.setxattr(patient.object, "security.NTACL", b"x")
    messages = [message for _, message, _ in patient.look()[0]]
    assert len(messages) == 3 and "lacks acl_xattr" in messages[0]


def test_the_nearest_share_counts(patient):
    """[other] covers it too, from further above; [homes] and [global] have no path."""
    patient.prepare()
    patient.sections = {"other": {"path": str(patient.share.parent), "oplocks": "yes"},
                        "homes": {"read only": "no"}, "flags": patient.options}
    assert patient.look()[0] == []
    patient.sections = {"all": {"path": "/", "read only": "no"}}
    assert all("[all]" in m for _, m, _ in patient.look()[0])
    patient.sections = {"near": {"path": str(patient.share)[:-1]}}
    assert "no share of smb.conf" in patient.only()[1], "a name that begins alike is another's"


def test_settings_of_global_count(patient):
    patient.prepare().options.pop("oplocks")
    patient.sections = {"global": {"oplocks": "no"}, "flags": patient.options}
    assert patient.look()[0] == []


def test_without_testparm(patient):
    patient.prepare()
    patient.cli.env["PATH"] = "/nonexistent"
    findings, unseen = patient.look()
    assert findings == [] and "share" in unseen


# --- limits, and people ---

def test_user_in_the_group(patient):
    assert patient.prepare().look("--user", PRESSER)[0] == []


def test_user_not_in_the_group(patient):
    area, message, advice = patient.prepare().only("--user", "games")
    assert area == "user" and f"games is not in group {GROUP}" in message
    assert advice.startswith(f"usermod -aG {GROUP} games")
    assert "there is no user nosuchuser" in patient.only("--user", "nosuchuser")[1]


def test_it_changes_nothing(patient):
    patient.prepare().object.chmod(0o700)
    before = {p: p.lstat()[:7] + (p.lstat().st_mtime_ns,)
              for p in [patient.object, *patient.object.rglob("*"), patient.share]}
    patient.look()
    assert before == {p: p.lstat()[:7] + (p.lstat().st_mtime_ns,) for p in before}
    assert stat.S_IMODE(patient.object.stat().st_mode) == 0o700
