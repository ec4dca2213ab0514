# SPDX-License-Identifier: GPL-2.0-or-later
"""Disc images with an ISO 9660 or UDF file system, made by genisoimage."""

import os
import shutil
import subprocess

SECTOR = 2048
PIECE = 1 << 20


def make(path, size=3 << 20, label="LAB", options=("-J", "-R")):
    """An image at PATH with /readme.txt, /pool/big.bin (SIZE random bytes) and /pool/z.txt."""
    tree = path.with_suffix(".tree")
    (tree / "pool").mkdir(parents=True)
    (tree / "readme.txt").write_text("hello\n")
    with open(tree / "pool" / "big.bin", "wb") as big:
        for begin in range(0, size, PIECE):
            big.write(os.urandom(min(PIECE, size - begin)))
    (tree / "pool" / "z.txt").write_text("the end\n")
    subprocess.run(["genisoimage", "-quiet", "-V", label, *options, "-o", str(path), str(tree)],
                   check=True, capture_output=True)
    shutil.rmtree(tree)
    return path


def implant(path):
    """isomd5sum's checksum, written into the image."""
    subprocess.run(["implantisomd5", str(path)], check=True, capture_output=True)
    return path


def sector_of(path, name):
    """The first sector of the file NAME in the image."""
    listing = subprocess.run(["isoinfo", "-l", "-R", "-i", str(path)], check=True,
                             capture_output=True, text=True).stdout
    for line in listing.splitlines():
        if line.rstrip().endswith(" " + name):
            return int(line[line.index("[") + 1:line.index("]")].split()[0])
    raise LookupError(f"{name} is not in {path}:\n{listing}")


def flip(path, offset):
    """Changes one byte."""
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)
        f.seek(offset)
        f.write(bytes([byte[0] ^ 0xff]))
