# SPDX-License-Identifier: GPL-2.0-or-later
"""What a security module has denied: AppArmor's lines in the audit log."""

import re

AUDIT = "/var/log/audit/audit.log"


class Denials:
    """Since then.  One that is expected is taken out by name."""

    def __init__(self, machine):
        self.machine = machine
        self.start = int(machine.check(f"stat -c %s {AUDIT}"))
        self.expected = []

    def all(self):
        text = self.machine.run(f"tail -c +{self.start + 1} {AUDIT}").stdout
        return [line for line in text.splitlines() if 'apparmor="DENIED"' in line]

    def provoked(self, profile, what):
        """A denial of PROFILE has WHAT in it; the log may lag behind."""
        pattern = re.compile(rf'profile="{re.escape(profile)}".*{what}')
        self.machine.wait_for(lambda: any(map(pattern.search, self.all())),
                              f"{profile} was denied {what}")
        self.expected.append(pattern)

    def unexpected(self):
        return [line for line in self.all() if not any(p.search(line) for p in self.expected)]

    def check(self):
        assert not self.unexpected(), "\n".join(self.unexpected())
