# SPDX-License-Identifier: GPL-2.0-or-later
"""What `ninja install` puts where."""

import os
import subprocess

import pytest


@pytest.fixture(scope="module")
def installed(bin_dir, tmp_path_factory):
    """Every installed path, relative to the root; and the root."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["cmake", "--install", str(bin_dir.parent), "--prefix", "/usr"], check=True,
                   capture_output=True, env=dict(os.environ, DESTDIR=str(root)))
    paths = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
    return root, paths


def test_programs(installed):
    root, paths = installed
    programs = {"usr/bin/flagman", "usr/bin/flagman-disc", "usr/sbin/flagmand"} | {
        f"usr/libexec/flagman/flagman-{name}" for name in ("agent", "names", "watcher", "runner")}
    assert programs <= paths
    for path in programs:
        assert (root / path).stat().st_mode & 0o7777 == 0o755, f"{path}: no more than executable"


def test_nothing_is_live(installed):
    """Samples are documentation; the unit is there, and somebody else enables it."""
    _, paths = installed
    assert not [p for p in paths if p.startswith("etc/")]


def test_documentation(installed):
    _, paths = installed
    for page in ("man1/flagman.1", "man1/flagman-disc.1", "man8/flagmand.8", "man5/flagman.yaml.5",
                 "man7/flagman-flags.7"):
        assert f"usr/share/man/{page}" in paths
    assert "usr/share/bash-completion/completions/flagman" in paths
    assert any(p.startswith("usr/share/doc/flagman/examples/conf.d/") and p.endswith(".yaml")
               for p in paths)
    assert any(p.startswith("usr/share/doc/flagman/examples/samba/") for p in paths)


def test_the_disc_tools_come_apart(bin_dir, tmp_path):
    """They have other libraries and another licence, and most machines have no burner."""
    for component in ("flagman", "flagman-disc"):
        subprocess.run(["cmake", "--install", str(bin_dir.parent), "--prefix", "/usr",
                        "--component", component], check=True, capture_output=True,
                       env=dict(os.environ, DESTDIR=str(tmp_path / component)))
    parts = [{str(p.relative_to(tmp_path / component)) for p in
              (tmp_path / component).rglob("*") if p.is_file()}
             for component in ("flagman", "flagman-disc")]
    assert parts[1] == {"usr/bin/flagman-disc", "usr/lib/sysusers.d/flagman-disc.conf",
                        "usr/share/man/man1/flagman-disc.1"}
    assert len(parts[0]) > 30 and not parts[0] & parts[1]


def test_test_programs_stay_behind(installed):
    _, paths = installed
    assert not [p for p in paths if "/test_" in p or p.endswith((".a", ".o"))]


def test_the_system_is_told(installed):
    """test_unit.py has what is in them."""
    _, paths = installed
    assert {"usr/lib/systemd/system/flagman.service", "usr/lib/sysusers.d/flagman.conf",
            "usr/lib/sysusers.d/flagman-disc.conf", "usr/lib/tmpfiles.d/flagman.conf"} <= paths
    assert not [p for p in paths if ".wants/" in p or ".requires/" in p]


def test_the_policy_module_is_a_source(installed):
    """It is compiled against the policy of the machine that loads it."""
    _, paths = installed
    module = {p for p in paths if p.startswith("usr/share/flagman/selinux/")}
    assert {p.rpartition("/")[2] for p in module} == {
        "README", "flagman.te", "flagman.fc", "flagman.if"}
