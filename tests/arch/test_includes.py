# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders are processes or layers, and the arrows between them run one way (HACKING)."""

import re

import pytest

from conftest import TOP, source_files

# folder -> what it may include from; itself always.
ARROWS = {
    "common": set(),
    "wire": {"common"},
    "config": {"common"},
    "watcher": {"wire", "common"},
    "runner": {"wire", "common"},
    "names": {"common"},
    "executor": {"config", "wire", "common"},
    "agent": {"wire", "common"},
    "cli": {"config", "wire", "common"},
    "disc": {"wire", "common"},
}

# A header that only one folder, or only these files, may see.
OWNED = {
    "yaml.h": {"config"},
    "sqlite3.h": {"agent"},
    "inotifytools/inotifytools.h": {"watcher"},
    "inotifytools/inotify.h": {"watcher"},
    "cdio/cdio.h": {"disc"},
    "cdio/iso9660.h": {"disc"},
    "cdio/mmc.h": {"disc"},
    "libburn/libburn.h": {"disc"},
    "json-c/json.h": {"cli", "disc"},
    "utf8proc.h": {"common", "cli"},
    "seccomp.h": {"common"},
}


def includes(path):
    """(line number, quote or angle, name) of each #include."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match[1], match[2]


def folder(path):
    return path.relative_to(TOP / "src").parts[0]


def test_folders_are_known():
    unknown = {folder(p) for p in source_files("*.c", "*.h")} - set(ARROWS)
    assert not unknown, f"say in test_includes.py what {unknown} may include"


@pytest.mark.parametrize("here", ARROWS)
def test_arrows(here):
    wrong = []
    for path in source_files("*.c", "*.h"):
        if folder(path) != here:
            continue
        for number, kind, name in includes(path):
            there = name.split("/")[0] if "/" in name else here
            if kind == '"' and there not in ARROWS[here] | {here}:
                wrong.append(f"{path.relative_to(TOP)}:{number}: {name}")
    assert not wrong, "\n".join(wrong)


def test_libraries_have_one_owner():
    wrong = [f"{path.relative_to(TOP)}:{number}: <{name}>"
             for path in source_files("*.c", "*.h") for number, _, name in includes(path)
             if folder(path) not in OWNED.get(name, {folder(path)})]
    assert not wrong, "\n".join(wrong)


def test_only_one_file_has_yaml():
    users = {path.name for path in source_files("*.c", "*.h")
             for _, _, name in includes(path) if name == "yaml.h"}
    assert len(users) <= 1, f"yaml.h is included by {', '.join(sorted(users))}"
