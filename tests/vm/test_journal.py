# SPDX-License-Identifier: GPL-2.0-or-later
"""Who pressed, from smbd through journald: a service with its own user, as it is installed."""

import itertools
import json
import os
import re

import pytest

SHARE = "/srv/flagman"
BASE = "/srv/flagman-test"
UNIT = "flagman-test"
PASSWORD = "press-it"
PROBES = itertools.count()
SNIPPET = """
object: Apache
action-group:
  directory: {path: /srv/flagman, group: media}
  command: {user: root}
  hold: 3s
  actions:
    - name: Restart
      script: echo "asked by ${FLAGMAN_USER:-nobody}"
"""
GLOBAL = """[global]
  server role = standalone server
  map to guest = never
  disable netbios = yes
"""


@pytest.fixture
def smbd(machine):
    """The system's, with the section that is shipped."""
    section = os.path.join(os.path.dirname(__file__), "..", "..", "samba", "group.conf")
    with open(section, encoding="utf-8") as file:
        text = file.read()
    assert "@wwwadmins" in text and SHARE in text
    machine.check("test -e /root/smb.conf || cp /etc/samba/smb.conf /root/smb.conf")
    machine.write("/etc/samba/smb.conf", GLOBAL + text.replace("@wwwadmins", "@media"))
    machine.check(f"mkdir -p {SHARE} && chmod 755 {SHARE}")
    machine.check(f"printf '{PASSWORD}\\n{PASSWORD}\\n' | smbpasswd -s -a alice")
    machine.check("systemctl restart smbd")
    yield re.search(r"(?m)^\[(.*)\]", text)[1]
    machine.run("systemctl stop smbd; cp /root/smb.conf /etc/samba/smb.conf")


@pytest.fixture
def flagmand(machine, programs, smbd):
    machine.write(f"{BASE}/conf.d/apache.yaml", SNIPPET)
    machine.write(f"{BASE}/flagman.yaml", "samba-audit: journal\n")
    machine.check(f"mkdir -p {BASE}/state {BASE}/run")
    machine.check(f"{programs['flagman']} check {BASE}/conf.d")
    machine.check(f"systemd-run --quiet --collect --unit={UNIT} -p Type=notify -p NotifyAccess=all "
                  f"--setenv=FLAGMAN_LOG=debug "
                  f"{programs['flagmand']} --conf-dir {BASE}/conf.d --state-dir {BASE}/state "
                  f"--run-dir {BASE}/run --user flagman")
    machine.wait_for(f"test -e {SHARE}/Apache/Restart.txt")
    yield
    machine.run(f"systemctl stop {UNIT}")
    machine.run(f"rm -rf {BASE} {SHARE}")


def delete(machine, share, name):
    machine.check(["smbclient", f"//127.0.0.1/{share}", "-U", f"alice%{PASSWORD}", "-m", "SMB3",
                   "-c", f'del "Apache\\{name}"'])


def log(machine):
    return machine.check(f"journalctl --unit={UNIT} --quiet --output=cat")


def wait_followed(machine, share):
    """Until a line comes through, of a file that is no flag."""
    names = []

    def comes_through():
        names.append(f"probe{next(PROBES)}")
        machine.check(f"touch {SHARE}/Apache/{names[-1]}", user="alice")
        delete(machine, share, names[-1])
        lines = log(machine).splitlines()
        return any(line.endswith(f"Samba's log names alice for {SHARE}/Apache/{name}")
                   for name in names for line in lines)
    machine.wait_for(comes_through, "the journal is followed")


def history(machine, programs):
    return json.loads(machine.check(
        f"{programs['flagman']} --run-dir {BASE}/run history --json"))


def test_a_press_has_a_name(machine, programs, smbd, flagmand):
    wait_followed(machine, smbd)
    delete(machine, smbd, "Restart.txt")
    machine.wait_for(f"test -e '{SHARE}/Apache/Restart [Done].txt'")
    machine.wait_for(lambda: [r["user"] for r in history(machine, programs)] == ["alice"],
                     "the history has the name")
    run, = history(machine, programs)
    assert (run["address"], run["user-certainty"]) == ("127.0.0.1", "audit")
    text = machine.check(f"cat '{SHARE}/Apache/Restart [Done].txt'")
    assert "asked by alice" in text and "alice, at 127.0.0.1 (says Samba's log)" in text, text


def test_what_others_log_is_not_taken(machine, programs, smbd, flagmand):
    wait_followed(machine, smbd)
    machine.check(["logger", "-t", "smbd_audit",
                   f"mallory|10.1.2.3||flags|unlinkat|ok|{SHARE}/Apache/Restart.txt"],
                  user="alice")
    wait_followed(machine, smbd)  # so that was read, too
    assert "mallory|" in machine.check("journalctl --quiet --output=cat -t smbd_audit")
    assert "mallory" not in log(machine)
    machine.check(f"rm {SHARE}/Apache/Restart.txt", user="alice")
    machine.wait_for(f"test -e '{SHARE}/Apache/Restart [Done].txt'")
    assert "asked by nobody" in machine.check(f"cat '{SHARE}/Apache/Restart [Done].txt'")


def test_what_follows_the_journal(machine, programs, smbd, flagmand):
    """As flagman's user, in the one group that may read it; and it ends with the service."""
    wait_followed(machine, smbd)
    pid = machine.check("pgrep -u flagman -x journalctl")
    groups = machine.check(f"sed -n 's/^Groups://p' /proc/{pid}/status").split()
    assert machine.check("getent group systemd-journal").split(":")[2] in groups
    assert machine.check("getent group media").split(":")[2] not in groups
    assert machine.check(f"sed -n 's/^CapEff://p' /proc/{pid}/status").strip() == "0" * 16
    machine.check(f"systemctl stop {UNIT}")
    machine.wait_for("! pgrep -u flagman -x journalctl")
