# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the tests in a virtual machine; tests/vm/run sets them up.

One machine serves all tests of a session: a boot is half a minute.  A test that leaves it unfit
(off, or booted differently) costs the next one a boot, and nothing else.
"""

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from burner import Burner  # noqa: E402
from discs import Disc  # noqa: E402
from vm import Machine  # noqa: E402

DISC_USER = "flagman-disc"


def setting(name):
    value = os.environ.get(name)
    assert value, f"{name} is not set: please use tests/vm/run"
    return Path(value)


def end(*_):
    raise KeyboardInterrupt


def pytest_configure():
    """Told to end, it ends the machine too."""
    signal.signal(signal.SIGTERM, end)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that can't run fails; one that fails in the machine shows what the machine says."""
    outcome = yield
    report = outcome.get_result()
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} did not run: {report.longrepr}"
    machine = getattr(item, "funcargs", {}).get("machine")
    if report.when == "call" and report.failed and machine is not None and machine.up():
        if "--- console" not in str(report.longrepr):
            report.sections.append(("machine", machine.dump()))


@dataclasses.dataclass(frozen=True)
class Image:
    """A disc's image, here and in the machine."""

    here: Path
    there: str
    size: int
    sha256: str


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """Below FLAGMAN_VM_DIR rather than /tmp, which may be memory."""
    path = setting("FLAGMAN_VM_SCRATCH") / "files"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(scope="session")
def the_machine():
    with Machine(setting("FLAGMAN_VM_IMAGES"), setting("FLAGMAN_VM_SCRATCH")) as machine:
        yield machine
        machine.stop()


@pytest.fixture(scope="session")
def programs():
    """{name: path in the machine} of what `cmake --install` has put there."""
    with tarfile.open(setting("FLAGMAN_VM_PROGRAMS")) as archive:
        return {Path(member.name).name: "/" + member.name.removeprefix("./")
                for member in archive if member.isfile() and member.mode & 0o100}


def furnish(machine):
    """Programs, unit and people, into a machine that has just been made, as a package would."""
    machine.put(setting("FLAGMAN_VM_PROGRAMS"), "/root/flagman.tar")
    machine.check("tar -C / --no-overwrite-dir -xf /root/flagman.tar && rm /root/flagman.tar")
    machine.check("systemd-sysusers flagman.conf flagman-disc.conf")
    machine.check("systemd-tmpfiles --create flagman.conf")
    machine.check("systemctl daemon-reload")
    machine.check("groupadd media && useradd --gid media --no-create-home alice")


def booted(machine, lsm=None):
    """MACHINE, up and furnished, with that security module."""
    if machine.up() and machine.lsm != lsm:
        machine.stop()
    if not machine.up():
        machine.start(lsm=lsm)
    if machine.run("test -e /root/furnished").returncode != 0:
        furnish(machine)
        machine.check("touch /root/furnished")
    return machine


@pytest.fixture
def machine(the_machine):
    """Without a security module; tests of one have a fixture of this name in their file."""
    return booted(the_machine)


@pytest.fixture
def drive(machine):
    """qemu's CD drive, which has a real tray; the test finds it empty and closed."""
    def empty():
        machine.run("umount --lazy --all-targets /dev/sr0; eject -i off /dev/sr0")
        machine.cd_eject()
        machine.cd_close()
    empty()
    yield "/dev/sr0"
    empty()


@pytest.fixture
def burner(machine):
    """A DVD burner with a blank disc."""
    found = getattr(machine, "burner", None)
    if found is not None and machine.run(f"test -b {found.device}").returncode == 0 \
            and machine.run("systemctl is-active flagman-burner").returncode == 0:
        found.new_blank()
        return found
    machine.burner = Burner(machine)
    return machine.burner.up()


@pytest.fixture
def disc(machine, programs):
    return Disc(machine, programs)


def make_iso(path, size, label):
    """A disc's image with one file of SIZE random bytes (so that no block is like another)."""
    tree = path.with_suffix("")
    tree.mkdir()
    (tree / "data.bin").write_bytes(os.urandom(size))
    (tree / "readme.txt").write_text(f"This is {label}.\n", encoding="ascii")
    subprocess.run(["genisoimage", "-quiet", "-R", "-J", "-V", label, "-o", str(path), str(tree)],
                   check=True, stdin=subprocess.DEVNULL)
    return path


def put_image(machine, here, name=None):
    there = f"/srv/images/{name or here.name}"
    digest = hashlib.sha256(here.read_bytes()).hexdigest()
    if machine.run(f"echo '{digest}  {there}' | sha256sum -c --status").returncode != 0:
        machine.put(here, there)
    return Image(here, there, here.stat().st_size, digest)


@pytest.fixture(scope="session")
def small_iso(scratch):
    return make_iso(scratch / "small.iso", 2_000_000, "SMALL")


@pytest.fixture(scope="session")
def large_iso(scratch):
    """Enough for a burn of some ten seconds, with time to disturb it."""
    return make_iso(scratch / "large.iso", 30_000_000, "LARGE")


@pytest.fixture
def small(machine, small_iso):
    return put_image(machine, small_iso)


@pytest.fixture
def large(machine, large_iso):
    return put_image(machine, large_iso)
