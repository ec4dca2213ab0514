# SPDX-License-Identifier: GPL-2.0-or-later
"""packaging/apparmor, enforced: flagman does its work, and nothing else is denied than is tried."""

import re
import shlex

import pytest

from conftest import DISC_USER, booted
from discs import BURN_PATIENCE, burned, is_out
from share import INCLUDE
from walls import Denials

BOARD = "/srv/flagman/Box"

BOX = """\
object: Box
action-group:
  directory: {path: /srv/flagman, group: media, mode: 02770}
  command: {user: root, cooldown: 0}
  actions:
    - {name: Restart, restart-service: flagman-small}
    - {name: Sudo, restart-service: flagman-small, no-new-privileges: no}
    - {name: Script, script: "systemctl is-active ssh; systemd-notify --status='40% half'"}
    - {name: Shadow, script: "read line </etc/shadow && echo $line"}
    - {name: State, script: "echo 1 >/var/lib/flagman/runs/x"}
    - {name: Other, command: /usr/bin/cat /etc/hostname}
    - {name: Net, command: [/bin/bash, -c, "exec 9<>/dev/tcp/127.0.0.1/22"]}
    - {name: Long, script: "while :; do sleep 1; done"}
    - {name: Mine, command: /usr/bin/head -n 1 /proc/self/attr/current,
       apparmor-profile: flagman-command-mine}
    - {name: Mine too, command: /usr/bin/head -n 1 /proc/self/attr/current,
       no-new-privileges: no, apparmor-profile: flagman-command-mine}
    - {name: Mine also, user: alice, command: /usr/bin/head -n 1 /proc/self/attr/current,
       apparmor-profile: flagman-command-mine}
    - {name: Nobody's, command: /bin/true, apparmor-profile: flagman-command-none}
    - {name: Free, command: /bin/cat /proc/self/attr/current, apparmor-profile: unconfined}
    - name: Deploy
      apparmor-profile: flagman-command-deploy
      script: cp "$FLAGMAN_PAYLOAD" "/srv/deployed/$FLAGMAN_PAYLOAD_NAME"
      drop: {folder: Deploy, accept: ["*.war"], settle: 1s}
"""
DVD = """\
object: DVD
action-group:
  directory: {path: /srv/flagman, group: media, mode: 02770}
  command: {user: flagman-disc, group: cdrom, cooldown: 0}
  actions:
    - {name: Eject, eject: {device: /dev/sr0}}
    - {name: Read, user: root, command: "/usr/bin/head -c 9 /dev/sr0",
       apparmor-profile: flagman-command-mine}
    - name: Burn
      burn: {device: BURNER, verify: yes, eject: yes}
      drop: {folder: Burn, accept: ["*.iso"], settle: 1s}
"""
SITE = """\
abi <abi/3.0>,
include <tunables/global>
include <tunables/flagman>
profile flagman-command-mine {
  include <abstractions/base>
  include <abstractions/flagman-command>
  /{usr/,}bin/head mrix,
  @{PROC}/@{pid}/attr/current r,
}
profile flagman-command-deploy {
  include <abstractions/base>
  include <abstractions/flagman-command>
  /{usr/,}bin/{dash,cp} mrix,
  /srv/deployed/* rw,
}
"""
# Whatever Samba may need; but flagman's lines go before that, for they deny.  Samba's unit writes
# smbd-shares anew and loads a profile of this name.
SMBD = """\
abi <abi/3.0>,
include <tunables/global>
profile smbd /usr/sbin/smbd {
  file,
  capability,
  network,
  unix,
  signal,
  ptrace,
  dbus,
  mount,
  change_profile,
  include <samba/smbd-shares>
  include <local/usr.sbin.smbd>
}
"""
SMB_CONF = """\
[global]
    server role = standalone server
    disable netbios = yes
    smb ports = 445
    log level = 1
[everything]
    path = /
    read only = no
    force user = root
    valid users = alice
"""


