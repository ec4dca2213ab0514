# SPDX-License-Identifier: GPL-2.0-or-later
"""People at the share, as they come: the kernel's client and smbclient, one or two at a time.

In a plain machine and in both that have a security module: nothing is allowed there besides.
"""

import json

import pytest

from lib.waiting import stays
from share import GROUP

# What presses do is counted by somebody else: the journal has a line for each start of such a unit.
TICK = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/echo tick %i
"""
APACHE = f"""\
object: Apache
action-group:
  directory: {{path: /srv/flagman, group: {GROUP}}}
  command: {{user: root}}
  cooldown: 0
  result-delay: 1h
  start-limit-burst: 100
  actions:
    - {{name: Restart, restart-service: apache2}}
    - {{name: Tick, restart-service: tick@apache}}
    - {{name: Tock, restart-service: tick@apache}}
---
object: Clock
action-group:
  directory: {{path: /srv/flagman, group: {GROUP}}}
  command: {{user: root}}
  cooldown: 0
  result-delay: 1h
  start-limit-burst: 100
  actions:
    - {{name: Tick, restart-service: tick@clock}}
"""
SAMBA_AUDIT = "samba-audit: journal\n"
ROUNDS = 3


@pytest.fixture(scope="module")
def office(share):
    """The share with the real Apache in it, and a service that counts."""
    m = share.machine
    m.write("/etc/systemd/system/tick@.service", TICK)
    m.check("systemctl daemon-reload && systemctl start apache2 tick@apache tick@clock",
            timeout=120)
    m.write("/etc/flagman/flagman.yaml", SAMBA_AUDIT)
    share.configure(apache=APACHE)
    for board, action in ("Apache", "Restart"), ("Apache", "Tick"), ("Clock", "Tick"):
        m.wait_for(lambda b=board, a=action: share.flag(b, a), f"{board}/{action} is there")
    yield share
    m.run("flagman cancel Apache; flagman cancel Clock; systemctl stop apache2 'tick@*'; "
          "rm -f /etc/flagman/flagman.yaml")


def ticks(share):
    """How many, of apache and of clock."""
    lines = share.machine.check("journalctl --sync; journalctl -b -q -u 'tick@*' -o cat")
    return [lines.splitlines().count(f"tick {name}") for name in ("apache", "clock")]


def apache(share):
    """The main process, which is Apache's."""
    pid = share.machine.check("systemctl show -P MainPID apache2")
    assert share.machine.check(f"readlink /proc/{pid}/exe") == "/usr/sbin/apache2"
    return pid


def history(share, board, action):
    return json.loads(share.machine.check(f"flagman history {board}/{action} --json"))


def last_run(share):
    return json.loads(share.machine.check("flagman history --json"))[0]


@pytest.mark.parametrize("gesture", ["delete", "move"])
def test_a_press_in_a_mounted_share_restarts_apache(office, gesture):
    before = apache(office)
    with office.mounted("alice") as folder:
        shown = office.hands(f"watch {folder}/Apache Restart {gesture}", "alice")
        assert "Restart [Running].txt" in shown and shown[-1] == "Restart [Done].txt", shown
        assert "Restart [Done].txt" in office.ls("bob", "Apache")
        text = office.machine.check(f"cat '{folder}/Apache/Restart [Done].txt'", user="alice")
        assert text.startswith("Done") and "Restart" in text, text
    assert apache(office) != before
    assert office.machine.run(f"kill -0 {before}").returncode != 0
    assert last_run(office)["trigger"] == gesture


@pytest.mark.parametrize("gesture", ["delete", "move"])
def test_a_press_with_smbclient_restarts_apache(office, gesture):
    before = apache(office)
    flag = office.flag("Apache", "Restart")
    command = f'del "Apache/{flag}"' if gesture == "delete" else \
        f'rename "Apache\\{flag}" "Apache\\Run\\{flag}"'
    said = office.smb("bob", command)
    assert "NT_STATUS" not in said.text, said
    office.machine.wait_for(lambda: apache(office) != before, "Apache was restarted")
    office.wait_flag("Apache", "Restart", "Done")
    assert last_run(office)["trigger"] == gesture


