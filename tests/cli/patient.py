# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine in good health: service, directory, share.  Tests make it ill and ask doctor.

Where an illness would be everybody's (a security module, smbd, accounts), it is given to the
namespaces of that one process: `sick` is shell, run as root before it.
"""

import grp
import json
import os
import pwd
import subprocess
import time

from snippets import GROUP, ROOT, shipped, snippet


class Patient:
    def __init__(self, cli, agent, tmp, public):
        self.cli = cli
        self.agent = agent
        self.public = public  # others may pass there
        self.share = public / "share"
        self.share.mkdir(mode=0o755)
        self.share.chmod(0o755)
        self.object = self.share / "Apache"
        self.options = dict(shipped("group"), path=str(self.share))
        self.sections = {}
        self.smb_conf = tmp / "smb.conf"
        self.tmp = tmp
        self.seen = []

    def prepare(self, **how):
        self.cli.snippet("apache.yaml", snippet("Apache", str(self.share), **how))
        access = how.get("access", "group")
        self.object.mkdir(exist_ok=True)
        if ROOT:
            os.chown(self.object, self.owner(access), self.gid())
        self.object.chmod(0o755 if access == "press-only" else 0o770)
        (self.object / "Go.txt").touch()
        self.agent.add("Apache", "Go", path=str(self.object), file_name="Go.txt")
        return self

    def command(self, what, how=""):
        """Its action is WHAT, with the lines HOW of the command's defaults."""
        return self.prepare(actions=f"    - {{name: Go, {what}}}\n", how=how)

    @staticmethod
    def gid():
        return grp.getgrnam(GROUP).gr_gid

    @classmethod
    def owner(cls, access):
        return os.geteuid() if access != "press-only" or not ROOT else cls.watcher()

    @staticmethod
    def watcher():
        """Who looks after the flags."""
        if not ROOT:
            return os.geteuid()
        try:
            return pwd.getpwnam("flagman").pw_uid
        except KeyError:
            return 65534

    def set(self, **options):
        """Of the share; None takes one away.  _ is a blank."""
        self.options.update({k.replace("_", " "): v for k, v in options.items()})
        return self

    def etc(self, *edits):
        """Shell that has an /etc of its own, in which EDITS are made, shell too.

        All of it: a file that is mounted over one of /etc is gone when somebody replaces that, as
        useradd(8) does, in whatever namespace.
        """
        return "\n".join([f"rm -rf {self.tmp}/its; mkdir {self.tmp}/its; cd {self.tmp}/its",
                          "cp -aL /etc/passwd /etc/group /etc/nsswitch.conf /etc/samba .", *edits,
                          "mount --bind . /etc"])

    def with_members(self, *names):
        """Of the group of those who press."""
        return self.etc(f"sed -i 's/^{GROUP}:.*/&{','.join(names)}/' group")

    def write_smb_conf(self):
        sections = self.sections or {"flags": self.options}
        self.smb_conf.write_text("[global]\n" + "".join(
            f"[{name}]\n" + "".join(f"  {k} = {v}\n" for k, v in options.items() if v is not None)
            for name, options in sections.items()), encoding="utf-8")

    def age(self):
        """All that is configured was so an hour ago: the doctor waits for what is younger."""
        was = time.time() - 3600
        conf = self.cli.conf_dir
        for path in (*conf.glob("*"), conf, conf.parent / "flagman.yaml"):
            if path.exists():
                os.utime(path, (was, was))

    def look(self, *args, sick="", unshare=("--mount",), smb_conf=True, line=None, young=False):
        """(findings as [(area, message, advice)], areas that were not seen)"""
        self.write_smb_conf()
        if not young:
            self.age()
        words = ["doctor", *(["--smb-conf", self.smb_conf] if smb_conf else []), *args]
        line = [*(line or self.cli.line()), "--json", *map(str, words)]
        if sick:
            line = ["unshare", *unshare, "--propagation", "private", "/bin/sh", "-e", "-c",
                    f'{sick}\nexec "$@"', "sh", *line]
        done = subprocess.run(line, env=self.cli.env, timeout=60, capture_output=True, text=True,
                              check=False)
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
        found = json.loads(done.stdout)
        assert found["ok"] == (not found["findings"]) == (done.returncode == 0)
        self.seen = [f["message"] for f in found["unseen"]]
        return ([(f["area"], f["message"], f["advice"]) for f in found["findings"]],
                [f["area"] for f in found["unseen"]])

    def only(self, *args, **more):
        """The one finding."""
        findings, _ = self.look(*args, **more)
        assert len(findings) == 1, findings
        return findings[0]

    def of(self, area, *args, **more):
        """Messages and advice of AREA's."""
        return [(m, a) for where, m, a in self.look(*args, **more)[0] if where == area]
