# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be installed to build: a header of a package that is on no list builds here and nowhere
else."""

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent


def output(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def words_of(name):
    """The value of NAME in tests/deps."""
    text = (TOP / "tests/deps").read_text(encoding="utf-8")
    return re.search(rf"(?ms)^{name}='(.*?)'", text)[1].split()


def build_depends():
    text = (TOP / "packaging/debian/control").read_text(encoding="utf-8")
    lists = re.findall(r"(?m)^Build-Depends(?:-Arch)?:\n((?: .*\n)*)", text)
    return re.findall(r"(?m)^ ([a-z0-9.+-]+)", "".join(lists))


def closure(packages):
    """With all that their Depends bring; of alternatives, those that are installed."""
    text = output("dpkg-query", "-W", "-f",
                  "${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\n")
    depends = {}
    for line in text.splitlines():
        name, provides, needs = line.split("\t")
        needs = re.findall(r"(?:^|[,|])\s*([a-z0-9.+-]+)", needs)
        for one in {name, *re.findall(r"(?:^|,)\s*([a-z0-9.+-]+)", provides)}:
            depends.setdefault(one, set()).update({name, *needs})
    known, todo = set(), list(packages)
    while todo:
        one = todo.pop()
        if one not in known:
            known.add(one)
            todo += depends.get(one, ())
    return known


def headers(build):
    """{path: file that includes it} of all that src/ gets from the system, however deeply."""
    found = {}
    database = output("ninja", "-C", str(build), "-t", "deps")
    for block in re.split(r"\n\n", database):
        lines = block.split("\n")
        if not lines[0].startswith("src/"):
            continue
        for line in lines[1:]:
            if line.startswith("    /usr/"):
                found.setdefault(str(Path(line.strip()).resolve()), lines[0].split(":")[0])
    return found


@pytest.fixture(scope="module")
def owners(bin_dir):
    """{package: (header, file that includes it)}"""
    found = headers(bin_dir.parent)
    assert len(found) > 100, "the build says nothing of its headers"
    known = {}
    for line in output("dpkg-query", "-S", *found).splitlines():
        packages, _, path = line.rpartition(": ")
        if not packages.startswith("diversion "):
            for package in packages.split(", "):
                known.setdefault(package.partition(":")[0], (path, found.get(path)))
    return known


@pytest.mark.parametrize("where", ("tests/deps", "packaging/debian/control"))
def test_each_header_is_of_a_package_that_is_asked_for(owners, where):
    asked = words_of("build") if where == "tests/deps" else build_depends() + ["build-essential"]
    missing = {package: owners[package] for package in owners.keys() - closure(asked)}
    assert not missing, f"{where} lacks them"
