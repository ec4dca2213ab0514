# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman doctor and the service: what it says, and whether it is what is installed."""

import os
import shutil
import subprocess
import sys
import threading

import pytest

from fake_agent import EX_NOPERM, HEALTH, STATUS


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


def test_no_advice_has_a_name_that_the_agent_made_up(patient):
    """It is what root types next."""
    patient.prepare()
    (patient.object / "Go.txt").unlink()
    patient.agent.actions[0].object = b"x'; reboot; '"
    missing, = [f for f in patient.look()[0] if "is missing" in f[1]]
    assert "reboot" in missing[1] and missing[2] is None


# --- an upgrade ---

def version(cli):
    return cli("--version").stdout.split()[-1]


def test_another_version_runs(patient):
    patient.prepare().agent.facts = [("version", version(patient.cli))]
    assert patient.look()[0] == []
    patient.agent.facts = [("version", "0.0.7")]
    assert patient.only() == (
        "service", f"version 0.0.7 runs, and {version(patient.cli)} is installed",
        "systemctl restart flagman (runs go on meanwhile)")


LISTEN = """
import sys
import threading
sys.path.insert(0, sys.argv[1])
from fake_agent import FakeAgent
agent = FakeAgent(sys.argv[2])
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.root
def test_program_that_was_replaced(patient):
    """By another of the same version."""
    patient.prepare().agent.close()
    (patient.cli.run_dir / "control").unlink()
    program = patient.tmp / "flagmand"
    shutil.copy("/usr/bin/python3", program)
    here = os.path.dirname(os.path.abspath(__file__))
    with subprocess.Popen([program, "-c", LISTEN, here, patient.cli.run_dir], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**os.environ, "PYTHONHOME": sys.base_prefix}) as process:
        process.stdout.readline()
        assert "was replaced" not in str(patient.look()[0])
        program.unlink()
        shutil.copy("/usr/bin/python3", program)
        assert [(m, a) for m, a in patient.of("service") if "was replaced" in m] == [
            (f"{program} was replaced, and what runs is the old one",
             "systemctl restart flagman (runs go on meanwhile)")]
        process.kill()


# --- the files against what runs ---

def test_mistakes_that_are_held_back(patient):
    """The service has the last good version; the other snippet was always right."""
    patient.prepare()
    path = patient.cli.snippet("web.yaml", "object: Web\naction-group: {actions: [\n")
    patient.agent.add("Web", "Start", path=str(patient.share / "Web"), state="running")
    service = patient.of("service")
    assert service == [(
        f"what {path} now says is held back, for it has mistakes; as they were before them: "
        "Web/Start", "flagman check says what to mend")]
    patient.agent.actions[1].state = 12  # misconfigured: it never had a good one
    assert [m for m, _ in patient.of("service") if "held back" in m] == []


def test_one_action_that_is_held_back(patient):
    patient.prepare(actions="    - {name: Go, command: 'cd /'}\n")
    service = patient.of("service")
    assert len(service) == 1 and service[0][0].endswith("as they were before them: Apache/Go")


def test_snippets_that_were_not_taken_up(patient):
    text = (patient.prepare().cli.conf_dir / "apache.yaml").read_text()
    patient.cli.snippet("web.yaml", text.replace("object: Apache", "object: Web"))
    patient.agent.add("Gone", "Go", path=str(patient.share / "Gone"), state="running")
    service = patient.of("service")
    assert service[0] == ("flagman has what no snippet has: Gone/Go", "flagman reload")
    assert service[1][0] == "flagman does not have Web/Go, as the snippets do"
    assert service[1][1].startswith("flagman reload")


def test_a_snippet_of_just_now(patient):
    """It takes effect by itself, and that takes a moment."""
    text = (patient.prepare().cli.conf_dir / "apache.yaml").read_text()
    patient.cli.snippet("web.yaml", text.replace("object: Apache", "object: Web"))
    add = threading.Timer(0.7, lambda: patient.agent.add("Web", "Go", path="/nonexistent",
                                                         state="running"))
    add.start()
    assert [m for m, _ in patient.of("service", young=True) if "snippet" in m] == []
    add.join()
    del patient.agent.actions[-1]
    assert [m for m, _ in patient.of("service") if "Web/Go, as the snippets do" in m]


def test_two_instances(patient):
    """One's service and another's snippets are not compared."""
    patient.prepare().agent.add("Gone", "Go", path="/nonexistent", state="running")
    program, _, run_dir, *conf = patient.cli.line()
    system = [program, "--run-dir", run_dir]
    assert not [m for m, _ in patient.of("service", line=system) if "no snippet has" in m]
    assert [m for m, _ in patient.of("service", line=[*system, *conf]) if "no snippet has" in m]


def test_many_that_were_not_taken_up(patient):
    patient.prepare()
    for n in range(5):
        patient.agent.add(f"Gone {n}", "Go", path="/nonexistent", state="running")
    assert "Gone 0/Go, Gone 1/Go, Gone 2/Go, ..." in patient.only()[1]
