# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian 12 of its own under qemu, for what can't be shown on the machine that tests.

    with Machine(images, scratch) as machine:
        machine.start()
        machine.run("systemctl is-system-running").stdout
        machine.put("a.iso", "/srv/a.iso")
        machine.cd_insert("a.iso")
        machine.power_cut()
        machine.start(keep=True)

`images` is what build-image made and is only read: each start has a new disk laid over it, unless
the last one is to be kept.  There is no way out of the machine, and no way in but ssh from here.
Under software emulation a boot takes half a minute, a command a tenth of a second.
"""

import dataclasses
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from lib.waiting import wait_for

BOOT_PATIENCE = 300
TIMED_OUT = 124  # timeout(1)'s word for it

LSM = {
    None: "lsm=landlock,lockdown,yama,integrity,bpf",  # selinux=0 leaves it on, permissive
    "apparmor": "security=apparmor apparmor=1",
    # build-image has labelled all files: nothing may ask for a boot that does it again.
    "selinux": "security=selinux selinux=1 enforcing=1",
}
# Whose lines tell nothing of a failure.
NOISE = "audit|kernel|runuser|sshd|systemd-networkd|systemd-journald|\\(udev-worker\\)"
NO_RELABELLING = "noautorelabel systemd.mask=selinux-autorelabel-mark.service"


@dataclasses.dataclass(frozen=True)
class Tray:
    """The CD drive as one sees it who stands before it."""

    open: bool
    locked: bool
    disc: str | None  # the file that plays the disc


class Monitor:
    """qemu's QMP."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.settimeout(30)
        self.socket.connect(str(address))
        self.stream = self.socket.makefile("r", encoding="utf-8")
        self._receive("QMP")
        self.ask("qmp_capabilities")

    def _receive(self, *keys):
        while True:
            line = self.stream.readline()
            if not line:
                raise ConnectionError("qemu has closed its monitor")
            message = json.loads(line)
            if any(key in message for key in keys):
                return message

    def ask(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self._receive("return", "error")
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def wait_event(self, name):
        while self._receive("event")["event"] != name:
            pass

    def close(self):
        self.stream.close()
        self.socket.close()


class Remote:
    """A command that was begun in the machine and goes on there; begin() makes it."""

    def __init__(self, machine, command, user):
        self.machine = machine
        self.command = command
        self.output = tempfile.TemporaryFile()
        self.errors = tempfile.TemporaryFile()
        script = f"echo $$ >&2; exec bash -c {shlex.quote(command)}"
        self.process = subprocess.Popen(
            machine.ssh(as_user(user, ["bash", "-c", script])), stdin=subprocess.DEVNULL,
            stdout=self.output, stderr=self.errors)
        wait_for(lambda: b"\n" in self._read(self.errors) or self.process.poll() is not None,
                 f"{command} begins")
        self.pid = int(self._read(self.errors).split(b"\n")[0])

    @staticmethod
    def _read(file):
        return os.pread(file.fileno(), 1 << 24, 0)

    @property
    def stdout(self):
        return self._read(self.output).decode(errors="replace")

    @property
    def stderr(self):
        return self._read(self.errors).decode(errors="replace").partition("\n")[2]

    def running(self):
        return self.process.poll() is None

    def signal(self, name="TERM"):
        """To the command itself where it is a simple one: the shell has become it."""
        self.machine.check(f"kill -{name} {self.pid}")

    def wait(self, timeout=60):
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} did not end within {timeout} s\n"
                                 f"{self.stdout}{self.stderr}") from None
        return subprocess.CompletedProcess(self.command, status, self.stdout, self.stderr)

    def end(self):
        if self.running():
            self.machine.run(f"kill -KILL {self.pid}")
            self.process.kill()
            self.process.wait()


