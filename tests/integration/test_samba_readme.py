# SPDX-License-Identifier: GPL-2.0-or-later
"""The ten commands of samba/README lead from nothing to a working button.

All of them run here, in their order, by the shell, against a private flagmand and smbd.  What would
change the machine itself is changed: the package is "installed" by starting flagmand, people and
their group are those of the tests, the service is one that nobody has.  tests/vm has the machine.
"""

import json
import os
import shlex
import subprocess

import pytest
from lib import readme
from lib.smbd import PASSWORD
from lib.waiting import wait_for

MOST = 10
NO_SERVICE = "fmt-no-such-service"


def test_they_are_ten_at_most():
    assert 5 < len(readme.commands()) <= MOST
    assert all("&&" not in line and ";" not in line and "|" not in line
               for line in readme.commands())


def test_flagman_takes_each_of_its_lines(bin_dir, tmp_path):
    """Whatever this machine has to say to it: the words are understood."""
    lines = [shlex.split(line) for line in readme.commands() if line.startswith("flagman ")]
    assert {"new", "doctor", "history"} <= {words[1] for words in lines}
    (tmp_path / "conf.d").mkdir()
    for words in lines:
        done = subprocess.run([str(bin_dir / "flagman"), "--conf-dir", str(tmp_path / "conf.d"),
                               "--run-dir", str(tmp_path), *words[1:]], capture_output=True,
                              text=True, check=False)
        assert done.returncode in (0, 1, 67, 69, 78), (words, done.stderr)  # 64 is EX_USAGE


class Server:
    """A machine with Samba, for the commands."""

    def __init__(self, inst, smbd, people):
        self.inst, self.smbd, self.people = inst, smbd, people
        self.path = inst.root / "flagman"
        self.path.mkdir(mode=0o755)

    def flagman(self, line):
        private = (f"{self.inst.bin}/flagman --conf-dir {self.inst.conf} "
                   f"--run-dir {self.inst.run} ")
        line = line.replace("flagman ", private, 1)
        if " new " in line:
            line += f" --path {self.path}"
        if " doctor " in line:
            line += f" --smb-conf {self.smbd.conf}"
        return line.replace("--service apache2", f"--service {NO_SERVICE}")

    def command(self, line):
        """LINE as it is to be run here; None: it is done otherwise."""
        line = line.replace("wwwadmins", self.people.group).replace("alice", self.people.alice)
        line = line.replace("/etc/samba/smb.conf", str(self.smbd.conf))
        line = line.replace("/var/lib/flagman/", f"{self.inst.state}/")
        program = line.split()[0]
        if program == "flagman":
            return self.flagman(line)
        if program in ("smbcontrol", "smbclient", "smbpasswd"):
            return line.replace(program, {
                "smbcontrol": f"smbcontrol -s {self.smbd.conf}",
                "smbclient": f"smbclient -s {self.smbd.conf} -p {self.smbd.port}",
                # as an ordinary user it would ask smbd; the account is there
                "smbpasswd": f"smbpasswd -s -c {self.smbd.conf}"}[program], 1)
        return line

    def run(self, line):
        program = line.split()[0]
        if program == "apt":
            self.inst.start()
        elif program in ("groupadd", "adduser") or (program == "smbpasswd" and os.geteuid()):
            assert self.people.group and self.people.alice  # they are there, in it, with a password
        else:
            self.shell(line)

    def shell(self, line):
        done = subprocess.run(["sh", "-c", self.command(line)], text=True, capture_output=True,
                              input=f"{PASSWORD}\n{PASSWORD}\n", timeout=60, check=False,
                              env={"PATH": "/usr/bin:/usr/sbin:/bin", "LANG": "C.UTF-8",
                                   "PASSWD": PASSWORD, "ASAN_OPTIONS": "detect_leaks=0"})
        assert done.returncode == 0 and "NT_STATUS" not in done.stdout + done.stderr, (
            f"{line}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.inst.dump()}")
        if " --write" in line:  # a person takes longer to type the next one
            wait_for((self.path / "Apache/Status.txt").exists, "the flags are there",
                     dump=self.inst.dump)


@pytest.fixture
def server(inst, smbd, people):
    smbd.start()
    return Server(inst, smbd, people)


def test_they_lead_to_a_working_button(inst, server, people):
    for line in readme.commands():
        server.run(line)
    (run,) = json.loads(inst.cli("history", "--json", check=0).stdout)
    assert (run["object"], run["action"], run["trigger"]) == ("Apache", "Restart", "delete")
    assert server.smbd.conf.read_text(encoding="utf-8").endswith(
        f"include = {inst.state}/samba.conf\n")
    assert server.smbd.testparm() == ""


def test_without_the_line_it_does_not_work(server):
    """So that the test above would tell."""
    for line in readme.commands():
        if "include" in line:
            continue
        if line.startswith("smbclient"):
            with pytest.raises(AssertionError, match="BAD_NETWORK_NAME"):
                server.run(line)
            return
        if "doctor" not in line:
            server.run(line)
