# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman.service as it is shipped, under the systemd that it is for."""

import re

import pytest

BOARD = "/srv/flagman/Box"
DROP_IN = "/run/systemd/system/flagman.service.d/test.conf"
BOX = """\
object: Box
action-group:
  directory: {path: /srv/flagman, group: media, mode: 02770}
  command: {user: root, cooldown: 0}
  actions:
    - {name: Restart, restart-service: flagman-small}
    - {name: Long, command: /bin/sleep 300}
    - {name: Rights, user: flagman-disc, ambient-capabilities: CAP_NET_BIND_SERVICE,
       command: /bin/grep Cap /proc/self/status}
    - {name: All, command: [/bin/grep, -e, CapBnd, -e, "Seccomp:", /proc/self/status]}
    - {name: Sudo, user: alice, no-new-privileges: no, capability-bounding-set: all,
       command: /usr/bin/sudo -n id -u}
    - {name: Places, script: "mkdir -p /usr/local/x /home/x; touch /etc/x; ls /dev/sr0"}
    - {name: Mount, script: "mkdir -p /mnt/x; mount -t tmpfs x /mnt/x"}
    - name: Memory
      command: [/usr/bin/python3, -c, "import mmap; mmap.mmap(-1, 4096, prot=7); print(42)"]
    - name: Network
      command: [/usr/bin/python3, -c, "import socket; socket.socket(socket.AF_INET6); print(42)"]
"""


@pytest.fixture
def service(machine):
    """Running, with Box; however the last test left it."""
    machine.run(f"systemctl stop flagman; rm -rf {DROP_IN} /etc/flagman/conf.d/*")
    machine.write("/run/systemd/system/flagman-small.service",
                  "[Service]\nExecStart=/bin/sleep infinity\n")
    machine.write("/etc/sudoers.d/alice", "alice ALL=(root) NOPASSWD: /usr/bin/id\n", "0440")
    machine.check("systemctl daemon-reload && systemctl reset-failed && systemctl start flagman")
    machine.write("/etc/flagman/conf.d/box.yaml", BOX)
    machine.wait_for(f"test -e {BOARD}/Status.txt && flagman status Box/Network")
    yield machine
    machine.run("flagman cancel Box/Long; umount /mnt/x; systemctl stop flagman")


def run(machine, action):
    done = machine.run(f"flagman run --wait 'Box/{action}'")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def show(machine, what, unit="flagman"):
    return machine.check(f"systemctl show --value -p {what} {unit}")


def test_it_starts_with_nothing_configured(machine):
    machine.run("systemctl stop flagman")
    machine.check("rm -rf /etc/flagman && systemctl start flagman")
    assert show(machine, "ActiveState") == "active"
    assert show(machine, "StatusText") == "0 actions of 0 groups, 0 errors in /etc/flagman/conf.d"
    modes = machine.check("stat -c '%a %U %n' /etc/flagman/conf.d /var/lib/flagman "
                          "/var/lib/flagman/{runs,agent} /run/flagman")
    assert modes.splitlines() == [
        "755 root /etc/flagman/conf.d", "755 root /var/lib/flagman",
        "700 root /var/lib/flagman/runs", "700 flagman /var/lib/flagman/agent",
        "755 root /run/flagman"]


def test_reload(service):
    service.check("systemctl reload flagman")
    service.check("sed -i '/name: Sudo/,+1d' /etc/flagman/conf.d/box.yaml && "
                  "systemctl reload flagman")
    service.wait_for(f"! test -e {BOARD}/Sudo.txt")
    assert show(service, "ActiveState") == "active"


def test_the_watchdog_restarts_who_hangs(service):
    service.write(DROP_IN, "[Service]\nWatchdogSec=3s\n")
    service.check("systemctl daemon-reload && systemctl restart flagman")
    before = show(service, "MainPID")
    agent = service.check("pgrep -x flagman-agent")
    service.check(f"kill -STOP {before}")
    service.wait_for(lambda: show(service, "MainPID") not in (before, "0")
                     and show(service, "ActiveState") == "active", "another one is active")
    assert int(show(service, "NRestarts")) >= 1
    assert "Watchdog timeout" in service.check("journalctl -b -u flagman --no-pager")
    assert agent != service.check("pgrep -x flagman-agent"), "agents die with their executor"
    run(service, "Restart")


def test_a_run_survives_a_restart(service):
    service.check("flagman run Box/Long")
    service.wait_for("pgrep -fx '/bin/sleep 300'")
    pid = service.check("pgrep -fx '/bin/sleep 300'")
    assert re.search(r"flagman\.service/run-\w+$", service.check(f"cat /proc/{pid}/cgroup"))
    service.check("systemctl restart flagman")
    assert "adopted 1 runs" in service.check("journalctl -b -u flagman --no-pager")
    service.wait_for(f"ls {BOARD} | grep -q 'Long .Running'")
    assert service.check("pgrep -fx '/bin/sleep 300'") == pid
    service.check("flagman cancel Box/Long")
    service.wait_for(f"! kill -0 {pid}")


def test_stopping_leaves_runs_alone(service):
    service.check("flagman run Box/Long")
    service.wait_for("pgrep -fx '/bin/sleep 300'")
    service.check("systemctl stop flagman")
    assert not service.run("pgrep -x flagmand; pgrep -x flagman-agent").stdout
    service.check("pgrep -fx '/bin/sleep 300'")
    service.check("test -d /run/flagman/alive && systemctl start flagman")


def test_a_press_restarts_a_service(service):
    service.check("systemctl start flagman-small")
    before = show(service, "InvocationID", "flagman-small")
    service.check(f"rm {BOARD}/Restart*.txt", user="alice")
    service.wait_for(lambda: show(service, "InvocationID", "flagman-small") != before, "restarted")


def test_commands_get_what_they_need(service):
    assert "CapAmb:\t0000000000000400" in run(service, "Rights")
    assert run(service, "Sudo") == "0\n"
    assert "/dev/sr0" in run(service, "Places")
    assert run(service, "Memory") == run(service, "Network") == "42\n"
    run(service, "Mount")
    assert "/mnt/x" in service.check("cat /proc/1/mounts"), "everybody sees what is mounted"


def test_what_is_taken_away_is_away(service):
    """The capabilities of the unit's list, from root's commands too; and a filter is on."""
    said = run(service, "All")
    bounding = int(re.search(r"CapBnd:\s*(\w+)", said)[1], 16)
    mac_override, mac_admin, sys_boot, sys_admin = 32, 33, 22, 21
    assert not bounding & (1 << mac_override | 1 << mac_admin | 1 << sys_boot)
    assert bounding & 1 << sys_admin
    assert re.search(r"Seccomp:\s*2", said)
