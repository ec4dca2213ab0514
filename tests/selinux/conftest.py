# SPDX-License-Identifier: GPL-2.0-or-later
"""The policy module as Debian's reference policy takes it: compiled, linked, never loaded.

semodule works in a directory of its own and needs no SELinux in the kernel.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import setools

TOP = Path(__file__).resolve().parent.parent.parent
DEVEL = Path("/usr/share/selinux/devel")
MODULES = Path("/usr/share/selinux/default")


def run(*argv, **keys):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=500, **keys)
    return done.returncode, done.stdout + done.stderr


def compile_module(directory, name):
    # A macro that calls itself makes m4 write until the disk is full.
    status, text = run("bash", "-c", f"ulimit -f 1000000; make -C '{directory}' "
                       f"-f {DEVEL}/Makefile NAME=default {name}.pp")
    assert status == 0, text[-2000:]
    return directory / f"{name}.pp"


class Store:
    """A policy as a machine has it, in a directory."""

    def __init__(self, root):
        self.root = root

    @classmethod
    def of_debian(cls, root):
        """Empty as yet: install() gets MODULES as well."""
        (root / "var/lib/selinux/default").mkdir(parents=True)
        (root / "etc").mkdir()
        shutil.copytree("/etc/selinux", root / "etc/selinux", symlinks=True)
        return cls(root)

    def copy(self, root):
        shutil.copytree(self.root, root, symlinks=True)
        return Store(root)

    def look_at_neverallow(self, on):
        """Whether semodule does so when it links."""
        conf = self.root / "etc/selinux/semanage.conf"
        text = re.sub(r"(?m)^expand-check *=.*\n", "", conf.read_text(encoding="utf-8"))
        conf.write_text(f"{text}\nexpand-check={int(on)}\n", encoding="utf-8")

    def try_to_install(self, *modules):
        """(exit status, what it said)"""
        return run("semodule", "-p", self.root, "-s", "default", "-n", "-N", "-X", 100, "-i",
                   *modules)

    def install(self, *modules):
        status, text = self.try_to_install(*modules)
        assert status == 0, text[-2000:]

    @property
    def policy(self):
        found, = (self.root / "etc/selinux/default/policy").glob("policy.*")
        return Policy(found)


class Policy:
    """What is allowed in a linked policy, with the booleans as they are delivered.

    All its rules are read once, in a few seconds, and looked through here.
    """

    def __init__(self, path):
        self.path = path
        policy = setools.SELinuxPolicy(str(path))
        self.on = {str(b) for b in policy.bools() if b.state}
        self.types = {str(t) for t in policy.types()}
        self.permissive = {str(t) for t in policy.types() if t.ispermissive}
        self.attributes = {str(a): {str(t) for t in a.expand()} for a in policy.typeattributes()}
        self.rules = {}  # {source: [(target, class, permissions)]} that hold
        self.named_transitions = {}  # {(source, target, class): {name: type}}
        for rule in policy.terules():
            if rule.ruletype == setools.TERuletype.type_transition and self._name_of(rule):
                self.named_transitions.setdefault(
                    (str(rule.source), str(rule.target), str(rule.tclass)), {})[
                        self._name_of(rule)] = str(rule.default)
            if rule.ruletype == setools.TERuletype.allow and self._holds(rule):
                self.rules.setdefault(str(rule.source), []).append(
                    (str(rule.target), str(rule.tclass), set(rule.perms)))

    @staticmethod
    def _name_of(rule):
        try:
            return str(rule.filename)
        except (AttributeError, setools.exception.TERuleNoFilename):
            return None

    def _holds(self, rule):
        """A condition that is put together is taken for true: it may be."""
        try:
            condition = str(rule.conditional)
        except setools.exception.RuleNotConditional:
            return True
        if re.search(r"[^\w]", condition):
            return True
        return (condition in self.on) == rule.conditional_block

    def _names_of(self, what):
        assert what in self.types, f"there is no {what}"
        return {what} | {name for name, types in self.attributes.items() if what in types}

    def allowed(self, source, permissions, target=None, classes=None):
        """{"source target:class permission"}; names of attributes stay names."""
        targets = None if target is None else self._names_of(target)
        wanted = set(permissions.split())
        return {f"{name} {rule_target}:{kind} {permission}"
                for name in self._names_of(source)
                for rule_target, kind, allowed in self.rules.get(name, ())
                if (targets is None or rule_target in targets)
                and (classes is None or kind in classes.split())
                for permission in wanted & allowed}

    def types_of(self, attribute):
        return self.attributes[attribute]

    @property
    def contexts(self):
        return self.path.parent.parent / "contexts/files/file_contexts"


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    directory = tmp_path_factory.mktemp("module")
    for file in (TOP / "selinux").glob("flagman.*"):
        shutil.copy(file, directory)
    return compile_module(directory, "flagman")


@pytest.fixture(scope="session")
def linked(module, tmp_path_factory):
    """(store, exit status, what was said): with our module, its neverallow rules looked at."""
    store = Store.of_debian(tmp_path_factory.mktemp("linked") / "root")
    store.look_at_neverallow(True)
    return store, *store.try_to_install(*sorted(MODULES.glob("*.pp.bz2")), module)


@pytest.fixture(scope="session")
def store(linked):
    store, status, text = linked
    assert status == 0, text[-2000:]
    return store


@pytest.fixture(scope="session")
def policy(store):
    return store.policy


@pytest.fixture(scope="session")
def with_rules(store, tmp_path_factory):
    """with_rules(rules, check): a store that has those as well, and what installing them said."""
    def make(rules, check):
        directory = tmp_path_factory.mktemp("leaking")
        leaks = directory / "leaks.cil"
        leaks.write_text("".join(
            "(allow {} {} ({} ({})))\n".format(*re.fullmatch(
                r"allow (\w+) (\w+):(\w+) \{ (.*) \};", rule).groups())
            for rule in rules), encoding="ascii")
        leaking = store.copy(directory / "root")
        leaking.look_at_neverallow(check)
        return leaking, *leaking.try_to_install(leaks)
    return make


def pytest_configure():
    os.environ["LC_ALL"] = "C"
