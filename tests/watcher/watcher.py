# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman-watcher as the executor starts it: a list on descriptor 3, a pipe on descriptor 4."""

import collections
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys

PROGRAM = os.environ["FLAGMAN_WATCHER"]
LOOK, GONE, FAILED, EVERYTHING, READY, TRIED = range(1, 7)
RECORD = struct.Struct("=HHI")
PATIENCE = float(os.environ.get("FLAGMAN_TEST_PATIENCE", "20"))
NOBODY = 65534

Record = collections.namedtuple("Record", "kind error number")

# Puts the descriptors where they belong and becomes the program, which closes all others.
START = ("import os,sys; l,p=int(sys.argv[1]),int(sys.argv[2]);"
         "l=os.dup(l) if l==4 else l;"
         "os.dup2(p,4) if p!=4 else os.set_inheritable(4,True);"
         "os.dup2(l,3) if l!=3 else os.set_inheritable(3,True);"
         "os.execve(sys.argv[3],sys.argv[3:],os.environ)")


def sealed(data, seals=fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE):
    fd = os.memfd_create("list", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def listed(directories):
    """The list as the agent writes it: {number: path}."""
    return b"".join(b"%d %s\0" % (n, os.fsencode(path)) for n, path in directories.items())


class Watcher:
    """One watcher; a context manager that leaves no process behind.

    DIRECTORIES is {number: path}, or bytes for a list as it stands, or a descriptor.
    """

    def __init__(self, directories, arguments=(), user=None):
        if isinstance(directories, int):
            memfd = directories
        else:
            memfd = sealed(directories if isinstance(directories, bytes) else listed(directories))
        self.pipe, write_end = os.pipe()
        os.set_blocking(self.pipe, False)
        os.set_blocking(write_end, False)  # the watcher must make it block by itself
        self.environment = {"PATH": "/usr/bin:/bin", "ASAN_OPTIONS": "detect_leaks=0"}
        self.process = subprocess.Popen(
            [sys.executable, "-SIc", START, str(memfd), str(write_end), PROGRAM, *arguments],
            pass_fds=(memfd, write_end), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=self.environment, user=user, group=user,
            extra_groups=[] if user is not None else None)
        os.close(memfd)
        os.close(write_end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        if self.pipe is not None:
            os.close(self.pipe)

    @property
    def pid(self):
        return self.process.pid

    def read(self):
        """The records there are; blocks until there is one.  [] at the end of the stream."""
        if not select.select([self.pipe], [], [], PATIENCE)[0]:
            raise AssertionError("the watcher says nothing")
        data = os.read(self.pipe, 1 << 16)
        assert len(data) % RECORD.size == 0, "a record in pieces"
        return [Record(*r) for r in RECORD.iter_unpack(data)]

    def until(self, kind, number=0):
        """Everything up to and with the first record of KIND and NUMBER."""
        got = []
        while not any(r.kind == kind and r.number == number for r in got):
            some = self.read()
            assert some, "the watcher has ended: " + self.process.stderr.read().decode()
            got += some
        return got

    def ready(self):
        """The records before WATCH_READY."""
        got = self.until(READY)
        assert got[-1].kind == READY
        return got[:-1]

    def quiet(self):
        """True if there is nothing to read."""
        return not select.select([self.pipe], [], [], 0)[0]

    def close_pipe(self):
        os.close(self.pipe)
        self.pipe = None

    def stop(self):
        """Stands still until cont()."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def cont(self):
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        """Waits for its end: exit status and what it said."""
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said.decode()
