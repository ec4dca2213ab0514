# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages: built, looked into, and a machine like this one to install them in."""

import os
import shlex
import signal
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
PATIENCE = 600


def output(*argv, **keys):
    """What ARGV prints; that it fails is an error that says why."""
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=PATIENCE, **keys)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout[-5000:]}"
    return done.stdout


def build(directory, **environment):
    """{file name without its version: path}"""
    output(TOP / "packaging/debian/build", directory,
           env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck", **environment})
    return {path.name.partition("_")[0]: path for path in directory.glob("*.deb")}


def listing(package):
    """"mode owner size-less path" of each file and directory."""
    lines = []
    for line in output("dpkg-deb", "--contents", package).splitlines():
        mode, owner, _, _, _, path = line.split(maxsplit=5)
        lines.append(f"{mode} {owner} {path.removeprefix('.')}")
    return sorted(lines, key=lambda line: line.split()[2])


def newer(package, directory, version):
    """The same with another version."""
    tree = directory / "tree"
    output("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN/control"
    lines = control.read_text(encoding="utf-8").splitlines()
    control.write_text("\n".join(f"Version: {version}" if line.startswith("Version:") else line
                                 for line in lines) + "\n", encoding="utf-8")
    path = directory / f"{package.name.partition('_')[0]}_{version}.deb"
    output("dpkg-deb", "--root-owner-group", "--build", tree, path)
    return path


class Twin:
    """This machine over again: nothing that is written in there is seen out here.

    An overlay over /, in namespaces of mounts and processes; who is in there ends with close().
    """

    SETUP = """
        set -e
        mount -t tmpfs -o mode=755 twin "$1"
        mkdir -p "$1"/upper "$1"/work "$1"/root
        mount -t overlay -o lowerdir=/,upperdir="$1"/upper,workdir="$1"/work twin "$1"/root
        mount -t proc proc "$1"/root/proc
        mount --rbind /dev "$1"/root/dev
        mount -t tmpfs -o mode=755 run "$1"/root/run
        mount -t tmpfs -o mode=1777 tmp "$1"/root/tmp
        mount -t tmpfs -o mode=755 srv "$1"/root/srv
        echo ready
        exec sleep infinity
    """

    def __init__(self, directory):
        self.directory = directory
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
             "bash", "-c", self.SETUP, "twin", str(directory)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = self.process.stdout.readline()
        assert line == "ready\n", line + self.process.stdout.read()
        below = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.init = below.read_text(encoding="ascii").split()[0]

    def _argv(self, command):
        return ["nsenter", "--target", self.init, "--mount", "--pid", "chroot",
                str(self.directory / "root"), "/usr/bin/env", "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive", "bash", "-c", command]

    def check(self, command):
        return output(*self._argv(command)).rstrip("\n")

    def fails(self, command):
        return subprocess.run(self._argv(command), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE).returncode != 0

    def begin(self, command, log):
        """It goes on; log is where in there it writes."""
        return subprocess.Popen(self._argv(f"exec {command} >{shlex.quote(log)} 2>&1"),
                                stdin=subprocess.DEVNULL)

    def put(self, *paths):
        """Their names in there."""
        for path in paths:
            with open(path, "rb") as file:
                subprocess.run(self._argv(f"cat >/tmp/{path.name}"), stdin=file, check=True)
        return [f"/tmp/{path.name}" for path in paths]

    def changed(self):
        """What is there, is gone or is not as it is out here: paths of files, sorted."""
        text = output("nsenter", "--target", self.init, "--mount", "find",
                      str(self.directory / "upper"), "!", "-type", "d", "-printf", "/%P\\n")
        return sorted(text.splitlines())

    def close(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