@pytest.fixture
def both(office):
    """alice's folder and bob's."""
    with office.mounted("alice") as hers, office.mounted("bob") as his:
        yield hers, his


def together(office, both, alices, bobs):
    """One press of each, at the same moment; how each of that went."""
    return office.hands(f"together '{both[0]}/{alices}' '{both[1]}/{bobs}'")


def test_two_people_press_one_button_at_once(office, both):
    """Whatever the server tells the second of them, it is one run."""
    for number in range(ROUNDS):
        (of_apache, of_clock), known = ticks(office), len(history(office, "Clock", "Tick"))
        flag = f"Clock/{office.flag('Clock', 'Tick')}"
        assert "deleted" in together(office, both, flag, flag), number
        office.machine.wait_for(lambda n=of_clock: ticks(office)[1] > n, "it ran")
        office.wait_flag("Clock", "Tick", "Done")
        stays(lambda want=[of_apache, of_clock + 1]: ticks(office) == want, "it ran once", 1,
              office.machine.dump)
        assert len(history(office, "Clock", "Tick")) == known + 1


def test_two_people_press_two_buttons_of_two_objects(office, both):
    before = ticks(office)
    said = together(office, both, f"Apache/{office.flag('Apache', 'Tick')}",
                    f"Clock/{office.flag('Clock', 'Tick')}")
    assert said == ["deleted", "deleted"]
    office.machine.wait_for(lambda: ticks(office) == [n + 1 for n in before], "each of them ran")
    for board in "Apache", "Clock":
        office.wait_flag(board, "Tick", "Done")
    assert ticks(office) == [n + 1 for n in before]


def test_two_people_press_two_buttons_of_one_object(office, both):
    """Two flags of an object that go at once: nobody meant one button, says the contract."""
    before = ticks(office)
    flags = [office.flag("Apache", action) for action in ("Tick", "Tock")]
    said = together(office, both, *(f"Apache/{flag}" for flag in flags))
    assert said == ["deleted", "deleted"]
    for action, flag in zip(("Tick", "Tock"), flags):
        office.machine.wait_for(lambda a=action, f=flag: office.flag("Apache", a) == f,
                                f"{action} is back as it was")
        text = office.text("Apache", action)
        assert "nothing" in text.partition("Apache:")[0].lower(), text
    stays(lambda: ticks(office) == before, "nothing ran", 1, office.machine.dump)


def test_who_watches_a_folder_is_told(office):
    """A client's change notification: what makes an Explorer's window show the new name."""
    watching = office.machine.begin(
        "exec stdbuf -oL smbclient //127.0.0.1/flagman -U alice%press-it -c 'notify Clock'")
    try:
        probe = "touch /srv/flagman/Clock/probe && rm /srv/flagman/Clock/probe"

        def armed():
            office.machine.check(probe, user="bob")
            return "probe" in watching.stdout
        office.machine.wait_for(armed, "the client watches")
        office.machine.check(f"rm '/srv/flagman/Clock/{office.flag('Clock', 'Tick')}'", user="bob")
        for name in "Tick [Running].txt", "Tick [Done].txt":
            office.machine.wait_for(lambda n=name: n in watching.stdout, f"it is told of {name}")
    finally:
        watching.end()


@pytest.mark.parametrize("client", ["mount", "smbclient"])
def test_ipv6(office, client):
    """And the flag says whose press it was, and from where."""
    def named():
        flag = f"Apache/{office.flag('Apache', 'Restart')}"
        if client == "mount":
            with office.mounted("alice", "ip=::1", host="localhost") as folder:
                office.machine.check(["rm", f"{folder}/{flag}"], user="alice")
        else:
            assert "NT_STATUS" not in office.smb("alice", f'del "{flag}"', address="::1").text
        office.wait_flag("Apache", "Restart", "Done")
        run = last_run(office)
        return (run["user"], run["address"], run["user-certainty"]) == ("alice", "::1", "audit")
    # Samba's log is followed from some moment after the start on
    office.machine.wait_for(named, "the press has her name and address", 60)
    text = office.text("Apache", "Restart")
    assert "alice" in text and "::1" in text, text
