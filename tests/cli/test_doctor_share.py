# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman doctor and smb.conf: each setting that breaks a press."""
import grp
import os
import subprocess

import pytest

from snippets import GROUP, PRESSER, ROOT, snippet

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
    ({"vfs objects": "full_audit fruit"}, "has fruit"),
    ({"vfs objects": "full_audit streams_xattr"}, "has streams_xattr"),
    ({"vfs objects": "streams_depot"}, "has streams_depot"),
    ({"vfs objects": "worm"}, "has worm: it forbids deleting"),
    ({"vfs objects": "readonly"}, "has readonly: it forbids deleting"),
    ({"vfs objects": "glusterfs"}, "has glusterfs"),
    ({"available": "no"}, "available = no, so nobody can connect"),
    ({"guest ok": "yes"}, "guest ok = yes"),
    ({"hide unwriteable files": "yes"}, "hide unwriteable files = yes, which hides every flag"),
    ({"hide new files timeout": "5"}, "hide new files timeout = 5"),
    ({"veto files": "/.flagman/*.txt/"}, "has *.txt in veto files"),
    ({"hide files": "/*.TXT/"}, "has *.TXT in hide files"),
    ({"force user": "games"}, "all who connect press as games"),
    ({"force group": GROUP}, "all who connect press as its members"),
    ({"read list": f"@{GROUP}"}, f"so group {GROUP} can delete nothing"),
    ({"invalid users": f"games, +{GROUP}"}, f"so group {GROUP} can't connect"),
    ({"valid users": "games"}, f"valid users = games, which leaves out group {GROUP}"),
    ({"vfs objects": "acl_xattr full_audit"}, "acl_xattr before full_audit"),
    ({"path": "/srv/elsewhere"}, "no share of smb.conf has"),
])
def test_share_options(patient, change, words):
    patient.prepare().options.update(change)
    patient.options = {k: v for k, v in patient.options.items() if v is not None}
    area, message, advice = patient.only()
    assert area == "share" and words in message and advice


def audit(patient, source):
    (patient.cli.conf_dir.parent / "flagman.yaml").write_text(f"samba-audit: {source}\n")


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
    audit(patient, "journal")
    ((message, advice),) = patient.of("share")
    assert words in message and advice


@pytest.mark.parametrize("change", [
    {}, {"full_audit:prefix": "%U|%I|%m|%S"}, {"full_audit:success": "all"},
    {"full_audit:syslog": None}])
def test_samba_audit_that_is_well(patient, change):
    patient.prepare().options.update(change)
    patient.options = {k: v for k, v in patient.options.items() if v is not None}
    audit(patient, "journal")
    assert patient.of("share") == []


def test_samba_audit_in_a_file(patient):
    patient.prepare().options["full_audit:syslog"] = "false"
    audit(patient, "/var/log/samba/log")
    assert patient.of("share") == []


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


@pytest.mark.parametrize("key", ["change notify", "kernel change notify"])
def test_windows_that_are_told_nothing(patient, key):
    patient.prepare().sections = {"global": {key: "no"}, "flags": patient.options}
    area, message, advice = patient.only()
    assert area == "share" and message.startswith(f"[global] has {key} = no, so clients' windows")
    assert advice == f"write: {key} = yes"


def test_settings_of_global_count(patient):
    patient.prepare().options.pop("oplocks")
    patient.sections = {"global": {"oplocks": "no"}, "flags": patient.options}
    assert patient.look()[0] == []


def test_without_testparm(patient):
    patient.prepare()
    patient.cli.env["PATH"] = "/nonexistent"
    findings, unseen = patient.look()
    assert findings == [] and "share" in unseen


def test_smb_conf_that_smbd_refuses(patient):
    patient.prepare()
    (patient.tmp / "broken.conf").write_text("[global]\n  include registry = what\n[flags\n")
    line = [*patient.cli.line(), "--smb-conf", str(patient.tmp / "broken.conf")]
    findings, unseen = patient.look(smb_conf=False, line=line)
    if ROOT:
        assert findings == [("share", "testparm refuses smb.conf, and so will smbd",
                             "testparm -s says why")]
    else:
        assert findings == [] and "share" in unseen


