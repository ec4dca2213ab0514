# SPDX-License-Identifier: GPL-2.0-or-later
"""packaging/systemd: what systemd itself says of it, and what flagman needs of it."""

import json
import os
import re
import subprocess

import pytest

# `systemd-analyze security`, of 10.  Commands inherit the sandbox, and they may be anything.
CEILING = 9.1
# Each of them makes a mount namespace: commands mount, and outlive the service.
NAMESPACES = {
    "BindPaths", "BindReadOnlyPaths", "ExecPaths", "InaccessiblePaths", "MountAPIVFS", "MountFlags",
    "NoExecPaths", "PrivateDevices", "PrivateIPC", "PrivateMounts", "PrivateTmp", "ProcSubset",
    "ProtectControlGroups", "ProtectHome", "ProtectKernelLogs", "ProtectKernelModules",
    "ProtectKernelTunables", "ProtectProc", "ProtectSystem", "ReadOnlyPaths", "ReadWritePaths",
    "RootDirectory", "RootImage", "TemporaryFileSystem",
}
# It allows nothing unless it is told so, and a disc's drive is not among it.
DEVICES = {"DeviceAllow", "DevicePolicy", "ProtectClock"}


@pytest.fixture(scope="module")
def installed(bin_dir, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["cmake", "--install", str(bin_dir.parent)], check=True, capture_output=True,
                   env=dict(os.environ, DESTDIR=str(root)))
    return root


def find(root, name):
    found, = root.rglob(name)
    return found


@pytest.fixture(scope="module")
def unit(installed):
    return find(installed, "flagman.service").read_text(encoding="utf-8")


def settings(text):
    """[(name, value)] in order; a name may come several times."""
    return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)


def complaints(tmp_path, installed, text):
    """Of systemd-analyze verify, whose exit status is 0 also for settings that it does not know."""
    programs = find(installed, "flagmand").parent
    path = tmp_path / "flagman.service"
    path.write_text(re.sub(r"(?m)^(ExecStart=)\S+/", rf"\1{programs}/", text), encoding="utf-8")
    man = find(installed, "flagmand.8").parent.parent
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True,
                          check=False, env=dict(os.environ, MANPATH=str(man)), timeout=60)
    return done.stdout + done.stderr


def test_systemd_takes_it(tmp_path, installed, unit):
    assert complaints(tmp_path, installed, unit) == ""


@pytest.mark.parametrize("wrong, word", [
    ("OOMPolicy=forgive", "forgive"), ("Sandbox=yes", "Sandbox"), ("ExecStop=/no", "/no"),
    ("SystemCallFilter=~@all-of-it", "@all-of-it"), ("Documentation=man:none(8)", "none(8)"),
])
def test_systemd_would_not_take_everything(tmp_path, installed, unit, wrong, word):
    section = "[Unit]" if wrong.startswith("Documentation") else "[Service]"
    text = unit.replace(f"{section}\n", f"{section}\n{wrong}\n")
    assert word in complaints(tmp_path, installed, text)


def test_it_starts_what_is_installed(installed, unit):
    start = dict(settings(unit))["ExecStart"]
    assert start.startswith("/") and (installed / start[1:]).stat().st_mode & 0o111


@pytest.mark.parametrize("setting", [
    ("Type", "notify"),
    ("KillMode", "process"),
    ("Delegate", "yes"),
    ("RuntimeDirectoryPreserve", "yes"),
    ("OOMPolicy", "continue"),
    ("StateDirectory", "flagman"),
    ("RuntimeDirectory", "flagman"),
    ("Restart", "on-failure"),
], ids="=".join)
def test_runs_outlive_the_service(unit, setting):
    """What the code relies on; HACKING says why."""
    assert [v for n, v in settings(unit) if n == setting[0]] == [setting[1]]


def test_there_is_a_watchdog(unit):
    assert dict(settings(unit))["WatchdogSec"] not in ("", "0", "infinity")


def test_no_mount_namespace_and_no_list_of_devices(unit):
    assert not {name for name, _ in settings(unit)} & (NAMESPACES | DEVICES)


def security(path):
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                           "--json=short", str(path)], capture_output=True, text=True, check=True,
                          timeout=60)
    return json.loads(done.stdout)


def test_exposure(installed):
    path = find(installed, "flagman.service")
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(path)],
                          capture_output=True, text=True, check=True, timeout=60)
    exposure = float(re.search(r"Overall exposure level for flagman.service: ([\d.]+)",
                               done.stdout)[1])
    assert exposure <= CEILING


def test_each_protection_is_on_or_has_its_reason(installed, unit):
    """By systemd's own list of them."""
    names = set(re.findall(r"\b(\w+)=", unit))
    silent = [row["name"] for row in security(find(installed, "flagman.service"))
              if not row["set"] and row["name"].partition("=")[0] not in names]
    assert not silent, f"say in flagman.service why not: {', '.join(silent)}"


def test_capabilities_exist(unit):
    """A name that systemd does not know is left out without a word."""
    known = set(re.findall(r"(?m)^(cap_\w+)", subprocess.run(
        ["systemd-analyze", "capability"], capture_output=True, text=True, check=True).stdout))
    named = set(re.findall(r"\bcap_[a-z_]+", " ".join(
        value for name, value in settings(unit) if name == "CapabilityBoundingSet").lower()))
    assert len(named) > 5 and named <= known


def sysusers(tmp_path, installed, *names):
    """{name: fields of passwd(5)} of those they make in an empty system; and their groups."""
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text("", encoding="ascii")
    for name in names:
        found, = (p for p in installed.rglob(name) if p.parent.name == "sysusers.d")
        subprocess.run(["systemd-sysusers", f"--root={tmp_path}", str(found)], check=True,
                       capture_output=True, timeout=60)
    return tuple({line.split(":")[0]: line.split(":") for line in
                  (tmp_path / "etc" / name).read_text(encoding="utf-8").splitlines()}
                 for name in ("passwd", "group"))


def test_the_service_has_a_user(tmp_path, installed):
    """Without flagman-disc, which a package may leave out."""
    users, groups = sysusers(tmp_path, installed, "flagman.conf")
    assert set(users) == set(groups) == {"flagman"}


def test_users(tmp_path, installed):
    users, groups = sysusers(tmp_path, installed, "flagman.conf", "flagman-disc.conf")
    assert set(users) == {"flagman", "flagman-disc"}
    assert set(groups) == {"flagman", "cdrom"}
    assert users["flagman"][3] == groups["flagman"][2]
    assert users["flagman-disc"][3] == groups["cdrom"][2]
    for user in users.values():
        assert 0 < int(user[2]) < 1000 and user[6] == "/usr/sbin/nologin"
    assert not any(group[3] for group in groups.values()), "nobody is a member besides"


def test_directories(installed):
    """Modes that flagmand would give them, and nothing of /etc: that is the administrator's."""
    found, = (p for p in installed.rglob("flagman.conf") if p.parent.name == "tmpfiles.d")
    lines = [line.split() for line in found.read_text(encoding="utf-8").splitlines()
             if not line.startswith("#")]
    assert {line[0] for line in lines} == {"d"}
    assert {line[1]: line[2:5] for line in lines} == {
        "/var/lib/flagman": ["0755", "root", "root"],
        "/var/lib/flagman/runs": ["0700", "root", "root"],
        "/var/lib/flagman/agent": ["0700", "flagman", "flagman"],
        "/run/flagman": ["0755", "root", "root"],
    }
