# SPDX-License-Identifier: GPL-2.0-or-later
"""Building RPM packages, asking them, and a machine in a directory to install them on."""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
MACROS = TOP / "tests/packages/macros.fedora"
SPEC = TOP / "packaging/rpm/flagman.spec"
NAMES = ("flagman", "flagman-disc", "flagman-selinux")


def run(*argv, check=True, **keys):
    keys = {"stdin": subprocess.DEVNULL, "timeout": 600, **keys}
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False,
                          **keys)
    assert not check or done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-4000:])
    return done


def build(top, out, *arguments, **environment):
    """packaging/rpm/build of the tree TOP; the unit tests are not run, they have a part of their
    own."""
    run(top / "packaging/rpm/build", out, "--without", "tests", *arguments,
        env={**os.environ, **environment})
    return out


def the(directory, name, arch=r"(x86_64|noarch|\w+)"):
    """The package NAME in DIRECTORY."""
    found, = (p for p in directory.iterdir()
              if re.fullmatch(rf"{name}-[0-9.]+-[0-9.]+\.(?!src){arch}\.rpm", p.name))
    return found


def query(package, *arguments):
    return run("rpm", "-qp", *arguments, package).stdout


def files(package):
    """One line a file: mode, owner, group, what kind of file it is to RPM, path.  Without the links
    of build-ids, which change with each change of the source."""
    text = query(package, "--qf", r"[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} "
                 r"%{FILEFLAGS:fflags}- %{FILENAMES}\n]")
    kept = [line for line in text.splitlines() if line.split()[3] != "a-"]
    return "".join(f"{line}\n" for line in kept)


def relations(package):
    """One line a relation; without libraries, which RPM finds by itself, and its own features."""
    kinds = ("requires", "recommends", "suggests", "supplements", "enhances", "conflicts",
             "obsoletes", "provides")
    lines = {f"{kind}: {line}" for kind in kinds
             for line in query(package, f"--{kind}").splitlines()
             if not re.match(r"\S+\.so\b|rpmlib\(|rtld\(", line)}
    return "".join(f"{line}\n" for line in sorted(lines))


def scripts(package):
    return re.sub(r" +$", "", query(package, "--scripts"), flags=re.MULTILINE)


def expanded(*definitions):
    """The spec as rpmbuild reads it, with these macros besides."""
    sources = TOP / "packaging/systemd"
    return run("rpmspec", f"--load={MACROS}", "--define", f"_sourcedir {sources}",
               *(word for name in definitions for word in ("--define", name)),
               "-P", SPEC).stdout


RECORDER = """#!/bin/sh
echo "${0##*/} $*" >>/var/log/called
%s
"""


class Root:
    """A machine in a directory: its /usr is this one's, and what is written there stays in it.  Who
    runs there has that root, no service manager and no way out of the directory but the processes.

    systemctl and semodule write down how they were called; the former also does what it can.
    """

    def __init__(self, directory):
        self.top = directory
        self.root = directory / "root"
        self.layer = directory / "layer"
        for name in ("etc/systemd/system", "etc/selinux", "run", "srv", "tmp", "dev", "proc",
                     "usr", "var/lib/rpm", "var/log"):
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")
        for name in ("layer/bin", "layer/sbin", "work"):
            (directory / name).mkdir(parents=True)
        shutil.copy("/etc/ld.so.cache", self.root / "etc")
        (self.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n", encoding="ascii")
        (self.root / "etc/group").write_text("root:x:0:\n", encoding="ascii")
        (self.root / "etc/selinux/config").write_text("SELINUXTYPE=targeted\n", encoding="ascii")
        shutil.copy("/usr/bin/systemctl", self.layer / "bin/systemctl.real")
        self._recorder("bin/systemctl", 'exec /usr/bin/systemctl.real "$@"')
        self._recorder("sbin/semodule", "")

    def _recorder(self, name, then):
        path = self.layer / name
        path.write_text(RECORDER % then, encoding="ascii")
        path.chmod(0o755)

    def _line(self, *argv):
        """In namespaces of its own mounts, where the directory is put together."""
        script = """set -e
        mount -t overlay overlay -o "lowerdir=/usr,upperdir=$1/layer,workdir=$1/work" "$1/root/usr"
        mount --rbind /proc "$1/root/proc"
        mount --rbind /dev "$1/root/dev"
        shift
        exec "$@"
        """
        return ("unshare", "--mount", "sh", "-c", script, "sh", str(self.top),
                *(str(a) for a in argv))

    def outside(self, *argv, **keys):
        """Runs a program of this machine, which sees the directory put together."""
        return run(*self._line(*argv), **keys)

    @contextlib.contextmanager
    def served(self, *argv):
        """A service of that machine, until it is told to end."""
        with open(self.top / "service.log", "w", encoding="utf-8") as log:
            service = subprocess.Popen(self._line("chroot", self.root, *argv), stdout=log,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            yield service
            service.terminate()
            assert service.wait(60) == 0, (self.top / "service.log").read_text(encoding="utf-8")
        finally:
            service.kill()
            service.wait()

    def inside(self, *argv, **keys):
        return self.outside("chroot", self.root, *argv, **keys)

    def rpm(self, *arguments, **keys):
        """It may not find what Fedora's other packages would bring."""
        return self.outside("rpm", "--root", self.root, "--dbpath", "/var/lib/rpm", *arguments,
                            **keys)

    def path(self, name):
        """Where to look for an absolute name of that machine."""
        name = name.lstrip("/")
        return self.layer / name[4:] if name.startswith("usr/") else self.root / name

    def presets(self, *lines):
        path = self.layer / "lib/systemd/system-preset/90-default.preset"
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")

    def called(self):
        """What systemctl and semodule were asked for since the last time."""
        log = self.root / "var/log/called"
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        log.unlink(missing_ok=True)
        return text.splitlines()

    def users(self):
        """{name: (group, home, shell)} of flagman's.  systemd-sysusers has made others as well."""
        groups = dict(line.split(":")[2::-2] for line in
                      (self.root / "etc/group").read_text(encoding="utf-8").splitlines())
        rows = [line.split(":") for line in
                (self.root / "etc/passwd").read_text(encoding="utf-8").splitlines()]
        return {r[0]: (groups[r[3]], r[5], r[6]) for r in rows if r[0].startswith("flagman")}