def install(machine):
    """What a site adds to the package's profiles; then a share and the boards."""
    machine.check("cp /usr/share/doc/flagman/apparmor/local/smbd "
                  "/etc/apparmor.d/local/usr.sbin.smbd")
    machine.write("/etc/apparmor.d/site", SITE)
    machine.write("/etc/apparmor.d/usr.sbin.smbd", SMBD)
    machine.check("cd /etc/apparmor.d && mkdir -p samba && touch samba/smbd-shares && "
                  "apparmor_parser -r site usr.sbin.smbd")
    machine.write("/etc/systemd/system/flagman-small.service",
                  "[Service]\nExecStart=/bin/sleep infinity\n")
    machine.check("mkdir -p /srv/deployed && chmod 755 /srv && systemctl daemon-reload")
    machine.write("/etc/flagman/flagman.yaml", "samba-audit: journal\n")
    machine.check("systemctl restart flagman-small flagman")
    machine.write("/etc/flagman/conf.d/box.yaml", BOX)
    machine.write("/etc/samba/smb.conf", SMB_CONF + INCLUDE + "\n")
    machine.check("(echo secret; echo secret) | smbpasswd -s -a alice && systemctl restart smbd")
    machine.wait_for(f"test -e {BOARD}/Status.txt && flagman status Box/Deploy")
    machine.wait_for("smbclient //127.0.0.1/flagman -U alice%secret -c ls")


@pytest.fixture
def machine(the_machine):
    """With AppArmor and flagman's profiles; the service runs."""
    machine = booted(the_machine, "apparmor")
    if machine.run("test -e /root/walled").returncode != 0:
        install(machine)
        machine.check("touch /root/walled")
    return machine


@pytest.fixture(autouse=True)
def denials(machine):
    found = Denials(machine)
    yield found
    found.check()


def names(machine, board=BOARD):
    return machine.check(f"ls -1 {board}").splitlines()


def flag(machine, action, board=BOARD):
    """The name that ACTION's flag has now."""
    found = [n for n in names(machine, board) if re.fullmatch(rf"{action}( \[.*\])?\.txt", n)]
    return found[0] if found else None


def run(machine, action, status=0):
    done = machine.run(["flagman", "run", "--wait", action])
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def smb(machine, command, share="flagman"):
    return machine.check(f"smbclient //127.0.0.1/{share} -U alice%secret -c {shlex.quote(command)}")


def confinement(machine, pid):
    return machine.check(f"cat /proc/{pid}/attr/current")


def restarted(machine, press):
    """PRESS, and the small service is another one than before."""
    look = "systemctl show --value -p InvocationID flagman-small"
    machine.wait_for(lambda: flag(machine, "Restart") in ("Restart.txt", "Restart [Done].txt"),
                     "Restart can be pressed")
    before = machine.check(look)
    press(flag(machine, "Restart"))
    machine.wait_for(lambda: machine.check(look) != before, "the service was restarted")


def test_it_enforces(machine):
    assert "apparmor" in machine.check("cat /sys/kernel/security/lsm").split(",")
    assert machine.check("cat /sys/module/apparmor/parameters/enabled") == "Y"
    assert machine.check("systemctl is-system-running --wait") == "running"


# --- who is confined by what ---

def test_each_process_has_its_profile(machine):
    found = {}
    for line in machine.check("ps -eo exe:60=,label=").splitlines():
        program, _, label = line.strip().partition(" ")
        found.setdefault(program, set()).add(label.strip())
    for name in "agent", "watcher", "runner":
        assert found[f"/usr/libexec/flagman/flagman-{name}"] == {f"flagman-{name} (enforce)"}
    assert found["/usr/sbin/flagmand"] == {"flagmand (enforce)"}
    assert found["/usr/bin/journalctl"] == {"flagman-follower (enforce)"}
    assert found["/usr/sbin/smbd"] == {"smbd (enforce)"}


def test_who_asks_has_one(machine):
    asking = machine.begin("exec flagman status --follow", user="alice")
    machine.wait_for(lambda: "Box" in asking.stdout, "flagman answers")
    pid = machine.check("pgrep -fx 'flagman status --follow'")
    assert confinement(machine, pid) == "flagman (enforce)"
    machine.check(f"kill {pid}")
    asking.wait()


# --- presses ---

def test_a_press_by_deleting(machine):
    restarted(machine, lambda name: machine.check(f"rm '{BOARD}/{name}'", user="alice"))


def test_a_press_by_deleting_in_the_share(machine):
    restarted(machine, lambda name: smb(machine, f'del "Box\\{name}"'))


def test_a_press_by_moving_in_the_share(machine):
    restarted(machine, lambda name: smb(machine, f'rename "Box\\{name}" "Box\\Run\\{name}"'))


def test_a_press_by_asking(machine):
    restarted(machine, lambda _: machine.check("flagman run --wait Box/Restart", user="alice"))


