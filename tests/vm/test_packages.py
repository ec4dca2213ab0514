# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages: installed into a bare machine, upgraded, removed, purged, installed again.

One story, in this order; each test finds what the one before it has left.
"""

import json
import re
import subprocess

import pytest

from conftest import install, package
from lib.readme import commands
from share import HANDS, HERE

PACKAGES = ("flagman", "flagman-disc")
BOARD = "/srv/flagman/Box"
SNIPPET = "/etc/flagman/conf.d/box.yaml"
BOX = """\
object: Box
action-group:
  directory: {path: /srv/flagman, group: media}
  command: {user: root}
  cooldown: 0
  result-delay: 1d
  actions:
    - {name: Quick, command: /bin/echo quickly}
    - {name: Gated, serialise: none,
       script: "until test -e /root/gate; do sleep 0.1; done; echo opened"}
    - name: Keep
      command: /bin/false
      drop: {folder: Inbox, accept: ["*.bin"], settle: 1s, keep-failed: 30d}
"""
# What others write while packages come and go.
NOT_OURS = ("/proc", "/sys", "/dev", "/tmp", "/root", "/home", "/lost+found", "/var/tmp",
            "/var/log", "/var/cache/apt", "/var/cache/ldconfig", "/var/lib/apt", "/var/lib/dpkg",
            "/var/lib/systemd", "/run/systemd", "/run/udev", "/run/user", "/run/log", "/run/sshd",
            "/run/dbus", "/run/lock", "/etc/.pwd.lock")


@pytest.fixture(scope="module")
def machine(the_machine):
    """Bare: nothing of flagman's has ever been in there."""
    if the_machine.up():
        the_machine.stop()
    the_machine.start()
    the_machine.check("groupadd media && useradd --gid media --no-create-home alice")
    the_machine.before = listing(the_machine)
    the_machine.smb_conf = the_machine.check("sha256sum /etc/samba/smb.conf")
    return the_machine


def listing(machine):
    prune = " -o ".join(f"-path {path}" for path in NOT_OURS)
    return set(machine.check(f"find / \\( {prune} \\) -prune -o -print", timeout=120).splitlines())


def show(machine, what):
    return machine.check(f"systemctl show -P {what} flagman")


def serves(machine):
    assert machine.check("systemctl is-active flagman") == "active"
    assert machine.check("systemctl is-enabled flagman") == "enabled"
    assert machine.check("systemctl --failed --no-legend --plain") == ""


def apt(machine, *arguments):
    machine.check(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", *arguments],
                  timeout=200)


def press(machine, action="Quick"):
    """By deletion; the text once it is done."""
    machine.check(f"rm {BOARD}/{action}*.txt", user="alice")
    machine.wait_for(f"test -e '{BOARD}/{action} [Done].txt'")
    return machine.check(f"cat '{BOARD}/{action} [Done].txt'")


def configure(machine):
    machine.write(SNIPPET, BOX)
    machine.wait_for(f"test -e {BOARD}/Keep.txt && test -d {BOARD}/Inbox && "
                     f"test -e {BOARD}/Status.txt")


def newer(directory, name):
    """The same package with a higher version."""
    tree, version = directory / name, None
    subprocess.run(["dpkg-deb", "--raw-extract", package(name), tree], check=True)
    control = tree / "DEBIAN" / "control"
    lines = control.read_text(encoding="utf-8").splitlines(keepends=True)
    for i, line in enumerate(lines):
        if line.startswith("Version: "):
            version = line.split()[1] + "+later"
            lines[i] = f"Version: {version}\n"
    control.write_text("".join(lines), encoding="utf-8")
    file = directory / f"{name}_{version}.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, file], check=True,
                   stdout=subprocess.DEVNULL)
    return file, version


def test_what_installing_makes(machine):
    """Users, directories, an active service with no button, and nothing else that runs."""
    install(machine, *map(package, PACKAGES))
    serves(machine)
    assert show(machine, "StatusText").startswith("0 actions of 0 groups, 0 errors")
    assert machine.check("find /etc/flagman -type f") == "", "a sample is live"
    assert machine.check("sha256sum /etc/samba/smb.conf") == machine.smb_conf
    for user, group in ("flagman", "flagman"), ("flagman-disc", "cdrom"):
        entry = machine.check(f"getent passwd {user}").split(":")
        assert int(entry[2]) < 1000 and entry[6].endswith("nologin")
        assert machine.check(f"id -gn {user}") == group
    modes = machine.check("stat -c '%a %U:%G %n' /etc/flagman /etc/flagman/conf.d /run/flagman "
                          "/var/lib/flagman /var/lib/flagman/{runs,agent}")
    assert modes.splitlines() == [
        "755 root:root /etc/flagman", "755 root:root /etc/flagman/conf.d",
        "755 root:root /run/flagman", "755 root:root /var/lib/flagman",
        "700 root:root /var/lib/flagman/runs", "700 flagman:flagman /var/lib/flagman/agent"]
    owners = machine.check("ps -o user:20= -C flagmand,flagman-agent").split()
    assert sorted(owners) == ["flagman", "root"], owners
    assert machine.check("systemctl is-system-running --wait") == "running"
    assert machine.check("dpkg --verify flagman flagman-disc") == ""


