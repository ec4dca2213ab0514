# SPDX-License-Identifier: GPL-2.0-or-later
"""FLAGMAN_BIN is the bin directory of a build, FLAGMAN_PROBE the test command probe."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lib import people as people_module  # noqa: E402
from lib import processes  # noqa: E402

import flagmand  # noqa: E402

ROOT = os.geteuid() == 0


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root and several users")
    processes.become_subreaper()
    people_module.to_env(people_module.make(os.getpid()))


def pytest_unconfigure(config):
    people_module.remove(os.getpid())


def pytest_collection_modifyitems(config, items):
    if not ROOT:
        out = [item for item in items if item.get_closest_marker("root")]
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


@pytest.fixture(scope="session")
def session_dir():
    path = Path(tempfile.mkdtemp(prefix="fme-", dir="/srv" if ROOT else None))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def people():
    return people_module.from_env()


@pytest.fixture(scope="session")
def programs(session_dir):
    flagmand.make_bin(session_dir / "bin", os.environ["FLAGMAN_BIN"])
    shutil.copy(os.environ["FLAGMAN_PROBE"], session_dir / "probe")
    (session_dir / "probe").chmod(0o755)
    return session_dir


@pytest.fixture
def daemon(programs, people):
    """A Flagmand, not yet started."""
    path = Path(tempfile.mkdtemp(prefix="t", dir=programs))
    path.chmod(0o755)
    instance = flagmand.Flagmand(path, people, programs / "bin", programs / "probe")
    yield instance
    instance.close()
    processes.end_all()
    log = instance.log_path
    text = log.read_text(errors="replace") if log.exists() else ""
    shutil.rmtree(path, ignore_errors=True)
    assert "panic" not in text and "Sanitizer" not in text, text
