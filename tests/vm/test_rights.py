# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what at the share: members, with either kind of access, strangers, guests, spies."""

import json

import pytest

from share import GROUP, MEMBERS, PATH, STRANGER

PRESS_ONLY = "/srv/press-only"
CONFIGURATION = f"""\
object: Web
action-group:
  directory: {{path: {PATH}, group: {GROUP}}}
  command: {{user: root}}
  cooldown: 0
  result-delay: 1h
  start-limit-burst: 100
  actions:
    - {{name: Restart, restart-service: cron-like}}
    - {{name: Other, restart-service: cron-like}}
---
object: Lift
action-group:
  directory: {{path: {PRESS_ONLY}, group: {GROUP}, access: press-only}}
  command: {{user: root}}
  cooldown: 0
  result-delay: 1h
  start-limit-burst: 100
  actions:
    - {{name: Restart, restart-service: cron-like}}
    - {{name: Other, restart-service: cron-like}}
"""
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n"
LIFT = "press-only"  # the share's name


def admit(machine, path):
    """What the READMEs of the security modules say of another directory.path."""
    machine.check(f"mkdir -p {path}")
    if machine.lsm == "apparmor":
        machine.write("/etc/apparmor.d/tunables/flagman.d/site", f"@{{FLAGMAN_SHARES}}+={path}\n")
        machine.check("apparmor_parser -r /etc/apparmor.d/flagman", timeout=120)
    if machine.lsm == "selinux":  # semanage fcontext -a -e does this
        machine.check(f"echo '{path} {PATH}' >>/etc/selinux/default/contexts/files/"
                      f"file_contexts.subs && restorecon -RF {path}")


@pytest.fixture(scope="module")
def office(share):
    m = share.machine
    m.write("/etc/systemd/system/cron-like.service", UNIT)
    m.check("systemctl daemon-reload && systemctl start cron-like")
    admit(m, PRESS_ONLY)
    m.write("/root/mine.txt", "mine\n")
    share.configure(rights=CONFIGURATION)
    m.wait_for(f"test -e {PATH}/Web/Status.txt && test -e {PRESS_ONLY}/Lift/Status.txt")
    yield share
    m.run("systemctl stop cron-like")


def listing(office, base, board):
    """Names and inodes: a flag that was replaced is another one."""
    return office.machine.check(f"ls -1i {base}/{board}").splitlines()


def runs(office, board):
    return json.loads(office.machine.check(f"flagman history {board} --json"))


def press(office, share, board, user):
    """By smbclient; a run more in the history is what it is for."""
    before = len(runs(office, board))
    flag = next(n for n in office.ls(user, board, share) if n.startswith("Restart"))
    assert "NT_STATUS" not in office.smb(user, f'del "{board}/{flag}"', share).text
    office.machine.wait_for(lambda: len(runs(office, board)) == before + 1, "it ran")
    office.machine.wait_for(lambda: runs(office, board)[0]["state"] == "done", "it is done")


def first_flag(office, share, board):
    return next(n for n in office.ls("alice", board, share) if n.startswith("Other"))


# --- press-only ---

def test_press_only_members_press(office):
    for user in MEMBERS:
        press(office, LIFT, "Lift", user)


@pytest.mark.parametrize("command", [
    'put /root/mine.txt "Lift/mine.txt"',
    'put /root/mine.txt "Lift/{flag}"',
    'mkdir "Lift/mine"',
    'mkdir mine',
    'rename "Lift/{flag}" "Lift/Mine.txt"',
    'rename "Lift/{flag}" "Mine.txt"',
    'setmode "Lift/{flag}" +r',
    'rmdir Lift',
    'rename Lift Mine',
])
def test_press_only_members_do_nothing_else(office, command):
    flag = first_flag(office, LIFT, "Lift")
    before, known = listing(office, PRESS_ONLY, "Lift"), runs(office, "Lift")
    said = office.smb("alice", command.format(flag=flag), LIFT)
    assert said.denied, said
    assert listing(office, PRESS_ONLY, "Lift") == before
    assert runs(office, "Lift") == known


def test_press_only_in_a_mounted_share(office):
    with office.mounted("alice", share=LIFT) as folder:
        flag = first_flag(office, LIFT, "Lift")
        before, known = listing(office, PRESS_ONLY, "Lift"), runs(office, "Lift")
        for command in (f"cp /root/mine.txt {folder}/Lift/", f"mkdir {folder}/Lift/mine",
                        f"mv '{folder}/Lift/{flag}' {folder}/Lift/Mine.txt",
                        f"echo x >>'{folder}/Lift/{flag}'"):
            assert office.machine.run(command).returncode != 0, command
        assert listing(office, PRESS_ONLY, "Lift") == before and runs(office, "Lift") == known
        shown = office.hands(f"watch {folder}/Lift Restart delete", "alice")
        assert shown[-1] == "Restart [Done].txt", shown


