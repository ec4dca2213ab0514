# SPDX-License-Identifier: GPL-2.0-or-later
"""What `ninja install` puts where."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import TOP


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


# Programs of users below the prefix, flagmand where /usr has those: one is the other's beginning.
ODD = {"PREFIX": "/opt/x", "BINDIR": "tools", "SBINDIR": "/usr/bin", "LIBEXECDIR": "lib/x",
       "DATADIR": "data", "MANDIR": "pages", "DOCDIR": "data/texts"}


@pytest.fixture(scope="module")
def odd(bin_dir, tmp_path_factory):
    """Installed into odd directories: (DESTDIR, how programs would be compiled, files written).
    Those that are installed are not built again, which would take a minute."""
    build = tmp_path_factory.mktemp("odd-build")
    root = tmp_path_factory.mktemp("odd-root")
    subprocess.run(["cmake", "-G", "Ninja", "-S", str(TOP), "-B", str(build), "-DFLAGMAN_TESTS=OFF",
                    *(f"-DCMAKE_INSTALL_{name}={value}" for name, value in ODD.items())],
                   check=True, capture_output=True)
    shutil.copytree(bin_dir, build / "bin", dirs_exist_ok=True)
    subprocess.run(["cmake", "--install", str(build)], check=True, capture_output=True,
                   env=dict(os.environ, DESTDIR=str(root)))
    written = (build / "install_manifest.txt").read_text(encoding="utf-8").splitlines()
    return root, (build / "compile_commands.json").read_text(encoding="utf-8"), written


def test_every_file_goes_below_destdir(odd):
    root, _, written = odd
    assert len(written) > 40
    for path in written:
        assert (root / path.lstrip("/")).is_file(), path
    assert not Path("/opt/x").exists()
    known = re.compile(r"/opt/x/(tools|lib/x/flagman|lib/(systemd/system|(sysusers|tmpfiles)\.d)|"
                       r"data/(flagman|bash-completion|texts)|pages/man\d)/|/usr/bin/flagmand$")
    assert [path for path in written if not known.match(path)] == []


def test_files_name_the_directories_that_cmake_was_told(odd):
    root, compiled, _ = odd
    service, = root.rglob("flagman.service")
    assert "\nExecStart=/usr/bin/flagmand\n" in service.read_text(encoding="utf-8")
    profile = (root / "opt/x/data/flagman/apparmor/flagman").read_text(encoding="utf-8")
    for line in ("  /usr/bin/flagmand mr,", "profile flagman-disc /opt/x/tools/flagman-disc {",
                 "  /opt/x/lib/x/flagman/flagman-agent px -> flagman-agent,"):
        assert f"\n{line}\n" in profile
    page = (root / "opt/x/pages/man5/flagman.yaml.5").read_text(encoding="utf-8")
    assert ".It Pa /opt/x/data/texts/examples/conf.d/" in page
    assert (root / "opt/x/data/texts/examples/conf.d").is_dir()
    assert '-DFLAGMAN_LIBEXECDIR=\\\\\\"/opt/x/lib/x/flagman\\\\\\"' in compiled
    assert '-DFLAGMAN_BINDIR=\\\\\\"/opt/x/tools\\\\\\"' in compiled


def test_no_file_names_the_usual_ones(odd):
    """But the policy module, whose README says so, and samples, which name others' programs."""
    root, _, written = odd
    usual = re.compile(r"/usr/(libexec/flagman|sbin/flagmand|bin/flagman\b|share/(doc/)?flagman)")
    for path in written:
        text = (root / path.lstrip("/")).read_bytes()
        if text.startswith(b"\x7fELF") or "/selinux/" in path:
            continue
        assert usual.search(text.decode()) is None, path
