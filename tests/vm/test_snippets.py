# SPDX-License-Identifier: GPL-2.0-or-later
"""conf.d, as people see it in the share: a snippet is dropped, broken, mended and taken away."""

import pytest

from share import CONF_D, GROUP, PATH

SNIPPET = f"""\
object: Printer
action-group:
  directory: {{path: {PATH}, group: {GROUP}}}
  command: {{user: root}}
  cooldown: 0
  result-delay: 1h
  actions:
    - {{name: Restart, restart-service: printer}}
"""
MORE = SNIPPET + "    - {name: Stop, service: {unit: printer, verb: stop}}\n"
BROKEN = MORE.replace("restart-service: printer", "restart-servise: printer")
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n"
FILE = f"{CONF_D}/printer.yaml"


@pytest.fixture(scope="module")
def office(share):
    m = share.machine
    m.write("/etc/systemd/system/printer.service", UNIT)
    m.check("systemctl daemon-reload && systemctl start printer")
    share.configure()
    m.wait_for(f"! test -e {PATH}/Printer/Status.txt")
    yield share
    m.run("systemctl stop printer")


@pytest.fixture
def folder(office):
    office.configure()
    office.machine.wait_for(f"! test -e {PATH}/Printer/Status.txt")
    # there is a share where there are buttons
    office.machine.write(FILE, SNIPPET)
    office.machine.wait_for(f"test -e {PATH}/Printer/Status.txt")
    with office.mounted("alice") as where:
        yield where


def names(office, folder):
    return office.machine.run(f"ls -1 {folder}/Printer", user="alice").stdout.splitlines()


def wait_names(office, folder, *want):
    office.machine.wait_for(lambda: names(office, folder) == list(want),
                            f"alice sees {want}, not {names(office, folder)}", 60)


READY = ("Restart.txt", "Run", "Status.txt")


def test_a_snippet_comes_breaks_is_mended_and_goes(office, folder):
    wait_names(office, folder, *READY)
    assert office.hands(f"watch {folder}/Printer Restart delete", "alice")[-1] == \
        "Restart [Done].txt"

    # broken: what was good stays, and works; what is wrong is said
    office.machine.write(FILE, BROKEN)
    office.machine.wait_for(lambda: "servise" in office.machine.run("flagman status").stdout
                            or "servise" in office.machine.run(
                                "journalctl -b -q -u flagman -o cat").stdout,
                            "what is wrong is said")
    done = office.machine.run("flagman check")
    assert done.returncode == 78 and "printer.yaml:8" in done.stdout + done.stderr, done
    wait_names(office, folder, "Restart [Done].txt", "Run", "Status.txt")
    before = office.machine.check("systemctl show -P InvocationID printer")
    office.machine.check(f"rm '{folder}/Printer/Restart [Done].txt'", user="alice")
    office.machine.wait_for(lambda: office.machine.check(
        "systemctl show -P InvocationID printer") != before, "its button works")

    # mended: there is one button more
    office.wait_flag("Printer", "Restart", "Done")
    office.machine.write(FILE, MORE)
    wait_names(office, folder, "Restart [Done].txt", "Run", "Status.txt", "Stop.txt")

    # taken away: nothing of flagman's is left to be pressed
    office.machine.check(f"rm {FILE}")
    office.machine.wait_for(lambda: not names(office, folder), "the buttons are gone", 60)
    assert "Printer" not in office.machine.check("flagman status")


def test_a_snippet_that_was_never_good(office, folder):
    """It harms only itself, and says so in the share."""
    wait_names(office, folder, *READY)
    office.machine.write(f"{CONF_D}/lamp.yaml",
                         SNIPPET.replace("Printer", "Lamp").replace("user: root", "user: nobody2"))
    office.machine.wait_for(
        lambda: office.ls("alice", "Lamp") and office.flag("Lamp", "Restart")
        == "Restart [Misconfigured].txt", "the share says so", 60)
    assert "nobody2" in office.machine.check(
        f"cat '{PATH}/Lamp/Restart [Misconfigured].txt'", user="alice")
    assert names(office, folder) == list(READY)
    office.machine.check(f"rm {CONF_D}/lamp.yaml")
    office.machine.wait_for(f"! test -e {PATH}/Lamp/Status.txt")


@pytest.mark.parametrize("when", ["running", "stopped"])
def test_the_last_snippet_of_a_directory(office, folder, when):
    """Nothing of flagman's is left there, under policies that let it go where buttons are."""
    wait_names(office, folder, *READY)
    m, more = office.machine, f"{PATH}/more"
    m.write(f"{CONF_D}/lamp.yaml",
            SNIPPET.replace("Printer", "Lamp").replace(f"path: {PATH}", f"path: {more}"))
    m.wait_for(f"test -e {more}/Lamp/Status.txt")
    if when == "stopped":
        m.check("systemctl stop flagman")
    m.check(f"rm {CONF_D}/lamp.yaml")
    if when == "stopped":
        m.check("systemctl start flagman")
    m.wait_for(f"! test -e {more}")
    m.wait_for(f"! grep -q {more} /var/lib/flagman/bases")
    wait_names(office, folder, *READY)
    assert office.hands(f"watch {folder}/Printer Restart delete", "alice")[-1] == \
        "Restart [Done].txt"