def test_a_drop(machine):
    machine.write("/root/new.war", "the application\n")
    smb(machine, 'put /root/new.war "Box\\Deploy\\new.war"')
    machine.wait_for("test -e /srv/deployed/new.war")
    machine.wait_for(f"test -e '{BOARD}/Deploy [Done].txt'")
    assert machine.check("cat /srv/deployed/new.war") == "the application"


def test_the_share_shows_what_flags_say(machine):
    assert "Restart" in smb(machine, 'ls "Box\\*"')
    smb(machine, 'get "Box\\Status.txt" /root/status')
    assert "Restart" in machine.check("cat /root/status")


# --- who pressed ---

def test_a_log_file_is_followed(machine):
    """By tail, over a rotation of the log; it ends with the agent that reads it."""
    log = "/var/log/samba/audit"
    machine.check(f"chmod 755 /var/log/samba && touch {log} && chmod 644 {log}")
    machine.write("/etc/flagman/flagman.yaml", f"samba-audit: {log}\n")
    machine.check("flagman reload")
    machine.wait_for("pgrep -x tail")
    first = machine.check("pgrep -x tail")
    assert confinement(machine, first) == "flagman-follower (enforce)"
    machine.check(f"mv {log} {log}.1 && touch {log} && chmod 644 {log}")
    machine.wait_for(f"readlink /proc/{first}/fd/* | grep -qx {log}", "it follows the new one")
    machine.check("pkill -KILL -x flagman-agent")
    machine.wait_for(f"pgrep -x tail | grep -vx {first}", "another one follows it")
    machine.write("/etc/flagman/flagman.yaml", "samba-audit: journal\n")
    machine.check("flagman reload")
    machine.wait_for("pgrep -x journalctl")


# --- commands ---

def test_the_default_restarts_services(machine):
    run(machine, "Box/Restart")
    run(machine, "Box/Sudo")
    assert "active" in run(machine, "Box/Script")


@pytest.mark.parametrize("action, denied", [
    ("Shadow", 'name="/etc/shadow"'),
    ("State", 'name="/var/lib/flagman/runs/x"'),
    ("Net", 'family="inet"'),
])
def test_the_default_does_nothing_else(machine, denials, action, denied):
    run(machine, f"Box/{action}", 1 if action == "Net" else 2)
    denials.provoked("flagman-command", denied)
    if action == "Net":  # bash looks for a terminal
        denials.provoked("flagman-command", 'name="/dev/tty"')


def test_the_default_executes_nothing_else(machine, denials):
    assert "AppArmor's profile flagman-command, or its mode: Permission denied" in \
        run(machine, "Box/Other", 203)
    denials.provoked("flagman-command", 'name="/usr/bin/cat"')


@pytest.mark.parametrize("action", ["Mine", "Mine too", "Mine also"])
def test_a_profile_of_ones_own(machine, action):
    """With no_new_privs, without, and as another user."""
    assert "flagman-command-mine (enforce)" in run(machine, f"Box/{action}")


def test_a_profile_that_is_not_there(machine, denials):
    assert "apparmor-profile: No such file" in run(machine, "Box/Nobody's", 231)
    denials.provoked("flagman-runner", 'name="flagman-command-none"')


def test_no_profile_is_for_the_site_to_allow(machine, denials):
    assert "apparmor-profile: Permission denied" in run(machine, "Box/Free", 231)
    denials.provoked("flagman-runner", 'name="unconfined"')
    machine.write("/etc/apparmor.d/local/flagman-runner", "change_profile -> unconfined,\n")
    machine.check("apparmor_parser -r /etc/apparmor.d/flagman")
    assert "unconfined" in run(machine, "Box/Free")
    machine.check("rm /etc/apparmor.d/local/flagman-runner && "
                  "apparmor_parser -r /etc/apparmor.d/flagman")


def long_one(machine):
    """A run of Long: its process and its runner's."""
    machine.check("flagman run Box/Long")
    machine.wait_for("pgrep -fx '/bin/sh -e /proc/self/fd/3'")
    pid = machine.check("pgrep -fx '/bin/sh -e /proc/self/fd/3'")
    assert confinement(machine, pid) == "flagman-command (enforce)"
    return pid, machine.check(f"ps -o ppid= -p {pid}").strip()


def test_a_run_is_cancelled(machine):
    pid, _ = long_one(machine)
    machine.check("flagman cancel Box/Long")
    machine.wait_for(lambda: flag(machine, "Long") == "Long [Cancelled].txt", "it was cancelled")
    assert machine.run(f"kill -0 {pid}").returncode != 0