def test_an_upgrade_during_a_run(machine, tmp_path):
    configure(machine)
    assert "quickly" in press(machine)
    machine.check(f"rm {BOARD}/Gated.txt", user="alice")
    machine.wait_for(f"test -e '{BOARD}/Gated [Running].txt'")
    shell = machine.check("pgrep -fx '/bin/sh -e /proc/self/fd/3'")
    main, configuration = show(machine, "MainPID"), machine.check(f"sha256sum {SNIPPET}")

    files, versions = zip(*(newer(tmp_path, name) for name in PACKAGES))
    install(machine, *files)

    assert machine.check("dpkg-query -W -f '${Version}\\n' " + " ".join(PACKAGES)).splitlines() == \
        list(versions)
    serves(machine)
    assert show(machine, "MainPID") != main
    for name in "flagmand", "flagman-agent", "flagman-watcher":
        pid = machine.check(f"pgrep -x {name}")
        program = machine.check(f"readlink /proc/{pid}/exe")
        assert "(deleted)" not in program, f"the old {name} serves"
    assert machine.check(f"sha256sum {SNIPPET}") == configuration
    machine.wait_for(f"test -e '{BOARD}/Gated [Running].txt'")
    assert machine.check("pgrep -fx '/bin/sh -e /proc/self/fd/3'") == shell
    assert "quickly" in machine.check(f"cat '{BOARD}/Quick [Done].txt'")

    machine.check("touch /root/gate")
    machine.wait_for(f"test -e '{BOARD}/Gated [Done].txt'")
    assert "opened" in machine.check(f"cat '{BOARD}/Gated [Done].txt'")
    assert "quickly" in press(machine)
    assert len(machine.check("flagman history Box/Quick | cat").splitlines()) >= 2


def test_removing_stops_and_keeps(machine):
    """What an administrator wrote, what ran, what is alice's; flags that nobody serves go."""
    machine.write(f"{BOARD}/mine.txt", "hers\n")
    machine.check(f"chown alice {BOARD}/mine.txt")
    # a payload whose action has failed is in flagman's custody, and is still hers
    machine.check(f"echo payload >{BOARD}/Inbox/kept.bin", user="alice")
    machine.wait_for(f"test -e '{BOARD}/Keep [Failed].txt'", timeout=60)
    machine.check(f"! test -e {BOARD}/Inbox/kept.bin")
    tokens = {run["token"] for run in json.loads(machine.check("flagman history --json"))}

    apt(machine, "remove", *PACKAGES)
    assert machine.run("pgrep -l '^flagman'").stdout == ""
    assert machine.run("systemctl is-active flagman").returncode != 0
    assert machine.check("systemctl --failed --no-legend --plain") == ""
    machine.check("! test -e /usr/sbin/flagmand")
    assert machine.check(f"cat {SNIPPET}") == BOX.rstrip("\n")
    machine.check("test -d /var/lib/flagman/runs")
    assert users_files(machine) == ["hers", "payload"]

    install(machine, *map(package, PACKAGES))
    serves(machine)
    machine.wait_for(f"test -e {BOARD}/Status.txt && flagman status")
    assert "quickly" in press(machine)
    now = {run["token"] for run in json.loads(machine.check("flagman history --json"))}
    assert tokens < now, "the history was lost"


def users_files(machine):
    """What the files that are left in the share have in them."""
    return sorted(machine.check(["cat", path])
                  for path in machine.check("find /srv -type f").splitlines())


def test_purging_leaves_what_is_the_users(machine):
    apt(machine, "purge", *PACKAGES)
    assert machine.run("pgrep -l '^flagman'").stdout == ""
    for kind in "units", "unit-files", "timers":
        known = machine.check(f"systemctl list-{kind} --all --no-legend --plain").splitlines()
        assert not [line for line in known if line.startswith("flagman")], known
    now = listing(machine)
    left = {path for path in now - machine.before if not path.startswith("/srv/flagman")}
    assert not left, left
    gone = machine.before - now - {"/etc/apparmor.d/disable"}  # dh_apparmor's scripts: if empty
    assert not gone, f"others' files are gone: {gone}"
    assert users_files(machine) == ["hers", "payload"]
    assert "flagman" not in machine.check("dpkg-query -W -f '${Package} ${db:Status-Status}\n'")
    assert machine.check("systemctl is-system-running --wait") == "running"


def test_ten_commands_to_a_working_button(machine):
    """As somebody types them who has just read of it: there are alice, Samba and apache2.

    And after a purge, of which nothing may be in the way.
    """
    machine.put(HERE / "hands", HANDS, "0755")
    machine.check("systemctl start smbd apache2", timeout=120)
    apache = machine.check("systemctl show -P MainPID apache2")
    machine.check("cd /root/packages && rm -f *")
    for name in PACKAGES:
        machine.put(package(name), f"/root/packages/{package(name).name}")
    assert len(commands()) == 10
    machine.write("/root/packages/commands", "".join(f"{line}\n" for line in commands()))
    said = machine.check(f"cd /root/packages && {HANDS} type secret commands", timeout=200)
    serves(machine)
    assert machine.check("systemctl show -P MainPID apache2") != apache
    machine.wait_for("test -e '/srv/flagman/Apache/Restart [Done].txt'")
    assert re.search(r"Restart", said.splitlines()[-1]) and "alice" in said, said
    assert [run["state"] for run in json.loads(machine.check("flagman history --json"))] == ["done"]

    def pressed_again():
        """She goes on by herself; within the cooldown it is put back."""
        machine.check(["smbclient", "//localhost/flagman", "-U", "alice%secret", "-c",
                       'del "Apache/Restart [Done].txt"'])
        return len(json.loads(machine.check("flagman history --json"))) > 1
    machine.wait_for(pressed_again, "it ran again")
    assert machine.check(f"cat {BOARD}/mine.txt") == "hers"


def test_the_policy_module_comes_and_goes(machine):
    """Where SELinux is off, too: it may be on at the next boot."""
    install(machine, package("flagman-selinux"))
    assert "flagman" in machine.check("semodule -l", timeout=120).split()
    serves(machine)
    apt(machine, "purge", "flagman-selinux")
    assert "flagman" not in machine.check("semodule -l", timeout=120).split()
    serves(machine)
