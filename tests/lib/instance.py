# SPDX-License-Identifier: GPL-2.0-or-later
"""flagmand with everything it starts, in a directory of its own.

    inst.define("Apache", '''
        - name: Restart
          command: %ACT% Restart listen
    ''')
    inst.start()
    inst.press_delete("Apache", "Restart")
    inst.wait_state("Apache", "Restart", "Running")
    inst.tell("Restart", "exit 0")
    inst.wait_state("Apache", "Restart", "Done")

Below the directory: etc/conf.d, state, run, share (the group's `path`), out (what commands write),
bin (the programs), log.  In snippets %ACT% is the test's command with its first argument, %OUT%
and %SHARE% are the directories, %GROUP% is who may press, %RUNNER% the commands' user.
"""

import dataclasses
import errno
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import textwrap
import time
from pathlib import Path

from . import people as people_module
from . import processes
from .waiting import PATIENCE, stays, wait_for

ROLES = {
    "executor": "flagmand",
    "agent": "flagman-agent",
    "watcher": "flagman-watcher",
    "runner": "flagman-runner",
}
LIB = Path(__file__).resolve().parent
SUFFIX = ".txt"


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag as the directory shows it; state "" is ready, None means there is none."""

    name: str
    state: str | None
    file: Path | None

    @property
    def text(self):
        return self.file.read_text(encoding="utf-8") if self.file else ""


@dataclasses.dataclass(frozen=True)
class Ran:
    """One start of a test command."""

    pid: int
    run: int
    trigger: str
    user: str


class Instance:
    """One flagmand; a context manager that leaves no process behind."""

    def __init__(self, root, people, bin_dir):
        self.root = Path(root)
        self.people = people
        self.bin = Path(bin_dir)
        self.etc = self.root / "etc"
        self.conf = self.etc / "conf.d"
        self.state = self.root / "state"
        self.run = self.root / "run"
        self.share = self.root / "share"
        self.out = self.root / "out"
        self.log_path = self.root / "log"
        self.notify = self.root / "notify"
        self.sanitizer = self.root / "sanitizer"
        self.environment = {}
        self.arguments = []
        self.wrapper = []  # a program and its options that exec flagmand: ["prlimit", ...]
        self.process = None
        self._notify = None
        self._make_directories()

    # --- set-up ---

    def _make_directories(self):
        for directory in (self.conf, self.state, self.run, self.share, self.out, self.sanitizer):
            directory.mkdir(parents=True, mode=0o755)
        self.sanitizer.chmod(0o1777)
        shutil.copy(LIB / "act", self.root / "act")
        if self.people.root:
            os.chown(self.out, self.people.uid("runner"), -1)

    def _fill(self, text):
        for word, value in (("%ACT%", f"{self.root}/act {self.out}"), ("%OUT%", self.out),
                            ("%SHARE%", self.share), ("%GROUP%", self.people.group),
                            ("%RUNNER%", self.people.runner), ("%ROOT%", self.root)):
            text = text.replace(word, str(value))
        return text

    def write(self, name, text):
        """A snippet as it stands, through a rename as a careful administrator does it."""
        temporary = self.conf / f".{name}.new"
        temporary.write_text(self._fill(textwrap.dedent(text)), encoding="utf-8")
        temporary.chmod(0o644)
        temporary.rename(self.conf / name)

    def settings(self, text):
        (self.etc / "flagman.yaml").write_text(textwrap.dedent(text), encoding="utf-8")

    def snippet(self, obj, actions, *, group="hold: 0", name=None, path=None, directory="",
                file=""):
        """The text of a snippet for one group of OBJ; ACTIONS and GROUP are YAML blocks."""
        lines = [f"object: {obj}", "action-group:"]
        if name:
            lines.append(f"  name: {name}")
        lines += ["  directory:", f"    path: {path or self.share}",
                  f"    group: {self.people.group}"]
        lines += _block(directory, 4)
        if file:
            lines += ["  file:"] + _block(file, 4)
        if self.people.root:
            who = self.people.runner
            lines.append(f"  command: {{user: {who}, group: {who}}}")
        lines += _block(group, 2)
        lines.append("  actions:")
        lines += _block(actions, 4)
        return self._fill("\n".join(lines) + "\n")

    def define(self, obj, actions, *, snippet_name=None, **keys):
        """Writes a snippet for OBJ and makes the FIFOs that listening commands read."""
        text = self.snippet(obj, actions, **keys)
        for word in re.findall(re.escape(str(self.out)) + r" (\S+) listen", text):
            self._fifo(word)
        self.write((snippet_name or _file_name(obj)) + ".yaml", text)

    def _fifo(self, word):
        path = self.out / f"{word}.tell"
        if not path.exists():
            os.mkfifo(path)
            path.chmod(0o666)

    # --- life ---

    def start(self, wait=True, timeout=None):
        assert self.process is None or self.process.poll() is not None, "it runs already"
        self._close_notify()
        address = self.notify
        address.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._notify.bind(str(address))
        address.chmod(0o777)
        self.notified = []
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "NOTIFY_SOCKET": str(address),
            "FLAGMAN_LOG": os.environ.get("FLAGMAN_LOG", "info"),
            "ASAN_OPTIONS": f"log_path={self.sanitizer}/asan:detect_leaks=0:handle_abort=1",
            "UBSAN_OPTIONS": f"log_path={self.sanitizer}/ubsan:print_stacktrace=1",
            **self.environment,
        }
        command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", *self.wrapper,
                   str(self.bin / "flagmand"), "--conf-dir", str(self.conf),
                   "--state-dir", str(self.state), "--run-dir", str(self.run)]
        if self.people.root:
            command += ["--user", self.people.agent]
        command += self.arguments
        with open(self.log_path, "ab") as log:
            log.write(f"--- {' '.join(command[3:])}\n".encode())
            log.flush()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment, cwd="/",
                                            start_new_session=True)
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=None):
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"flagmand ended with {self.process.returncode}\n" + self.dump())
            return any("READY=1" in text.split("\n") for text in self.notifications())
        wait_for(ready, "READY=1 on NOTIFY_SOCKET", timeout, self.dump)

    def notifications(self):
        """Everything that was sent to NOTIFY_SOCKET so far."""
        while self._notify is not None:
            try:
                self.notified.append(self._notify.recv(4096, socket.MSG_DONTWAIT).decode())
            except BlockingIOError:
                break
        return self.notified

    def _close_notify(self):
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def stop(self, timeout=None):
        """As systemctl stop does; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            wait_for(lambda: self.process.poll() is not None, "flagmand ends after SIGTERM",
                     timeout, self.dump)
        return self.process.returncode

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        """SIGHUP, and the line that says that it is done."""
        mark = self.mark()
        self.process.send_signal(signal.SIGHUP)
        self.wait_log(r"(?i)configuration", mark)

    def pids(self, role):
        """Pids of flagmand's processes of that role; "command" is what runners have started."""
        if self.process is None:
            return []
        below = processes.descendants(os.getpid())
        runners = [p for p in below if processes.comm(p) == ROLES["runner"] and self._ours(p)]
        if role == "command":
            return [p for r in runners for p in processes.descendants(r)]
        return [p for p in below if processes.comm(p) == ROLES[role] and processes.alive(p)
                and self._ours(p)]

    def _ours(self, pid):
        """By executable: several instances may live in one test process."""
        try:
            return os.readlink(f"/proc/{pid}/exe").startswith(str(self.bin))
        except OSError:
            return processes.alive(pid)  # not dumpable: nobody may look, but it is our descendant

    def kill(self, role, sig=signal.SIGKILL, wait=True):
        """Sends SIG to every process of ROLE; waits until they are gone (for SIGKILL)."""
        found = self.pids(role)
        assert found, f"no {role} to kill\n" + self.dump()
        for pid in found:
            os.kill(pid, sig)
        if wait and sig == signal.SIGKILL:
            if role == "executor":
                self.process.wait(PATIENCE)
            wait_for(lambda: not any(processes.alive(p) for p in found), f"{role} is dead",
                     dump=self.dump)
        return found

    def close(self):
        """Ends flagmand and everything below this test process; then looks at what it left."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        finally:
            self._close_notify()

    # --- looking ---

    def board(self, obj):
        """The names in an object's directory, sorted; none when there is no directory."""
        try:
            return sorted(os.listdir(self.share / obj))
        except FileNotFoundError:
            return []

    def flags(self, obj):
        """{action: Flag} of an object's directory, by the suffix form of names."""
        found = {}
        for name in self.board(obj):
            match = re.fullmatch(r"(.+?)(?: \[([^]]*)\])?\.txt", name)
            if match and name != "Status.txt" and (self.share / obj / name).is_file():
                found[match[1]] = Flag(match[1], match[2] or "", self.share / obj / name)
        return found

    def flag(self, obj, action):
        return self.flags(obj).get(action, Flag(action, None, None))

    def state_of(self, obj, action):
        return self.flag(obj, action).state

    def text(self, obj, action):
        """A flag's text; its name may change while we look, so try again."""
        return wait_for(lambda: self.flag(obj, action).text, f"text of {obj}/{action}",
                        dump=self.dump)

    def status_text(self, obj):
        """It comes a little later than the flags."""
        path = self.share / obj / "Status.txt"
        wait_for(path.exists, f"{path} is there", dump=self.dump)
        return path.read_text(encoding="utf-8")

    def wait_state(self, obj, action, state, timeout=None):
        """Until the flag shows STATE ("" is ready; a compiled pattern must match all of it)."""
        def shown():
            now = self.state_of(obj, action)
            if isinstance(state, re.Pattern):
                return now is not None and state.fullmatch(now) is not None
            return now == state
        wait_for(shown, f"{obj}/{action} is {state!r}", timeout, self.dump)

    def wait_board(self, obj, names, timeout=None):
        """Until the directory has exactly NAMES (Status.txt and folders included)."""
        wanted = sorted(names)
        wait_for(lambda: self.board(obj) == wanted, f"{obj} lists {wanted}", timeout, self.dump)

    def wait_text(self, obj, action, pattern, timeout=None):
        """Until the flag's text, without its line breaks, matches; returns the match."""
        return wait_for(lambda: re.search(pattern, " ".join(self.text(obj, action).split())),
                        f"text of {obj}/{action} matches {pattern!r}", timeout, self.dump)

    def wait_note(self, obj, action, timeout=None):
        """The flag is back after something that was no press; returns its text."""
        self.wait_state(obj, action, "", timeout)
        return self.text(obj, action)

    def ran(self, name):
        """Every start of the test command NAME, in order."""
        try:
            lines = (self.out / f"{name}.ran").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            pid, run, trigger, user = line.split(" ", 3)
            found.append(Ran(int(pid), int(run), trigger, user))
        return found

    def wait_ran(self, name, count=1, timeout=None):
        """Until NAME was started COUNT times; more is a failure at once."""
        def enough():
            runs = self.ran(name)
            if len(runs) > count:
                raise RuntimeError(f"{name} ran {len(runs)} times, not {count}\n" + self.dump())
            return len(runs) == count and runs
        return wait_for(enough, f"{name} ran {count} times", timeout, self.dump)

    def never_ran(self, *names, seconds=0.3):
        """Nothing of NAMES starts in the next moments, nor has it."""
        stays(lambda: not any(self.ran(name) for name in names),
              f"{', '.join(names)} never ran", seconds, self.dump)

    def environment_of(self, name, run):
        raw = (self.out / f"{name}.env.{run}").read_bytes()
        return dict(pair.split("=", 1) for pair in raw.decode().rstrip("\0").split("\0"))

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def mark(self):
        """A position in the log, for wait_log()."""
        return self.log_path.stat().st_size

    def wait_log(self, pattern, mark=0, timeout=None):
        def seen():
            with open(self.log_path, "rb") as f:
                f.seek(mark)
                return re.search(pattern, f.read().decode("utf-8", "replace"))
        return wait_for(seen, f"the log says {pattern!r}", timeout, self.dump)

    def complaints(self):
        """What no test may leave: panics and sanitizers' reports."""
        found = [path.read_text(errors="replace") for path in sorted(self.sanitizer.iterdir())]
        if self.log_path.exists():
            found += [line for line in self.log().splitlines()
                      if re.search(r"panic|core dumped|Sanitizer", line)]
        return found

    def dump(self):
        """Everything a person wants to see after a failure."""
        parts = ["--- processes", processes.describe(processes.descendants(os.getpid()))]
        parts += ["--- files below " + str(self.root)]
        for directory, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if f != "bin")
            relative = os.path.relpath(directory, self.root)
            if relative.split(os.sep)[0] in ("share", "state", "out", "etc", "sanitizer"):
                parts.append(_list_line(directory, relative + "/"))
                parts += [_list_line(os.path.join(directory, n), os.path.join(relative, n))
                          for n in sorted(names)]
        for path in sorted(self.conf.glob("*.y*ml")):
            parts += [f"--- {path.name}", path.read_text(encoding="utf-8", errors="replace")]
        parts += ["--- log (its end)",
                  self.log()[-6000:] if self.log_path.exists() else "(none)"]
        parts += self.complaints()
        return "\n".join(parts).encode(errors="backslashreplace").decode()  # names of any bytes

    # --- gestures, from the server's own side ---

    def by(self, who, function):
        """FUNCTION() as alice, bob, ...; as an ordinary user everybody is oneself."""
        name = getattr(self.people, who) if who else None
        if name is None:
            return function()
        return people_module.as_user(name, function)

    def path_of(self, obj, action):
        """Where the flag is now; it must be there."""
        found = self.flag(obj, action)
        assert found.file, f"no flag {obj}/{action}\n" + self.dump()
        return found.file

    def press_delete(self, obj, action, who="alice"):
        path = self.path_of(obj, action)
        self.by(who, lambda: os.unlink(path))

    def press_move(self, obj, action, who="alice", run="Run"):
        path = self.path_of(obj, action)
        target = self.share / obj / run / path.name
        self.by(who, lambda: os.rename(path, target))

    def press_copy(self, obj, action, who="alice", run="Run"):
        path = self.path_of(obj, action)
        target = self.share / obj / run / path.name
        self.by(who, lambda: (shutil.copyfile(path, target), None)[1])

    def drop(self, obj, folder, name, data, who="alice"):
        """Writes a payload into a drop folder as a copy does: create, write, close."""
        target = self.share / obj / folder / name
        raw = data if isinstance(data, bytes) else data.encode()

        def put():
            with open(target, "wb") as f:
                f.write(raw)
        self.by(who, put)
        return target

    def tell(self, name, *lines, timeout=None):
        """Says LINES (of shell) to a listening test command."""
        path = self.out / f"{name}.tell"

        def reader():
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC) + 1
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return 0
                raise
        fd = wait_for(reader, f"{name} listens", timeout, self.dump) - 1
        try:
            os.write(fd, "".join(line + "\n" for line in lines).encode())
        finally:
            os.close(fd)

    def cli(self, *arguments, who=None, timeout=60, check=None):
        """flagman ARGUMENTS against this instance; CHECK is the exit status that it must have."""
        command = [str(self.bin / "flagman"), "--run-dir", str(self.run), *arguments]
        if who and self.people.root:
            name = getattr(self.people, who)
            command = ["/usr/bin/setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups",
                       *command]
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
                       "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, env=environment, check=False, cwd="/")
        if check is not None:
            assert done.returncode == check, (
                f"flagman {' '.join(arguments)}: {done.returncode}, not {check}\n"
                f"{done.stdout}{done.stderr}\n" + self.dump())
        return done


def _block(text, indent):
    body = textwrap.dedent(text).strip("\n")
    return textwrap.indent(body, " " * indent).split("\n") if body else []


def _file_name(obj):
    return re.sub(r"\W+", "-", obj).lower()


def _list_line(path, shown):
    try:
        info = os.lstat(path)
    except OSError as error:
        return f"  {shown}: {error.strerror}"
    when = time.strftime("%H:%M:%S", time.localtime(info.st_mtime))
    return (f"  {stat.filemode(info.st_mode)} {info.st_nlink} {info.st_uid}:{info.st_gid} "
            f"{info.st_size:>7} {when} {shown}")
