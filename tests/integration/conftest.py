# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures.  The programs come from FLAGMAN_BIN (the bin directory of a build).

A test that can't run fails: nothing here is ever left out quietly.  Tests marked `root` need
several users and are not collected for an ordinary user; those marked `ordinary` are not for root.
"""

import dataclasses
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib import people as people_module  # noqa: E402
from lib import processes  # noqa: E402
from lib.instance import Instance  # noqa: E402
from lib.smbd import Smbd  # noqa: E402

MARKS = (
    "root: needs root and several users",
    "ordinary: only as an ordinary user",
    "timing: measures time; run alone, with a build that is not sanitized",
)


def is_worker(config):
    return hasattr(config, "workerinput")


def pytest_configure(config):
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    processes.become_subreaper()
    if not is_worker(config) and not config.option.collectonly:
        people_module.to_env(people_module.make(os.getpid()))


def pytest_unconfigure(config):
    if not is_worker(config) and not config.option.collectonly:
        people_module.remove(os.getpid())


def pytest_collection_modifyitems(config, items):
    unfit = "ordinary" if os.geteuid() == 0 else "root"
    out = [item for item in items if item.get_closest_marker(unfit)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} did not run: {report.longrepr}"
    if report.when == "call" and report.failed and "--- processes" not in str(report.longrepr):
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Instance):
                report.sections.append((f"instance {name}", value.dump()))
            elif isinstance(value, Smbd):
                report.sections.append((f"smbd {name}", value.log()[-4000:]))


@pytest.fixture(scope="session")
def people():
    return people_module.from_env()


@pytest.fixture(scope="session")
def session_dir():
    """A directory whose parents nobody but root and oneself can write to, where there is one.

    Not /tmp: an administrator would not put a share there, and the user that commands run as must
    be able to come in.
    """
    parent = os.environ.get("FLAGMAN_TEST_DIR") or ("/srv" if os.geteuid() == 0 else None)
    parent = Path(parent or tempfile.gettempdir())
    for old in parent.glob("fmt-*-*"):  # of sessions that were killed
        session = old.name.split("-")[1]
        if session.isdigit() and not os.path.exists(f"/proc/{session}"):
            shutil.rmtree(old, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=f"fmt-{os.getpid()}-", dir=parent))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def bin_dir(session_dir):
    """A copy of the programs that every user can reach, wherever the source is."""
    source = os.environ.get("FLAGMAN_BIN")
    assert source, "FLAGMAN_BIN must name the bin directory of a build"
    target = session_dir / "bin"
    shutil.copytree(source, target)
    for program in target.iterdir():
        program.chmod(0o755)
    return target


@pytest.fixture
def ended():
    """Whatever a test started ends with it, last of all."""
    yield
    processes.end_all()


@pytest.fixture
def test_dir(session_dir):
    path = Path(tempfile.mkdtemp(prefix="t-", dir=session_dir))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def inst(test_dir, people, bin_dir, ended):
    """An Instance, not yet started.  At the end nothing may have panicked."""
    instance = Instance(test_dir / "i", people, bin_dir)
    yield instance
    instance.close()
    complaints = instance.complaints()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def theirs(inst, people):
    """An instance that an ordinary user runs: alice, where the tests are root's."""
    if people.root:
        inst.people = dataclasses.replace(people, root=False)
        for path in (inst.root, inst.etc, inst.conf, inst.state, inst.run, inst.share):
            shutil.chown(path, people.alice, people.group)
        inst.wrapper = ["setpriv", f"--reuid={people.alice}", f"--regid={people.alice}",
                        "--init-groups", "--pdeathsig", "KILL"]
    yield inst
    inst.people = people


@pytest.fixture
def smbd(test_dir, people, ended):
    """An Smbd, not yet started, with no share."""
    server = Smbd(test_dir / "s", people)
    yield server
    server.stop()


@pytest.fixture
def samba(inst, smbd):
    """An Smbd that serves inst.share as "flags"."""
    smbd.share("flags", inst.share)
    return smbd.start()
