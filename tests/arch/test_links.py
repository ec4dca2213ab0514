# SPDX-License-Identifier: GPL-2.0-or-later
"""What each program links, against what HACKING and the design allow it.

Read from the dynamic section, so a library that slips in through another is not seen here, but one
that our own code calls is.
"""

import re
import subprocess

import pytest

# What every program may have: the C library and what compilers add.
ALWAYS = {"libc", "ld-linux-x86-64", "ld-linux-aarch64", "libgcc_s"}

ALLOWED = {
    "flagmand": {"libyaml-0", "libcap-ng", "libsystemd", "libutf8proc"},
    "flagman-agent": {"libsqlite3", "libsystemd", "libutf8proc", "libseccomp", "libnettle"},
    "flagman-watcher": {"libinotifytools", "libseccomp"},
    "flagman-names": set(),
    "flagman-runner": {"libcap-ng"},
    "flagman": {"libyaml-0", "libcap-ng", "libsystemd", "libutf8proc", "libjson-c"},
    "flagman-disc": {"libburn", "libcdio", "libiso9660", "libsystemd", "libnettle", "libjson-c",
                     "libutf8proc"},
}


def needed(program):
    """Names of its NEEDED libraries, without .so and what follows."""
    text = subprocess.run(["readelf", "--dynamic", str(program)], capture_output=True, text=True,
                          check=True).stdout
    return {re.sub(r"(-\d[\d.]*)?\.so.*", lambda m: "-0" if m[1] == "-0" else "", name)
            for name in re.findall(r"\(NEEDED\)\s+Shared library: \[([^]]+)\]", text)}


def programs(bin_dir):
    return [p for p in bin_dir.iterdir() if p.name.startswith("flagman")]


@pytest.mark.parametrize("name", ALLOWED)
def test_links_only_what_it_may(bin_dir, name):
    extra = needed(bin_dir / name) - ALWAYS - ALLOWED[name]
    assert not extra, f"{name} links {', '.join(sorted(extra))}"


def test_every_program_is_listed(bin_dir):
    unknown = {p.name for p in programs(bin_dir)} - set(ALLOWED)
    assert not unknown, f"say in test_links.py what {unknown} may link"


def test_privileged_programs_are_free_of_parsers(bin_dir):
    for name in ("flagmand", "flagman-runner"):
        links = needed(bin_dir / name)
        assert not links & {"libsqlite3", "libcdio", "libiso9660", "libinotifytools", "libburn"}


def test_inotifytools_and_cdio_never_meet(bin_dir):
    """GPL-2.0-only and GPL-3.0-or-later can't be distributed as one program."""
    for program in programs(bin_dir):
        links = needed(program)
        assert not ({"libinotifytools"} <= links and links & {"libcdio", "libiso9660"}), program


def test_programs_are_hardened(bin_dir):
    for program in programs(bin_dir):
        header = subprocess.run(["readelf", "--file-header", "--program-headers", "--dynamic",
                                 str(program)], capture_output=True, text=True, check=True).stdout
        assert "DYN (Position-Independent Executable" in header, f"{program} is not PIE"
        assert "GNU_RELRO" in header and "BIND_NOW" in header, f"{program} has no full RELRO"
        stack = re.search(r"GNU_STACK.*\n?.*\s(R\w*)\s", header)
        assert stack and "E" not in stack[1], f"{program} has an executable stack"
