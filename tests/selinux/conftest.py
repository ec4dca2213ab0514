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
        (root / "var/lib/selinux/default").mkdir(parents=True)
        (root / "etc").mkdir()
        shutil.copytree("/etc/selinux", root / "etc/selinux", symlinks=True)
        store = cls(root)
        store.install(*sorted(MODULES.glob("*.pp.bz2")))
        return store

    def copy(self, root, check=False):
        shutil.copytree(self.root, root, symlinks=True)
        if check:
            with open(root / "etc/selinux/semanage.conf", "a", encoding="ascii") as conf:
                conf.write("\nexpand-check=1\n")
        return Store(root)

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

    sesearch takes a second for a question: each domain's rules are asked for once, and looked
    through here.
    """

    RULE = re.compile(r"allow (\S+) (\S+):(\S+) (?:\{ (.*) \}|(\S+));(?: \[ (.*) \]:(True|False))?")

    def __init__(self, path):
        self.path = path
        self.on = set(re.findall(r"^\s*bool (\S+) true;", self._ask("seinfo", "-b", "-x"),
                                 re.MULTILINE))
        self.attributes = {
            block.split(";")[0]: set(re.findall(r"^\t(\w+)$", block, re.MULTILINE))
            for block in self._ask("seinfo", "-a", "-x").split("attribute ")[1:]}
        self.rules = {}

    def _ask(self, program, *arguments):
        status, text = run(program, *arguments, self.path)
        assert status == 0, text
        return text

    def _holds(self, condition, branch):
        """One that is put together is taken for true: it may be."""
        if condition is None or re.search(r"[^\w]", condition):
            return True
        return (condition in self.on) == (branch == "True")

    def _rules_of(self, source):
        """[(source, target, class, permissions)] that hold."""
        if source not in self.rules:
            self.rules[source] = []
            for line in self._ask("sesearch", "-A", "-s", source).splitlines():
                rule = self.RULE.fullmatch(line.strip())
                assert rule, f"sesearch said: {line}"
                if self._holds(rule[6], rule[7]):
                    self.rules[source].append(
                        (rule[1], rule[2], rule[3], set((rule[4] or rule[5]).split())))
            assert self.rules[source], f"there is no {source}"
        return self.rules[source]

    def allowed(self, source, permissions, target=None, classes=None):
        """{"source target:class permission"}; names of attributes stay names."""
        names = {target} | {name for name, types in self.attributes.items() if target in types}
        wanted = set(permissions.split())
        return {f"{rule_source} {rule_target}:{kind} {permission}"
                for rule_source, rule_target, kind, allowed in self._rules_of(source)
                if (target is None or rule_target in names)
                and (classes is None or kind in classes.split())
                for permission in wanted & allowed}

    def types_of(self, attribute):
        return self.attributes[attribute]

    @property
    def contexts(self):
        return self.path.parent.parent / "contexts/files/file_contexts"

    def permissive(self):
        return set(self._ask("seinfo", "--permissive", "--flat").split())


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return Store.of_debian(tmp_path_factory.mktemp("base") / "root")


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    directory = tmp_path_factory.mktemp("module")
    for file in (TOP / "selinux").glob("flagman.*"):
        shutil.copy(file, directory)
    return compile_module(directory, "flagman")


@pytest.fixture(scope="session")
def policy(base, module, tmp_path_factory):
    store = base.copy(tmp_path_factory.mktemp("whole") / "root")
    store.install(module)
    return store.policy


@pytest.fixture(scope="session")
def with_rules(base, module, tmp_path_factory):
    """with_rules(rules, check=False): a store with the module, and a module with those rules.

    Returns the store, or with CHECK what installing it said: neverallow rules are then looked at.
    """
    def make(rules, check=False):
        directory = tmp_path_factory.mktemp("leaks")
        types, classes = set(), {}
        for rule in rules:
            source, target, kind, permissions = re.fullmatch(
                r"allow (\w+) (\w+):(\w+) \{ (.*) \};", rule).groups()
            types |= {source, target} - {"self"}
            classes.setdefault(kind, set()).update(permissions.split())
        requires = [f"type {name};" for name in sorted(types)] + [
            f"class {kind} {{ {' '.join(sorted(p))} }};" for kind, p in sorted(classes.items())]
        (directory / "leaks.te").write_text("\n".join(
            ["policy_module(leaks, 1.0.0)", "gen_require(`", *requires, "')", *rules, ""]),
            encoding="ascii")
        leaks = compile_module(directory, "leaks")
        store = base.copy(tmp_path_factory.mktemp("leaking") / "root", check)
        if check:
            return store.try_to_install(module, leaks)
        store.install(module, leaks)
        return store
    return make


def pytest_configure():
    os.environ["LC_ALL"] = "C"