def test_press_only_without_samba(office):
    """From a shell, a member has no more than that he may look."""
    office.machine.check(f"ls {PRESS_ONLY}/Lift", user="bob")
    for command in (f"rm {PRESS_ONLY}/Lift/Restart*", f"touch {PRESS_ONLY}/Lift/mine",
                    f"mkdir {PRESS_ONLY}/Lift/mine"):
        assert "Permission denied" in office.machine.run(command, user="bob").stderr, command


# --- access of the group ---

def test_members_press(office):
    for user in MEMBERS:
        press(office, "flagman", "Web", user)


@pytest.mark.parametrize("command", [
    'put /root/mine.txt "Web/{flag}"',
    'setmode "Web/{flag}" +r',
    'rmdir Web',
    'rename Web Mine',
    'mkdir mine',
    'put /root/mine.txt mine.txt',
])
def test_members_change_no_flag_and_no_object(office, command):
    """Samba need not say so where it keeps no attributes."""
    flag = first_flag(office, "flagman", "Web")
    before, known = listing(office, PATH, "Web"), runs(office, "Web")
    said = office.smb("alice", command.format(flag=flag))
    assert "NT_STATUS" in said.text or "setmode" in command, said
    assert listing(office, PATH, "Web") == before and runs(office, "Web") == known
    mode = office.machine.check(f"stat -c %a '{PATH}/Web/{flag}'")
    assert mode == "640"


@pytest.mark.parametrize("target", ["Web/Mine.txt", "Mine.txt"])
def test_a_flag_that_is_renamed_or_moved_away_comes_back(office, target):
    """Renaming is what the group's access allows: it is put right, and is no press."""
    flag = first_flag(office, "flagman", "Web")
    known = runs(office, "Web")
    office.smb("alice", f'rename "Web\\{flag}" "{target}"'.replace("/", "\\"))
    office.machine.wait_for(lambda: office.flag("Web", "Other") == flag
                            and "Mine.txt" not in office.names("Web"), "the flag is back")
    assert runs(office, "Web") == known


# --- strangers and guests ---

@pytest.mark.parametrize("name", ["flagman", LIFT])
def test_strangers_do_not_get_in(office, name):
    said = office.smb(STRANGER, "ls", name)
    assert said.status != 0 and said.denied, said
    done = office.mount(STRANGER, "/mnt/strange", share=name)
    assert done.returncode != 0 and "Permission denied" in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["flagman", LIFT])
def test_guests_do_not_get_in(office, name):
    for options in (), ("-U", "nobody%"), ("-U", "alice%wrong"):
        said = office.smb(None, "ls", name, options)
        assert said.status != 0, said
        assert said.denied or "NT_STATUS_LOGON_FAILURE" in said.text, said


def test_strangers_see_nothing_without_samba_either(office):
    done = office.machine.run(f"ls {PATH}/Web", user=STRANGER)
    assert "Permission denied" in done.stderr
    done = office.machine.run("flagman run Web/Restart", user=STRANGER)
    assert done.returncode != 0 and "Web" not in office.machine.run(
        "flagman status", user=STRANGER).stdout


# --- who listens on the wire ---

@pytest.fixture
def encrypted(office):
    office.serve("server smb encrypt = required")
    yield office
    office.serve()


def ciphers(office):
    sessions = json.loads(office.machine.check("smbstatus --json"))["sessions"]
    return {session["encryption"]["cipher"] for session in sessions.values()}


def test_encryption_that_is_required(encrypted):
    """Clients that can't are refused, those that can press; and what is said of that is so."""
    old = encrypted.smb("alice", "ls", options=("-m", "SMB2_10"))
    assert old.status != 0 and old.denied, old
    done = encrypted.mount("alice", "/mnt/plain", "vers=2.1")
    assert done.returncode != 0, "a client that can't encrypt was let in"
    with encrypted.mounted("alice", "seal") as folder:
        assert all(cipher.startswith("AES-") for cipher in ciphers(encrypted))
        shown = encrypted.hands(f"watch {folder}/Web Restart delete", "alice")
        assert shown[-1] == "Restart [Done].txt"
    press(encrypted, "flagman", "Web", "bob")


def test_encryption_that_is_not_required(office):
    """The other test's look at ciphers must be able to fail."""
    with office.mounted("alice"):
        assert not any(cipher.startswith("AES-") for cipher in ciphers(office))
    assert office.smb("alice", "ls", options=("-m", "SMB2_10")).status == 0
