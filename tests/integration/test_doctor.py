# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman doctor against a live service and a real smb.conf; tests/cli has each finding."""

import json
import shutil

from boards import apache


def doctor(inst, smbd, check):
    done = inst.cli("--conf-dir", str(inst.conf), "doctor", "--json", "--smb-conf",
                    str(smbd.conf), check=check)
    return [(f["area"], f["message"]) for f in json.loads(done.stdout)["findings"]]


def test_all_is_well(inst, samba):
    apache(inst)
    assert doctor(inst, samba, 0) == []


def test_asked_at_once(inst, samba):
    """Ten commands are pasted: the snippet is read a moment after it was written."""
    apache(inst)
    inst.define("New", "- name: Go\n  command: %ACT% Go\n", path=inst.share / "new")
    done = inst.cli("--conf-dir", str(inst.conf), "doctor", "--json", "--smb-conf",
                    str(samba.conf))
    found = [f for f in json.loads(done.stdout)["findings"] if f["area"] != "share"]
    assert found == []
    assert (inst.share / "new" / "New" / "Go.txt").exists()


def test_a_service_that_has_stopped(inst, samba):
    apache(inst)
    inst.stop()
    ((area, message),) = doctor(inst, samba, 1)
    assert area == "service" and "not running" in message


def test_a_share_that_lets_clients_cache(inst, smbd):
    smbd.share("flags", inst.share, oplocks="yes", csc_policy="manual")
    smbd.start()
    apache(inst)
    messages = [message for _, message in doctor(inst, smbd, 1)]
    assert len(messages) == 2
    assert "oplocks = yes" in messages[0] and "csc policy = manual" in messages[1]


def test_what_is_held_back(inst, samba):
    """The button lives on, by what the snippet said before."""
    apache(inst)
    text = (inst.conf / "apache.yaml").read_text()
    inst.write("apache.yaml", text.replace("- name: Start", "- name: Start\n      no-such-key: 1"))
    inst.wait_log(r"apache\.yaml:\d+:\d+: error")
    service = [m for area, m in doctor(inst, samba, 1) if area == "service"]
    assert len(service) == 1 and "apache.yaml now says is held back" in service[0], service
    assert "Apache/Start" in service[0]
    mark = inst.mark()
    inst.write("apache.yaml", text)
    inst.wait_log(r"configuration: 1 groups, 3 actions, 0 errors", mark)
    assert doctor(inst, samba, 0) == []


def test_after_an_upgrade(inst, samba):
    """A package puts the new program in the old one's place."""
    here = inst.root / "bin"
    shutil.copytree(inst.bin, here)
    inst.bin = here
    apache(inst)
    assert doctor(inst, samba, 0) == []
    shutil.copy(here / "flagmand", here / "flagmand.new")
    (here / "flagmand.new").rename(here / "flagmand")
    assert doctor(inst, samba, 1) == [
        ("service", f"{here}/flagmand was replaced, and what runs is the old one")]
    inst.restart()
    assert doctor(inst, samba, 0) == []


def test_a_snippet_that_is_never_read(inst, samba):
    apache(inst)
    shutil.copy(inst.conf / "apache.yaml", inst.conf / "apache.yaml.txt")
    ((area, message),) = doctor(inst, samba, 1)
    assert area == "configuration" and "apache.yaml.txt is never read" in message
