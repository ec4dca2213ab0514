# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that samba/README promises, for whoever runs them: one a line, as they stand."""

from pathlib import Path

README = Path(__file__).resolve().parents[2] / "samba" / "README"
HEADING = "From nothing to a working button"


def commands():
    """The first indented block below HEADING."""
    lines = README.read_text(encoding="utf-8").splitlines()
    start = lines.index(HEADING) + 2  # the line under it
    found = []
    for line in lines[start:]:
        if line.startswith("    "):
            found.append(line.strip())
        elif found:
            break
    return found
