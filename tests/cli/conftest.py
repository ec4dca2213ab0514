# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: the flagman program (FLAGMAN_CLI) and an agent of paper for it to talk to."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fake_agent import FakeAgent  # noqa: E402
from patient import Patient  # noqa: E402

PROGRAM = os.environ["FLAGMAN_CLI"]


class Cli:
    """flagman with its directories; a call returns the completed process."""

    def __init__(self, tmp):
        self.tmp = tmp
        self.run_dir = tmp / "run"
        self.conf_dir = tmp / "etc" / "conf.d"
        self.run_dir.mkdir()
        self.conf_dir.mkdir(parents=True)
        self.conf_dir.chmod(0o755)
        self.env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        self.env.update(LC_ALL="C.UTF-8", TZ="UTC", TERM="xterm")

    def line(self, *args):
        return [PROGRAM, "--run-dir", str(self.run_dir), "--conf-dir", str(self.conf_dir),
                *[str(a) for a in args]]

    def __call__(self, *args, status=0, text=True, **more):
        done = subprocess.run(self.line(*args), capture_output=True, text=text, timeout=60,
                              env={**self.env, **more.pop("env", {})}, check=False,
                              stdin=subprocess.DEVNULL, **more)
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *args, status=0):
        return json.loads(self("--json", *args, status=status).stdout)

    def snippet(self, name, text):
        path = self.conf_dir / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path)


@pytest.fixture
def agent(cli):
    agent = FakeAgent(str(cli.run_dir))
    yield agent
    agent.close()


@pytest.fixture
def public():
    """Where others may pass; pytest's own directories are closed to them."""
    path = Path(tempfile.mkdtemp(prefix="flagman-cli-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def patient(cli, agent, tmp_path, public):
    return Patient(cli, agent, tmp_path, public)


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root; an ordinary user does not collect it")


def pytest_collection_modifyitems(config, items):
    out = [i for i in items if i.get_closest_marker("root") and os.geteuid() != 0]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [i for i in items if i not in out]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} did not run: {report.longrepr}"
