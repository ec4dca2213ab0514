# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the tests in a virtual machine; tests/vm/run sets them up.

One machine serves all tests of a session: a boot is half a minute.  A test that leaves it unfit
(off, or booted differently) costs the next one a boot, and nothing else.  So the tests are sorted
by the security module that they want; within that they stand in the order of FILES.
"""

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from burner import Burner  # noqa: E402
from discs import Disc  # noqa: E402
from share import Share  # noqa: E402
from vm import Machine  # noqa: E402
from walls import Denials  # noqa: E402

DISC_USER = "flagman-disc"
MODULES = (None, "apparmor", "selinux")
# Those who find flagman installed and leave it so, and those who don't, last.  What is in more than
# one part comes before test_selinux, whose last test reads what was denied in all of them.
FILES = ("machine", "service", "journal", "people", "rights", "snippets", "discs", "burns",
         "dropped_images", "faults", "packages", "apparmor", "selinux")


def setting(name):
    value = os.environ.get(name)
    assert value, f"{name} is not set: please use tests/vm/run"
    return Path(value)


def end(*_):
    raise KeyboardInterrupt


def pytest_configure():
    """Told to end, it ends the machine too."""
    signal.signal(signal.SIGTERM, end)


def module_of(item):
    """The security module that a test wants: its parameter's, or what its file is about."""
    callspec = getattr(item, "callspec", None)
    about = item.path.stem.removeprefix("test_")
    return callspec.params.get("walled") if callspec and "walled" in callspec.params else \
        about if about in MODULES else None


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: (MODULES.index(module_of(item)),
                                 FILES.index(item.path.stem.removeprefix("test_"))))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that can't run fails; one that fails in the machine shows what the machine says."""
    outcome = yield
    report = outcome.get_result()
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} did not run: {report.longrepr}"
    machine = getattr(item, "funcargs", {}).get("the_machine")
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


def package(name):
    """The file of the package that was built."""
    (path,) = setting("FLAGMAN_VM_PACKAGES").glob(f"{name}_*.deb")
    return path


@pytest.fixture
def programs(machine):
    """{name: path in the machine} of what the packages have put there."""
    listed = machine.check("for file in $(dpkg -L flagman flagman-disc); do "
                           "test ! -f $file -o ! -x $file || echo $file; done")
    return {Path(path).name: path for path in listed.splitlines()}


def install(machine, *files):
    """These packages, as an administrator does it who has the files; there is no network."""
    there = [f"/root/packages/{file.name}" for file in files]
    for file, target in zip(files, there):
        machine.put(file, target)
    machine.check(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "install", *there],
                  timeout=400)


def furnish(machine):
    """Packages and people, into a machine that has just been made."""
    names = ["flagman", "flagman-disc", *(["flagman-selinux"] if machine.lsm == "selinux" else [])]
    install(machine, *map(package, names))
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


@pytest.fixture(scope="module", params=MODULES, ids=lambda module: module or "plain")
def walled(request, the_machine):
    """A machine of each kind in turn; nothing of flagman's may be denied that a test did not try.

    What SELinux has denied is looked at by test_selinux.py, at the end.
    """
    machine = booted(the_machine, request.param)
    denials = Denials(machine) if request.param == "apparmor" else None
    yield machine
    if denials:
        denials.check()


@pytest.fixture(scope="module")
def share(walled):
    """Served with nothing but our line in Samba's configuration, in each kind of machine."""
    share = Share(walled)
    share.serve()
    yield share
    walled.run("umount --all --lazy -t cifs; systemctl stop smbd; rm -f /etc/flagman/conf.d/*")


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
