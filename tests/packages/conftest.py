# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the packages; those that install them are marked root."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """One that can't run fails."""
    outcome = yield
    report = outcome.get_result()
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} did not run: {report.longrepr}"


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root")