def stand_in(patient, text):
    """A testparm for PATH."""
    path = patient.tmp / "bin" / "testparm"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    patient.cli.env["PATH"] = f"{path.parent}:/usr/bin:/bin"


def test_testparm_that_hangs(patient):
    stand_in(patient.prepare(), "exec sleep 1000")
    assert patient.look() == ([], ["share"]) and "timed out" in patient.seen[0]


def test_testparm_that_complains(patient):
    """A directory of smbd's is missing, say: it exits with 1, and has read the file."""
    patient.prepare().set(oplocks="yes")
    stand_in(patient, 'PATH=/usr/bin:/bin testparm "$@"; exit 1')
    assert "oplocks = yes" in patient.only()[1]


# --- which share it is ---

def test_two_shares_of_one_directory(patient):
    """People come by each."""
    patient.prepare()
    old = {"path": f"{patient.share}/", "read only": "no"}
    patient.sections = {"flags": patient.options, "old": old}
    messages = [m for m, _ in patient.of("share")]
    assert messages and all(m.startswith("[old]") for m in messages)
    patient.sections = {"old": dict(patient.options), "flags": dict(old, oplocks="yes")}
    assert all(m.startswith("[flags]") for m, _ in patient.of("share"))


def test_share_by_a_symlink(patient):
    patient.prepare()
    (patient.tmp / "link").symlink_to(patient.public)
    patient.set(path=str(patient.tmp / "link" / "share"), oplocks="yes")
    assert "oplocks = yes" in patient.only()[1]


def test_share_with_a_macro(patient):
    """Whose directory it is depends on who connects."""
    patient.prepare().set(path=f"{patient.public}/%U")
    assert patient.look() == ([], ["share"]) and "%" in patient.seen[0]
    patient.set(path="/srv/%U", comment="%U")
    assert "no share of smb.conf has" in patient.only()[1]


def test_shares_of_objects(patient):
    """.flagman is not below them."""
    patient.prepare().set(path=str(patient.object), veto_files=None)
    assert patient.look()[0] == []
    patient.set(oplocks="yes")
    assert "oplocks = yes" in patient.only()[1]
    text = (patient.cli.conf_dir / "apache.yaml").read_text()
    patient.cli.snippet("web.yaml", text.replace("object: Apache", "object: Web"))
    assert ("no share of smb.conf has " f"{patient.share}/Web",
            "flagman samba prints a share for all of it") in patient.of("share")


@pytest.mark.root
def test_no_share_where_flagmand_writes_one(patient):
    """The system's flagmand; of a private one doctor does not know where its state is."""
    patient.prepare().set(path="/srv/elsewhere")
    line = [patient.cli.line()[0], "--conf-dir", patient.cli.conf_dir]
    made = "mount -t tmpfs none /var/lib; mkdir /var/lib/flagman; >/var/lib/flagman/samba.conf"
    missing = f"no share of smb.conf has {patient.share}"
    append = "flagman samba prints one; append it to smb.conf"
    assert patient.of("share", line=line, sick=made) == [
        (missing, "write at the end of smb.conf: include = /var/lib/flagman/samba.conf")]
    assert patient.of("share", line=line, sick="mount -t tmpfs none /var/lib") == [
        (missing, append)]
    assert patient.of("share", sick=made) == [(missing, append)]


