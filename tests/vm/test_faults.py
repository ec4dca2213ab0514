# SPDX-License-Identifier: GPL-2.0-or-later
"""Deaths in the midst of presses: of the service, of its processes, of the machine.

Each press is one of its own object's only flag, so that what became of it can be told: its command
leaves a line that is on the disk before it ends.  Whatever dies, and whenever:

    no press has two lines
    a press that was acknowledged, which is that its deletion is on the disk, is in the history once
    and in its flag: as done, and then there is the line; or as failed ("it may have run"); or as
    not run, and then there is none
    each flag has one name, and its text
"""

import collections
import json

import pytest

from conftest import booted
from lib.waiting import stays
from share import HANDS, HERE

BOARDS = [f"K{number:02}" for number in range(24)]
PATH = "/srv/faults"
NOTES = "/var/log/notes"
NOTE = f"""\
#!/bin/sh -e
echo "$FLAGMAN_OBJECT" >>{NOTES}
sync {NOTES}
"""
BOARD = f"""\
object: {{name}}
action-group:
  directory: {{{{path: {PATH}, group: media}}}}
  command: {{{{user: root}}}}
  hold: 0
  cooldown: 0
  result-delay: 1d
  start-limit-burst: 100
  actions:
    - {{{{name: Go, command: {{command}}}}}}
"""
LONG = "/bin/sleep 300"
GATED = "[/bin/sh, -c, \"/usr/local/sbin/note; until test -e /root/gate; do sleep 0.1; done\"]"
SETTLED = {"ready", "done", "failed", "missed", "cancelled"}


@pytest.fixture
def service(machine):
    """As it is installed, with all boards, none of them pressed yet."""
    machine.put(HERE / "hands", HANDS, "0755")
    machine.write("/usr/local/sbin/note", NOTE, "0755")
    text = "---\n".join([
        *(BOARD.format(name=name, command="/usr/local/sbin/note") for name in BOARDS),
        BOARD.format(name="Long", command=LONG), BOARD.format(name="Gated", command=GATED)])
    machine.run("rm -f /etc/flagman/conf.d/* /root/gate; systemctl reset-failed flagman")
    machine.write("/root/faults.yaml", text)
    # what the test itself needs outlives a power cut; what flagman makes then is flagman's affair
    machine.check(f"touch {NOTES} && systemctl start flagman && sync && "
                  "mv /root/faults.yaml /etc/flagman/conf.d && sync /etc/flagman/conf.d")
    settled(machine)
    yield machine
    booted(machine)
    machine.run("touch /root/gate; flagman cancel Long; flagman cancel Gated; "
                "rm -f /etc/flagman/conf.d/faults.yaml")
    machine.wait_for(f"! test -e {PATH}/K00/Status.txt")


def status(machine):
    """{object: state} of the boards."""
    done = machine.run("flagman status --json")
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return {a["object"]: a["state"] for a in json.loads(done.stdout)}


def settled(machine, boards=tuple(BOARDS)):
    """Once each board shows how it went, in the share too."""
    def is_settled():
        found = status(machine)
        unsettled = [(name, found.get(name)) for name in boards if found.get(name) not in SETTLED]
        names = machine.check(f"ls -d {PATH}/K*/Go*.txt").splitlines()
        assert not unsettled and len(names) == len(BOARDS), (unsettled, names)
        return True
    machine.wait_for(is_settled, "all boards have settled", 90)
    return status(machine)


def history(machine):
    """{object: {run: state}}"""
    found = collections.defaultdict(dict)
    for run in json.loads(machine.check("flagman history --json --limit 10000")):
        found[run["object"]][run["run"]] = run["state"]
    return found


def notes(machine):
    return collections.Counter(machine.check(f"cat {NOTES}").split())


