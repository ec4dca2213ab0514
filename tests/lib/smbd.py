# SPDX-License-Identifier: GPL-2.0-or-later
"""A real smbd on the loopback, on a port of its own, with every directory below a temporary one.

As root it serves alice, bob and carol; as an ordinary user it serves that user alone.  The password
is PASSWORD for everybody.

    smbd.share("flags", inst.share)
    smbd.start()
    smbd.client("alice").run("flags", 'del "Apache/Restart.txt"')
"""

import re
import signal
import socket
import subprocess
from pathlib import Path

from .smb import Session
from .waiting import wait_for

PASSWORD = "press-it"

GLOBAL = """[global]
    workgroup = FLAGTEST
    server role = standalone server
    map to guest = never
    interfaces = {interfaces}
    bind interfaces only = yes
    smb ports = {port}
    disable netbios = yes
    server min protocol = SMB2
    load printers = no
    printing = bsd
    printcap name = /dev/null
    disable spoolss = yes
    pam password change = no
    obey pam restrictions = no
    private dir = {base}/private
    state directory = {base}/state
    cache directory = {base}/cache
    lock directory = {base}/lock
    pid directory = {base}/pid
    ncalrpc dir = {base}/ncalrpc
    log file = {base}/log
    log level = 1
"""

# What a share of flags must say; samba/ has the same, for administrators, with its reasons.
FLAGS = {
    "read only": "no",
    "vfs objects": "full_audit",
    "full_audit:prefix": "%u|%I|%m|%S",
    "full_audit:success": "unlinkat renameat",
    "full_audit:failure": "none",
    "full_audit:syslog": "false",
    "store dos attributes": "no",
    "map archive": "no",
    "map hidden": "no",
    "map system": "no",
    "map readonly": "no",
    "oplocks": "no",
    "level2 oplocks": "no",
    "kernel oplocks": "no",
    "csc policy": "disable",
    "veto files": "/.flagman/",
    "follow symlinks": "no",
    "wide links": "no",
    "ea support": "no",
}

PRESS_ONLY = {
    "vfs objects": "full_audit acl_xattr",
    "acl_xattr:ignore system acls": "yes",
    "acl_xattr:default acl style": "posix",
}


class Smbd:
    """One smbd; start() returns when it answers."""

    def __init__(self, base, people):
        self.base = Path(base)
        self.people = people
        self.shares = {}
        self.interfaces = "127.0.0.1"
        self.options = {}  # more of [global]
        self.end = []  # lines behind all shares
        self.port = None
        self.process = None
        self.sessions = []
        for name in ("private", "state", "cache", "lock", "pid", "ncalrpc"):
            (self.base / name).mkdir(parents=True, mode=0o755)
        (self.base / "private").chmod(0o700)

    def share(self, name, path, **options):
        """A share with the options of FLAGS; underscores in OPTIONS are spaces, None takes away."""
        section = dict(FLAGS, path=str(path))
        for key, value in options.items():
            section[key.replace("_", " ")] = value
        self.shares[name] = {k: v for k, v in section.items() if v is not None}

    def raw_share(self, name, options):
        """Exactly OPTIONS, for what flagman itself prints."""
        self.shares[name] = dict(options)

    @property
    def conf(self):
        return self.base / "smb.conf"

    def _write_conf(self):
        lines = [GLOBAL.format(base=self.base, port=self.port, interfaces=self.interfaces)]
        lines += [f"    {key} = {value}" for key, value in self.options.items()]
        for name, options in self.shares.items():
            lines.append(f"[{name}]")
            lines += [f"    {key} = {value}" for key, value in options.items()]
        lines += self.end
        self.conf.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def testparm(self):
        """What testparm has to say against the file; "" is praise."""
        done = subprocess.run(["testparm", "-s", "--suppress-prompt", str(self.conf)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        noise = r"^(Load smb config files from|Loaded services file OK|Weak crypto|Server role:|$)"
        return "\n".join(line for line in done.stderr.splitlines() if not re.match(noise, line))

    def _add_user(self, name):
        subprocess.run(["pdbedit", "-s", str(self.conf), "-a", "-t", "-u", name],
                       input=f"{PASSWORD}\n{PASSWORD}\n", text=True, capture_output=True,
                       check=True)

    def start(self):
        for _ in range(5):
            self.port = _free_port()
            self._write_conf()
            if self._try_start():
                return self
        raise AssertionError("smbd does not start:\n" + self.log())

    def _try_start(self):
        if not (self.base / "private" / "passdb.tdb").exists():
            everybody = {self.people.alice, self.people.bob, self.people.carol}
            for name in sorted(everybody):
                self._add_user(name)
        with open(self.base / "stderr", "ab") as out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "smbd", "--foreground", "--no-process-group",
                 "-s", str(self.conf)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True)  # it ends with kill(0, SIGTERM)

        def answers():
            if self.process.poll() is not None:
                return "ended"
            with socket.socket() as s:
                s.settimeout(1)
                return "up" if s.connect_ex(("127.0.0.1", self.port)) == 0 else None
        return wait_for(answers, "smbd answers", dump=self.log) == "up"

    def reload(self):
        """Takes shares that were added; smbd does that by itself for new connections only later."""
        self._write_conf()
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        for session in self.sessions:
            session.abandon()
        self.sessions.clear()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def log(self):
        """smbd's log, all of it: full_audit's lines are in it too."""
        text = ""
        for name in ("log", "stderr"):
            path = self.base / name
            if path.exists():
                text += path.read_text(encoding="utf-8", errors="replace")
        return text

    def client(self, who="alice", host="127.0.0.1", protocol="SMB3"):
        return Client(self, getattr(self.people, who), host, protocol)

    def session(self, share, who="alice"):
        """A connection through impacket, closed with the smbd."""
        session = Session("127.0.0.1", self.port, getattr(self.people, who), PASSWORD, share)
        self.sessions.append(session)
        return session


class Client:
    """smbclient, one call a command, as a person types it."""

    def __init__(self, smbd, user, host="127.0.0.1", protocol="SMB3"):
        self.smbd = smbd
        self.user = user
        self.host = host
        self.protocol = protocol  # the newest that it speaks

    def try_run(self, share, command, directory=None):
        """The completed process."""
        line = ["smbclient", f"//{self.host}/{share}", "-p", str(self.smbd.port),
                "-U", f"{self.user}%{PASSWORD}", "-s", str(self.smbd.conf),
                "-m", self.protocol, "-c", command]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False,
                              stdin=subprocess.DEVNULL, cwd=directory)

    def run(self, share, command, directory=None):
        """Its output; anything that smbclient calls an error fails the test."""
        done = self.try_run(share, command, directory)
        text = done.stdout + done.stderr
        assert done.returncode == 0 and "NT_STATUS_" not in text, (
            f"smbclient {command!r} as {self.user}: {done.returncode}\n{text}\n" + self.smbd.log())
        return done.stdout

    def list(self, share, directory):
        """The names in DIRECTORY, sorted, without . and .."""
        names = []
        for line in self.run(share, f'ls "{directory}\\*"').splitlines():
            match = re.match(r"^  (.+?) +[A-Z]* +\d+  \w{3} \w{3} ", line)
            if match and match[1] not in (".", ".."):
                names.append(match[1])
        return sorted(names)

    def read(self, share, name):
        return self.run(share, f'get "{name}" -')

    def put(self, share, local, name):
        return self.run(share, f'put "{local}" "{name}"')


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
