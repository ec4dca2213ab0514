# SPDX-License-Identifier: GPL-2.0-or-later
"""The module is for two reference policies, and only Debian's is here to compile against.

interfaces.txt has what both offer.  A name that only one has stands in that one's branch of
ifdef(`distro_redhat').
"""

import re
from pathlib import Path

import pytest

from conftest import DEVEL, TOP

HERE = Path(__file__).resolve().parent
CALL = re.compile(r"^\s*([a-z0-9]+_[a-z0-9_]+)\(", re.MULTILINE)
DEFINED = re.compile(r"(?:interface|template|define)\(`([a-z0-9_]+)'")
BRANCHES = re.compile(r"ifdef\(`distro_redhat',`(.*?)^',`(.*?)^'\)", re.MULTILINE | re.DOTALL)


def table():
    lines = (HERE / "interfaces.txt").read_text(encoding="ascii").splitlines()
    return dict(reversed(line.split()) for line in lines if line and line[0] != "#")


def calls(text):
    """Of what others define."""
    text = re.sub("#.*", "", text)
    return {name for name in CALL.findall(text) if not name.startswith("flagman_")}


@pytest.fixture(scope="module")
def used():
    """{"both", "debian", "fedora": names}"""
    text = "".join((TOP / "selinux" / f"flagman.{kind}").read_text(encoding="utf-8")
                   for kind in ("te", "if"))
    branches = BRANCHES.findall(text)
    return {"both": calls(BRANCHES.sub("", text)),
            "fedora": set().union(*(calls(redhat) for redhat, _ in branches)),
            "debian": set().union(*(calls(debian) for _, debian in branches))}


def test_the_branches_are_found(used):
    assert "systemd_unit_file" in used["fedora"] and "init_unit_file" in used["debian"]
    assert len(used["both"]) > 40


def test_what_both_must_have(used):
    known = table()
    assert {name for name in used["both"] if known.get(name) != "both"} == set()


@pytest.mark.parametrize("whose", ["debian", "fedora"])
def test_what_one_must_have(used, whose):
    known = table()
    assert {name for name in used[whose] if known.get(name) not in (whose, "both")} == set()


def test_the_table_has_nothing_else(used):
    assert set(table()) == used["both"] | used["debian"] | used["fedora"]


def test_the_table_is_right_about_debian():
    here = set()
    for file in (DEVEL / "include").rglob("*"):
        if file.suffix in (".if", ".spt"):
            here |= set(DEFINED.findall(file.read_text(encoding="utf-8", errors="replace")))
    known = table()
    assert {name for name, whose in known.items() if (whose != "fedora") != (name in here)} == set()