@pytest.mark.root
def test_settings_of_a_share_that_is_called_otherwise_now(patient):
    """A second directory of its name has come, and with it the first one's limits have gone."""
    patient.prepare()
    line = [patient.cli.line()[0], "--conf-dir", patient.cli.conf_dir]
    made = "mount -t tmpfs none /var/lib; mkdir /var/lib/flagman; >/var/lib/flagman/samba.conf"
    left = "/etc/samba/flagman-share.conf"

    def findings():
        sick = patient.etc(f"echo 'hosts allow = ::1' >.{left.removeprefix('/etc')}", made)
        return [(m, a) for m, a in patient.of("share", line=line, sick=sick) if left in m]
    assert findings() == []
    patient.cli.snippet("web.yaml", snippet("Web", str(patient.public / "other/share")))
    (message, advice), other = findings()
    assert f"{patient.public}/other/share is called" in message + other[0]
    assert f"{patient.share} is called" in message + other[0]
    assert "/etc/samba/flagman-" in advice and advice != other[1]


# --- who may connect ---

@pytest.mark.parametrize("users", [
    f"@{GROUP}", f"games +{GROUP}", f'"@{GROUP}", games', f"&+{GROUP}", "@nosuchnetgroup",
    r"%S, @games", f"DOMAIN\\{GROUP} @DOMAIN\\{GROUP}", "@games"])
def test_valid_users_that_may_let_them_in(patient, users):
    """Of a group whose members are not listed nobody knows in what others they are."""
    assert patient.prepare().set(valid_users=users).look()[0] == []


@pytest.mark.root
def test_valid_users_one_by_one(patient):
    patient.prepare().set(valid_users="games, @man")
    sick = patient.with_members("games", "man")
    assert patient.look(sick=sick)[0] == []
    ((message, advice),) = patient.of("share", sick=patient.with_members("games", "man", "news"))
    assert message.endswith(f"so news of group {GROUP} can't connect")
    assert advice == f"add @{GROUP} to valid users"
    patient.set(valid_users=None, invalid_users="man")
    assert "so man can't connect" in patient.only(sick=sick)[1]


def test_valid_users_and_one_who_is_no_listed_member(patient):
    """PRESSER's own group it is; in the group's entry he does not stand."""
    patient.prepare().set(valid_users="@games")
    assert patient.of("share") == []
    ((message, _),) = patient.of("share", "--user", PRESSER)
    assert message.endswith(f"so {PRESSER} of group {GROUP} can't connect")


def test_read_list_and_write_list(patient):
    """Who is in both may write."""
    patient.prepare().set(read_list=f"@{GROUP}", write_list=f"@{GROUP}")
    assert patient.look()[0] == []


def test_flags_that_are_hidden(patient):
    """Only those that who presses can't read."""
    patient.prepare().set(hide_unreadable="yes")
    assert patient.look()[0] == []
    path = patient.cli.conf_dir / "apache.yaml"
    path.write_text(path.read_text().replace("  actions:", "  file: {mode: 0600}\n  actions:"))
    assert "hide unreadable = yes, which hides flags" in patient.only()[1]


def test_forced_group_of_those_who_may(patient):
    """With a +, or where only the group connects, it lets nobody else in."""
    patient.prepare().set(force_group=f"+{GROUP}")
    assert patient.look()[0] == []
    patient.set(force_group=GROUP, valid_users=f"@{GROUP}")
    assert patient.look()[0] == []


# --- smbd ---

