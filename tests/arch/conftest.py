# SPDX-License-Identifier: GPL-2.0-or-later
"""The shape of the source and of the programs, kept by tests.  FLAGMAN_BIN names the programs."""

import os
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent


def source_files(*patterns):
    return sorted(p for pattern in patterns for p in (TOP / "src").rglob(pattern))


def without_comments_and_strings(text):
    """The same text, line for line, with comments and the insides of literals blanked."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


@pytest.fixture(scope="session")
def bin_dir():
    path = os.environ.get("FLAGMAN_BIN")
    assert path, "FLAGMAN_BIN must name the bin directory of a build"
    return Path(path)
