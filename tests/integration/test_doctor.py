# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman doctor against a live service and a real smb.conf; tests/cli has each finding."""

import json

from boards import apache


def doctor(inst, smbd, check):
    done = inst.cli("--conf-dir", str(inst.conf), "doctor", "--json", "--smb-conf",
                    str(smbd.conf), check=check)
    return [(f["area"], f["message"]) for f in json.loads(done.stdout)["findings"]]


def test_all_is_well(inst, samba):
    apache(inst)
    assert doctor(inst, samba, 0) == []


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