ALONE = ("--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.mark.root
def test_smbd_that_does_not_run(patient):
    """Its processes are looked for; of another smb.conf it is another smbd."""
    patient.prepare()
    here = patient.etc(f"cp {patient.smb_conf} samba/smb.conf")
    assert patient.of("samba", sick=here, unshare=ALONE, smb_conf=False) == [
        ("smbd is not running here, so nobody sees the share", "systemctl enable --now smbd")]
    smbd = (f"cp /bin/sleep {patient.tmp}/smbd; {patient.tmp}/smbd 60 >/dev/null 2>&1 &\n"
            "until grep -qsx smbd /proc/[0-9]*/comm; do sleep 0.01; done")
    assert patient.of("samba", sick=f"{here}\n{smbd}", unshare=ALONE, smb_conf=False) == []
    assert patient.of("samba", sick="true", unshare=ALONE) == []
    gone = f"{here}; mount --bind /dev/null /usr/sbin/smbd"
    assert patient.look(sick=gone, unshare=ALONE, smb_conf=False) == ([], ["samba"])


@pytest.fixture
def private_samba(patient):
    patient.prepare()
    for name in ("private", "state"):
        (patient.tmp / name).mkdir()
    patient.sections = {"global": {
        "private dir": patient.tmp / "private", "state directory": patient.tmp / "state",
        "lock directory": patient.tmp / "state", "cache directory": patient.tmp / "state",
        "passdb backend": "tdbsam"}, "flags": patient.options}
    patient.write_smb_conf()
    return patient


@pytest.mark.root
def test_user_without_an_account(private_samba):
    assert private_samba.of("samba", "--user", "www-data") == [
        ("smbd has no account for www-data", "smbpasswd -a www-data")]
    subprocess.run(["pdbedit", "-s", private_samba.smb_conf, "-a", "-t", "-u", "www-data"],
                   input="secret\nsecret\n", text=True, check=True, capture_output=True)
    assert private_samba.look("--user", "www-data") == ([], [])


@pytest.mark.root
def test_accounts_that_are_not_known(private_samba):
    """Those of a domain; or pdbedit is missing, or has other troubles."""
    private_samba.sections["global"]["security"] = "ads"
    private_samba.sections["global"]["realm"] = "EXAMPLE.ORG"
    assert private_samba.of("samba", "--user", "www-data") == []
    del private_samba.sections["global"]["security"]
    private_samba.sections["global"]["private dir"] = "/dev/null/nowhere"
    findings, unseen = private_samba.look("--user", "www-data")
    assert findings == [] and unseen == ["samba"]


def test_accounts_take_root(private_samba):
    if not ROOT:
        me = private_samba.cli.env.get("USER") or os.popen("id -un").read().strip()
        assert "samba" in private_samba.look("--user", me)[1]


# --- samba-audit: what it reads ---

@pytest.mark.root
def test_log_that_flagman_may_not_read(patient):
    log = patient.public / "log"
    log.touch(mode=0o640)
    os.chown(log, 0, grp.getgrnam("adm").gr_gid)
    audit(patient.prepare(), log)
    known = patient.etc("sed -i /^flagman:/d passwd",
                        f"echo flagman:x:{patient.watcher()}:65534::/:/bin/false >>passwd")
    assert patient.of("samba", sick=known) == [
        (f"samba-audit: flagman may not read {log}",
         "adduser flagman adm; systemctl restart flagman")]
    log.chmod(0o644)
    assert patient.look(sick=known)[0] == []
    shut = patient.public / "shut"
    shut.mkdir(mode=0o700)
    (shut / "log").touch()
    audit(patient, shut / "log")
    assert patient.of("samba", sick=known) == [
        (f"samba-audit: flagman may not pass {shut}", f"setfacl -m u:flagman:x '{shut}'")]


def test_log_that_is_not_there(patient):
    audit(patient.prepare(), "/nonexistent/log")
    ((message, advice),) = patient.of("samba")
    assert message == "samba-audit: /nonexistent/log: No such file or directory"
    assert advice.startswith("testparm -sv")


@pytest.mark.root
def test_journal(patient):
    audit(patient.prepare(), "journal")
    journald = "mkdir -p /run/systemd/journal; >/run/systemd/journal/socket"
    run = "mount -t tmpfs none /run"
    assert patient.of("samba", sick=f"{run}; {journald}") == []
    ((message, advice),) = patient.of("samba", sick=run)
    assert message == "samba-audit: journal, and there is no journald"
    assert "syslog = false" in advice
    ((message, _),) = patient.of("samba", sick=f"{run}; {journald}; mount --bind /dev/null "
                                 "/usr/bin/journalctl")
    assert message == "samba-audit: journal needs /usr/bin/journalctl"
    ((message, _),) = patient.of("samba", sick="\n".join((
        run, journald, patient.etc("sed -i /^systemd-journal:/d group"))))
    assert "there is no group systemd-journal" in message