def test_a_command_dies_with_its_runner(machine):
    pid, runner = long_one(machine)
    machine.check(f"kill -KILL {runner}")
    machine.wait_for(f"! kill -0 {pid}")
    machine.wait_for(lambda: flag(machine, "Long") == "Long [Failed].txt", "it is said to have")


def test_an_agent_dies_with_its_executor(machine):
    agent = machine.check("pgrep -x flagman-agent")
    machine.check("kill -KILL $(pgrep -x flagmand)")
    machine.wait_for(f"! kill -0 {agent}")
    machine.wait_for("systemctl is-active flagman && flagman status")


def test_reload_and_restart(machine):
    machine.check("systemctl reload flagman && systemctl restart flagman")
    run(machine, "Box/Restart")


# --- the command line ---

def test_root_is_told_all(machine):
    said = machine.run("flagman doctor").stdout
    assert "that takes root" not in said and "not running" not in said
    machine.check("flagman check && flagman history && flagman log Box/Restart")


def test_a_snippet_is_written(machine):
    machine.check("flagman new Another --group media --write")
    machine.wait_for("test -e /srv/flagman/Another/Status.txt")
    machine.check("rm /etc/flagman/conf.d/another.yaml")
    machine.wait_for("! test -e /srv/flagman/Another/Status.txt")


# --- smbd ---

@pytest.mark.parametrize("command, path", [
    ("get var/lib/flagman/lock /root/got", "/var/lib/flagman"),
    ("get etc/flagman/conf.d/box.yaml /root/got", "/etc/flagman"),
    ("put /etc/hostname etc/flagman/conf.d/mine.yaml", "/etc/flagman"),
    ("ls srv/flagman/.flagman/*", "/srv/flagman/.flagman"),
])
def test_smbd_has_nothing_of_flagmans(machine, command, path):
    """Though it may do anything else, and as root."""
    assert "usr" in smb(machine, "ls", "everything")
    done = machine.run(["smbclient", "//127.0.0.1/everything", "-U", "alice%secret", "-c", command])
    assert "NT_STATUS_ACCESS_DENIED" in done.stdout, done.stdout + done.stderr
    assert machine.run(f"test -e {path}").returncode == 0
    assert machine.run("test -e /etc/flagman/conf.d/mine.yaml").returncode != 0


# --- discs ---

@pytest.fixture
def dvd(machine, burner):
    machine.write("/etc/flagman/conf.d/dvd.yaml", DVD.replace("BURNER", burner.device))
    machine.wait_for("test -e /srv/flagman/DVD/Status.txt && test -d /srv/flagman/DVD/Burn")
    yield "/srv/flagman/DVD"
    machine.run("rm /etc/flagman/conf.d/dvd.yaml")
    machine.wait_for("! test -e /srv/flagman/DVD/Status.txt")


def test_an_eject_by_press(machine, drive, dvd, small):
    machine.cd_insert(small.here)
    machine.check(f"rm '{dvd}/{flag(machine, 'Eject', dvd)}'", user="alice")
    machine.wait_for(lambda: machine.cd_status().open, "the tray is open")
    machine.wait_for(lambda: flag(machine, "Eject", dvd) == "Eject [Done].txt", "it says so")


def test_the_drive_is_the_disc_tools(machine, drive, dvd, small, denials):
    machine.cd_insert(small.here)
    machine.wait_for(f"test $(blockdev --getsize64 {drive}) = {small.size}")
    run(machine, "DVD/Read", 1)
    denials.provoked("flagman-command-mine", f'name="{drive}"')


def test_info_by_hand(machine, drive, disc, small):
    machine.cd_insert(small.here)
    machine.wait_for(f"test $(blockdev --getsize64 {drive}) = {small.size}")
    for user in None, DISC_USER:
        said = disc("verify", f"--device={drive}", f"--image={small.there}", user=user)
        assert said.status == 0, said.output


def test_a_burn_by_drop(machine, burner, dvd, small):
    smb(machine, f'put {small.there} "DVD\\Burn\\Holiday.iso"')
    machine.wait_for("pgrep -x flagman-disc", timeout=60)
    pid = machine.check("pgrep -o -x flagman-disc")
    assert confinement(machine, pid) == "flagman-disc (enforce)"
    machine.wait_for(lambda: flag(machine, "Burn", dvd) == "Burn [Done].txt", "it is burned",
                     BURN_PATIENCE)
    assert burned(burner, small)
    assert is_out(machine, burner)