class Presses:
    """One press of each board in turn, begun; what it came to is looked at when all is over."""

    def __init__(self, machine):
        self.machine = machine
        self.notes = notes(machine)
        self.history = history(machine)
        self.hand = machine.begin(
            "/usr/local/bin/hands press " + " ".join(f"{PATH}/{name}" for name in BOARDS))

    @property
    def acknowledged(self):
        return self.hand.stdout.split()

    def wait(self, number):
        def so_many():
            assert self.hand.running() or len(self.acknowledged) >= number, self.hand.stderr
            return len(self.acknowledged) >= number
        self.machine.wait_for(so_many, f"{number} presses are acknowledged")

    def judge(self):
        shown, lines, runs = settled(self.machine), notes(self.machine), history(self.machine)
        wrong, ends = [], collections.Counter()
        blank = self.machine.check(f"find {PATH} -name '*.txt' -size 0").splitlines()
        wrong += [f"no text: {path}" for path in blank]
        for name in BOARDS:
            new = {run: state for run, state in runs[name].items()
                   if run not in self.history[name]}
            ran = lines[name] - self.notes[name]
            said = f"{name}: {ran} lines, runs {new}, shown {shown[name]}"
            if ran > 1 or len(new) > 1:
                wrong.append("twice: " + said)
            elif name in self.acknowledged and (
                    len(new) != 1 or shown[name] != next(iter(new.values()))
                    or not (shown[name] == "done" and ran or shown[name] == "failed"
                            or shown[name] == "missed" and not ran)):
                wrong.append("lost: " + said)
            if name in self.acknowledged:
                ends[shown[name]] += 1
        assert not wrong, "\n".join([f"acknowledged: {self.acknowledged}", *wrong,
                                     self.machine.dump()])
        return ends


def kill_main(machine):
    """-9 to flagmand; returns once another one is up."""
    before = machine.check("systemctl show -P MainPID flagman")
    machine.check(f"kill -KILL {before}")
    machine.wait_for(lambda: machine.check("systemctl show -P MainPID flagman")
                     not in (before, "0") and machine.run("flagman status").returncode == 0,
                     "another flagmand is up", 60)


def test_killed_in_the_midst_of_presses(service):
    presses = Presses(service)
    for number in 2, 9, 17:
        presses.wait(number)
        kill_main(service)
    assert presses.hand.wait(60).returncode == 0
    assert len(presses.acknowledged) == len(BOARDS)
    ends = presses.judge()
    assert ends["done"] > len(BOARDS) // 4, ends


def test_restarted_in_the_midst_of_presses(service):
    presses = Presses(service)
    for number in 3, 11:
        presses.wait(number)
        service.check("systemctl restart flagman", timeout=120)
    assert presses.hand.wait(60).returncode == 0
    ends = presses.judge()
    assert ends["done"] > len(BOARDS) // 4, ends


@pytest.mark.parametrize("how", ["systemctl restart flagman", "kill -KILL"])
def test_a_run_goes_on_without_its_service(service, how):
    before = notes(service)["Gated"]
    service.check("rm -f /root/gate && flagman run Gated/Go")
    service.wait_for(lambda: notes(service)["Gated"] == before + 1, "it runs")
    if how == "kill -KILL":
        kill_main(service)
    else:
        service.check(how, timeout=120)
    service.wait_for(lambda: status(service)["Gated"] == "running", "it is shown as running")
    service.check(f"test -e '{PATH}/Gated/Go [Running].txt' && touch /root/gate")
    service.wait_for(lambda: status(service)["Gated"] == "done", "it is done")
    assert notes(service)["Gated"] == before + 1
    assert list(history(service)["Gated"].values())[0] == "done"


def test_power_cuts_in_the_midst_of_presses(service):
    """Three of them, the later ones among flags that already say Not run or Failed."""
    all_ends = collections.Counter()
    for number in 2, 9, 17:
        service.check("flagman run Long/Go")
        service.wait_for(lambda: status(service)["Long"] == "running", "Long runs")
        # what is younger than two seconds is not on the disk: HACKING
        before = status(service)
        stays(lambda want=before: status(service) == want, "nobody presses", 3)
        presses = Presses(service)
        presses.wait(number)
        service.power_cut()
        presses.hand.end()
        service.start(keep=True)
        service.wait_for("systemctl is-active flagman && flagman status", timeout=120)
        all_ends += presses.judge()
        assert status(service)["Long"] == "failed"
        assert "may have run" in service.check(f"cat {PATH}/Long/Go*.txt")
        assert service.run(f"pgrep -fx '{LONG}'").returncode != 0
    # a run whose end was not on the disk yet may have run, and most are so short
    assert all_ends["done"] + all_ends["failed"] and len(all_ends) > 1, all_ends