def as_user(user, argv):
    """USER is "name" or "name:group" for a group other than the user's own; None is root."""
    if user is None:
        return argv
    name, _, group = user.partition(":")
    return ["runuser", "-u", name, *(["-g", group] if group else []), "--", *argv]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accelerator():
    """KVM is no faster unless the processor has it: some hosts' module only fits their kernels."""
    modules = Path("/sys/module")
    if os.access("/dev/kvm", os.W_OK) and any((modules / m).exists()
                                              for m in ("kvm_intel", "kvm_amd")):
        return ["-accel", "kvm", "-cpu", "host"], ""
    return (["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "Nehalem"],
            "mitigations=off nokaslr tsc=reliable")


class Machine:
    """One virtual machine; a context manager that leaves no process behind."""

    def __init__(self, images, scratch):
        self.images = Path(images)
        self.scratch = Path(scratch)
        self.disk = self.scratch / "disk.qcow2"
        self.console = self.scratch / "console.log"
        self.sockets = None
        self.port = None
        self.qemu = None
        self.master = None
        self.monitor = None
        self.lsm = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- life ---

    def start(self, lsm=None, keep=False):
        """Boots, on a new disk unless KEEP; returns once ssh answers."""
        assert not self.up(), "it is up already"
        self.close()
        # a socket's address has 108 bytes, of which ssh wants 17 for itself
        short = len(str(self.scratch)) < 70
        self.sockets = Path(tempfile.mkdtemp(prefix="vm-", dir=self.scratch if short else None))
        if not (keep and self.disk.exists()):
            self.disk.unlink(missing_ok=True)
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
                            str(self.images / "base.img"), str(self.disk)], check=True,
                           stdin=subprocess.DEVNULL)
        self.lsm = lsm
        self.port = free_port()
        # It dies with this process, however that ends.
        self.qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self._qemu()],
                                     stdin=subprocess.DEVNULL)
        wait_for(self._ask_monitor, "qemu's monitor answers", 30, self.dump)
        self.wait_ssh()

    def _qemu(self):
        options, append = accelerator()
        kernel = self.images / "vmlinux"
        if not kernel.exists():
            kernel = self.images / "vmlinuz"
        return [
            "qemu-system-x86_64", *options, "-machine", "q35", "-m", "2048", "-smp", "2",
            "-display", "none", "-nodefaults", "-no-user-config",
            "-kernel", str(kernel), "-initrd", str(self.images / "initrd.img"),
            "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet "
                       f"{LSM[self.lsm]} {NO_RELABELLING} {append}",
            "-drive", f"file={self.disk},if=none,id=root,format=qcow2,cache=writeback",
            "-device", "virtio-blk-pci,drive=root",
            "-drive", "if=none,id=cd,media=cdrom,readonly=on",
            "-device", "ide-cd,bus=ide.1,drive=cd,id=cdrom",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22",
            "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
            "-serial", f"file:{self.console}",
            "-qmp", f"unix:{self.sockets}/monitor,server=on,wait=off",
        ]

    def _ask_monitor(self):
        self._must_be_up()
        self.monitor = Monitor(self.sockets / "monitor")
        return True

    def _must_be_up(self):
        if not self.up():
            raise RuntimeError("qemu has ended\n" + self.dump())

    def up(self):
        return self.qemu is not None and self.qemu.poll() is None

    def wait_ssh(self):
        """Until root's ssh works; qemu takes connections long before somebody answers them."""
        def answers():
            self._must_be_up()
            with socket.create_connection(("127.0.0.1", self.port), 2) as probe:
                probe.settimeout(2)
                return probe.recv(4) == b"SSH-"
        wait_for(answers, "sshd answers", BOOT_PATIENCE, self.dump)
        self._leave_ssh()
        address = self.sockets / "ssh"
        self.master = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.ssh(), "-M", "-N"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def connected():
            if self.master.poll() is not None:
                raise RuntimeError("ssh: " + self.master.stderr.read().decode())
            return address.exists()
        wait_for(connected, "ssh has connected", 60, self.dump)

    def _leave_ssh(self):
        if self.master is not None:
            self.master.kill()
            self.master.wait()
            self.master.stderr.close()
            self.master = None
            (self.sockets / "ssh").unlink(missing_ok=True)

    def stop(self, timeout=90):
        """An orderly shutdown."""
        if not self.up():
            return
        self.run("systemctl poweroff")
        self._leave_ssh()
        try:
            self.qemu.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not power off within {timeout} s\n" + self.dump()) from None
        finally:
            self.close()

    def power_cut(self):
        """What the machine had in memory is gone; start(keep=True) is the next morning."""
        self._must_be_up()
        self.close()

    def reset(self):
        """The reset button."""
        self._must_be_up()
        self._leave_ssh()
        self.monitor.ask("system_reset")
        self.monitor.wait_event("RESET")
        self.wait_ssh()

    def close(self):
        """Ends whatever is left of it, at once.  The disk stays, for start(keep=True)."""
        self._leave_ssh()
        if self.monitor is not None:
            self.monitor.close()
            self.monitor = None
        if self.qemu is not None:
            self.qemu.send_signal(signal.SIGKILL)
            self.qemu.wait()
            self.qemu = None
        if self.sockets is not None:
            shutil.rmtree(self.sockets, ignore_errors=True)
            self.sockets = None

    # --- commands ---

    def ssh(self, argv=()):
        """The command line that runs ARGV as root in the machine."""
        options = [f"-oControlPath={self.sockets}/ssh", "-oBatchMode=yes", "-oLogLevel=ERROR",
                   "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null",
                   "-oConnectTimeout=30", "-oServerAliveInterval=10"]
        line = ["ssh", "-F", "none", "-i", str(self.images / "id"), "-p", str(self.port), *options,
                "root@127.0.0.1"]
        return [*line, shlex.join(argv)] if argv else line

    def run(self, command, timeout=60, user=None, stdin=None):
        """Runs COMMAND (for bash, or a list) there; whatever its exit status, returns it.

        One that does not end within TIMEOUT seconds is killed there, and is an error here.
        """
        self._must_be_up()
        if not isinstance(command, str):
            command = shlex.join(map(str, command))
        argv = as_user(user, ["timeout", "-k", "5", str(timeout), "bash", "-c", command])
        done = subprocess.run(self.ssh(argv), stdin=stdin or subprocess.DEVNULL,
                              capture_output=True, timeout=timeout + 30)
        result = subprocess.CompletedProcess(command, done.returncode,
                                             done.stdout.decode(errors="replace"),
                                             done.stderr.decode(errors="replace"))
        if result.returncode in (TIMED_OUT, 128 + signal.SIGKILL):
            raise AssertionError(f"did not end within {timeout} s: {command}\n"
                                 f"{result.stdout}{result.stderr}")
        return result

    def check(self, command, **keys):
        """The same for what must succeed; returns what it wrote, without the last line's end."""
        result = self.run(command, **keys)
        assert result.returncode == 0, (f"{result.args}: exit {result.returncode}\n"
                                        f"{result.stdout}{result.stderr}")
        return result.stdout.rstrip("\n")

    def begin(self, command, user=None):
        """Starts COMMAND there and returns at once, with a Remote."""
        self._must_be_up()
        return Remote(self, command, user)

    def put(self, source, target, mode="0644"):
        """A file into the machine."""
        with open(source, "rb") as stream:
            self.check(f"mkdir -p {shlex.quote(os.path.dirname(str(target)))} && "
                       f"cat >{shlex.quote(str(target))} && "
                       f"chmod {mode} {shlex.quote(str(target))}", stdin=stream, timeout=300)

    def write(self, target, text, mode="0644"):
        """A file with that text in the machine."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as source:
            source.write(text)
            source.flush()
            self.put(source.name, target, mode)

    def get(self, source, target):
        """A file out of the machine."""
        with open(target, "wb") as stream:
            done = subprocess.run(self.ssh(["cat", "--", str(source)]), stdin=subprocess.DEVNULL,
                                  stdout=stream, stderr=subprocess.PIPE, timeout=300)
        assert done.returncode == 0, f"{source}: {done.stderr.decode()}"

    def wait_for(self, condition, what=None, timeout=30):
        """Until CONDITION is true: a function, or a command that then succeeds there."""
        if isinstance(condition, str):
            command = condition
            return wait_for(lambda: self.run(command).returncode == 0, what or command, timeout,
                            self.dump)
        return wait_for(condition, what or "the condition", timeout, self.dump)

    # --- the CD drive ---

    def cd_insert(self, iso):
        """Lays a disc into the tray and closes it, whatever the machine does with the drive."""
        self.monitor.ask("blockdev-change-medium", id="cdrom", filename=str(Path(iso).resolve()),
                         format="raw", force=True, **{"read-only-mode": "read-only"})

    def cd_eject(self):
        """Takes the disc out; the tray stays open."""
        self.monitor.ask("eject", id="cdrom", force=True)

    def cd_close(self):
        self.monitor.ask("blockdev-close-tray", id="cdrom")

    def cd_status(self):
        for drive in self.monitor.ask("query-block"):
            if drive["device"] == "cd":
                inserted = drive.get("inserted")
                return Tray(drive["tray_open"], drive["locked"],
                            inserted["file"] if inserted else None)
        raise LookupError("qemu knows no drive cd")

    # --- looking ---

    def dump(self):
        """Everything a person wants to see after a failure."""
        parts = ["--- console"]
        try:
            parts.append(self.console.read_text(errors="replace")[-1500:])
        except OSError as error:
            parts.append(str(error))
        if self.master is not None and self.master.poll() is None:
            parts.append("--- journal")
            try:
                parts.append(self.run(
                    "journalctl -b --no-pager -q -o short-precise | tail -n 2000 | "
                    f"grep -vE ' ({NOISE})(\\[[0-9]+\\])?:' | tail -n 60", timeout=30).stdout)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                parts.append(str(error))
        return "\n".join(parts)
