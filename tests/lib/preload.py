# SPDX-License-Identifier: GPL-2.0-or-later
"""Libraries that are preloaded into some of an instance's programs: tests/lib/*.c."""

import shutil
import subprocess
from pathlib import Path

LIB = Path(__file__).resolve().parent
WRAPPER = """#!/bin/sh
ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0
export ASAN_OPTIONS
{variables} exec {real} "$@"
"""


def build(name, directory, sources=None):
    """The library that tests/lib/NAME.c is, or that these of its files are."""
    target = directory / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", target,
                    *sorted(LIB.glob(sources or f"{name}.c"))], check=True, timeout=60)
    return target


def wrap(inst, names, library, **variables):
    """These programs of the instance have LIBRARY and its variables, whatever starts them."""
    programs = inst.root / "bin"
    shutil.copytree(inst.bin, programs)
    (programs / "real").mkdir()
    variables["LD_PRELOAD"] = library
    for name in names:
        real = programs / "real" / name
        (programs / name).rename(real)
        (programs / name).write_text(WRAPPER.format(real=real, variables=" ".join(
            f"{key}={value}" for key, value in variables.items())), encoding="ascii")
        (programs / name).chmod(0o755)
    inst.bin = programs
