# SPDX-License-Identifier: GPL-2.0-or-later
"""Presses by IPv6 and through encrypted connections, as samba/README sets them up."""

import json

import pytest
from boards import QUICK
from following import wait_followed
from lib.waiting import wait_for

GO = "- name: Go\n  command: %ACT% Go 'exit 0'\n"
PRESS = 'del "Apache/Go.txt"'


@pytest.fixture
def served(inst, smbd, test_dir):
    """start(*LINES): smb.conf includes flagman's file, and that a file with LINES."""
    inst.define("Apache", GO, group=QUICK)
    log = smbd.base / "log"
    log.touch(mode=0o644)
    inst.settings(f"samba-audit: {log}\n")
    inst.start()
    wait_followed(inst, log)
    inst.wait_state("Apache", "Go", "")
    kept = inst.state / "samba.conf"
    wait_for(lambda: kept.exists() and "[share]" in kept.read_text(encoding="utf-8"),
             "the share is there", dump=inst.dump)

    def start(*lines):
        text = kept.read_text(encoding="utf-8").replace("/etc/samba/", f"{test_dir}/")
        (test_dir / "samba.conf").write_text(text, encoding="utf-8")
        (test_dir / "flagman-share.conf").write_text(
            "\n".join(["full_audit:syslog = false", *lines]) + "\n", encoding="utf-8")
        smbd.end = [f"include = {test_dir}/samba.conf"]
        smbd.start()
        assert smbd.testparm() == ""
        return smbd
    return start


def refused(client):
    done = client.try_run("share", PRESS)
    return done.returncode != 0 and done.stdout + done.stderr


def pressed(inst, n=1):
    """The history, once Samba's log has named who pressed."""
    def named():
        runs = json.loads(inst.cli("history", "--json", check=0).stdout)
        return len(runs) == n and all(run["address"] for run in runs) and runs
    return wait_for(named, f"{n} runs with an address", dump=inst.dump)


def test_a_press_by_ipv6(inst, smbd, served, people):
    smbd.interfaces = "lo"
    served("hosts allow = ::1", "hosts deny = ALL")
    assert "NT_STATUS_ACCESS_DENIED" in refused(smbd.client())  # hosts allow is looked at
    smbd.client(host="::1").run("share", PRESS)
    inst.wait_ran("Go")
    (run,) = pressed(inst)
    assert (run["address"], run["user"]) == ("::1", people.alice)
    inst.wait_text("Apache", "Go", rf"{people.alice}, at ::1 \(says Samba's log\)")
    assert "::1" in inst.cli("history", check=0).stdout


def test_a_network_of_ipv6(inst, smbd, served):
    smbd.interfaces = "127.0.0.1 ::1/128"
    served("hosts allow = 127.0.0.0/8 ::/64", "hosts deny = ALL")
    smbd.client(host="::1").run("share", PRESS)
    inst.wait_ran("Go")
    inst.wait_state("Apache", "Go", "Done")
    smbd.client().run("share", 'del "Apache/Go [Done].txt"')
    inst.wait_ran("Go", 2)
    assert {run["address"] for run in pressed(inst, 2)} == {"::1", "127.0.0.1"}


@pytest.mark.parametrize("where", ["share", "global"])
def test_who_does_not_encrypt_is_refused(inst, smbd, served, where):
    if where == "global":
        smbd.options["server smb encrypt"] = "required"
        served()
    else:
        served("server smb encrypt = required")
    words = refused(smbd.client(protocol="SMB2"))  # 2.1: it has no encryption
    assert "NT_STATUS_ACCESS_DENIED" in words
    assert "encryption is required" in smbd.log() or where == "global"
    assert inst.state_of("Apache", "Go") == ""
    smbd.client().run("share", PRESS)
    inst.wait_ran("Go")
    assert len(pressed(inst)) == 1


def test_who_does_not_encrypt_presses_where_nothing_is_required(inst, smbd, served):
    served()
    smbd.client(protocol="SMB2").run("share", PRESS)
    inst.wait_ran("Go")
