# SPDX-License-Identifier: GPL-2.0-or-later
"""The share in the machine, and people at it: smbd as Debian has it, with one line more.

    share = Share(machine)
    share.serve()                             smbd runs, alice, bob and carol have a password
    share.smb("alice", "ls").text             smbclient
    with share.mounted("alice") as folder:    the kernel's client
        share.hands(f"watch {folder}/Apache Restart delete", "alice")

alice and bob may press (they are of GROUP), carol is a stranger.
"""

import contextlib
import dataclasses
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
HANDS = "/usr/local/bin/hands"
GROUP = "wwwadmins"
PATH = "/srv/flagman"
PASSWORD = "press-it"
INCLUDE = "include = /var/lib/flagman/samba.conf"
SMB_CONF = "/etc/samba/smb.conf"
MEMBERS = ("alice", "bob")
STRANGER = "carol"
CONF_D = "/etc/flagman/conf.d"


@dataclasses.dataclass(frozen=True)
class Said:
    """How smbclient ended, and all that it wrote."""

    status: int
    text: str

    @property
    def denied(self):
        return "NT_STATUS_ACCESS_DENIED" in self.text

    @property
    def names(self):
        """Of a listing: name, attributes, size, date."""
        return sorted(re.findall(r"(?m)^  (\S.*?) +[A-Z]* +\d+  \w{3} \w{3} +\d+ .*$", self.text))


class Share:
    def __init__(self, machine):
        self.machine = machine

    # --- the server ---

    def people(self):
        """Accounts and passwords; made once."""
        m = self.machine
        if m.run("test -e /root/people").returncode == 0:
            return
        m.put(HERE / "hands", HANDS, "0755")
        m.check(f"groupadd -f {GROUP} && useradd -G {GROUP} bob && useradd {STRANGER} && "
                f"usermod -a -G {GROUP} alice")
        for name in (*MEMBERS, STRANGER):
            m.check(f"printf '{PASSWORD}\\n{PASSWORD}\\n' | smbpasswd -s -a {name}")
        m.check("touch /root/people")

    def serve(self, *settings):
        """smbd with Debian's own smb.conf, SETTINGS in its [global], and our line at the end."""
        m = self.machine
        self.people()
        m.check(f"cp /usr/share/samba/smb.conf {SMB_CONF} && echo '{INCLUDE}' >>{SMB_CONF}")
        for line in settings:
            m.check(f"sed -i '/^\\[global\\]/a {line}' {SMB_CONF}")
        m.run(f"restorecon -RF /etc/samba /var/lib/samba /run/samba {HANDS}")
        m.check("systemctl restart smbd", timeout=120)

    def configure(self, **snippets):
        """conf.d has these snippets and no others; flagman serves them."""
        m = self.machine
        m.run(f"rm -f {CONF_D}/*")
        for name, text in snippets.items():
            m.write(f"{CONF_D}/{name}.yaml", text)
        m.check("systemctl start flagman && flagman check", timeout=120)

    # --- people ---

    def smb(self, user, commands, share="flagman", options=(), address="127.0.0.1"):
        login = ["-U", f"{user}%{PASSWORD}"] if user else ["-N"]
        done = self.machine.run(["smbclient", f"//{address}/{share}", *login, *options, "-c",
                                 commands])
        return Said(done.returncode, done.stdout + done.stderr)

    def ls(self, user, directory, share="flagman"):
        said = self.smb(user, f'ls "{directory}/*"', share)
        assert said.status == 0, said
        return [name for name in said.names if name not in (".", "..")]

    def mount(self, user, where, options="", share="flagman", host="127.0.0.1"):
        extra = f",{options}" if options else ""
        return self.machine.run(
            f"mkdir -p {where} && mount -t cifs //{host}/{share} {where} -o username={user},"
            f"password={PASSWORD},uid={user}{extra}", timeout=90)

    @contextlib.contextmanager
    def mounted(self, user, options="", share="flagman", host="127.0.0.1"):
        """The share in USER's folder, which is the value."""
        where = f"/mnt/{user}-{share}"
        done = self.mount(user, where, options, share, host)
        assert done.returncode == 0, done.stderr + self.machine.run("dmesg | tail").stdout
        try:
            yield where
        finally:
            self.machine.run(f"umount --lazy {where}")

    def hands(self, arguments, user=None):
        """What the helper of that name has printed, line by line."""
        return self.machine.check(f"{HANDS} {arguments}", user=user, timeout=90).splitlines()

    # --- looking, beside Samba ---

    def names(self, board):
        return self.machine.check(f"ls -1 {PATH}/{board}").splitlines()

    def flag(self, board, action):
        """The one name that the flag has now."""
        flag = re.compile(rf"{re.escape(action)}( \[.*\])?\.txt")
        found = [name for name in self.names(board) if flag.fullmatch(name)]
        return found[0] if len(found) == 1 else None

    def wait_flag(self, board, action, *states, timeout=60):
        """Until it shows one of STATES ("" is ready); its text."""
        want = [f"{action} [{state}].txt" if state else f"{action}.txt" for state in states]
        self.machine.wait_for(lambda: self.flag(board, action) in want,
                              f"{board} has {' or '.join(want)}", timeout)
        return self.text(board, action)

    def text(self, board, action):
        return self.machine.check(["cat", f"{PATH}/{board}/{self.flag(board, action)}"])
