# SPDX-License-Identifier: GPL-2.0-or-later
"""Snippets that suit whoever runs the tests, and what samba/ ships."""

import grp
import os
import pwd
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
ROOT = os.geteuid() == 0
USER = "command: {user: nobody}" if ROOT else ""
# A group that is no trouble: not the system's.
GROUP = "www-data" if ROOT else grp.getgrgid(os.getegid()).gr_name
PRESSER = "www-data" if ROOT else pwd.getpwuid(os.geteuid()).pw_name

GOOD = f"""object: Apache
action-group:
  directory: {{path: /srv/flagman, group: {GROUP}}}
  {USER}
  actions:
    - name: Restart
      command: /usr/bin/true
"""


def snippet(obj, path="/srv/flagman", access="group", actions="", how=""):
    user = "user: nobody, " if ROOT else ""
    more = f"  command: {{{user}{how}}}\n" if user or how else ""
    actions = actions or "    - {name: Go, command: /usr/bin/true}\n"
    return (f"object: {obj}\naction-group:\n"
            f"  directory: {{path: {path}, group: {GROUP}, access: {access}}}\n"
            f"{more}  actions:\n{actions}")


def shipped(kind):
    """The settings of samba/KIND.conf that are the same for everybody."""
    lines = (TOP / "samba" / f"{kind}.conf").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines
             if "=" in line and not line.lstrip().startswith("#"))
    found = {key.strip(): value.strip() for key, _, value in pairs}
    del found["path"], found["valid users"]
    return found
