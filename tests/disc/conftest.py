# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: a drive that is a directory, and an image to burn."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib import drive as drive_module  # noqa: E402


@pytest.fixture(scope="session")
def program():
    """flagman-disc of FLAGMAN_BIN, the bin directory of a build."""
    return Path(os.environ["FLAGMAN_BIN"]) / "flagman-disc"


@pytest.fixture(scope="session")
def mmc_library(tmp_path_factory):
    return drive_module.build(tmp_path_factory.mktemp("mmc"))


@pytest.fixture
def drive(tmp_path, mmc_library):
    return drive_module.Drive(tmp_path / "drive", mmc_library)


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    """An ISO 9660 image of about a MiB, of which every sector is another."""
    directory = tmp_path_factory.mktemp("image")
    (directory / "tree").mkdir()
    (directory / "tree" / "numbers").write_bytes(
        b"".join(number.to_bytes(8, "big") * 64 for number in range(1500)))
    target = directory / "image.iso"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "FLAGMAN", "-o", target,
                    directory / "tree"], check=True, timeout=60, stdin=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return target
