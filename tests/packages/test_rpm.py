# SPDX-License-Identifier: GPL-2.0-or-later
"""packaging/rpm: built as on Fedora by macros.fedora, asked, installed, upgraded and erased.

What a package has, does and wants is kept in rpm/ (FLAGMAN_UPDATE_GOLDENS=1).  A change there is
one for whoever upgrades.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from lib.waiting import wait_for
from rpm import (NAMES, SPEC, TOP, Root, build, expanded, files, query, relations, run, scripts,
                 the)

GOLDEN = Path(__file__).resolve().parent / "rpm"
RPMLINTRC = TOP / "packaging/rpm/flagman.rpmlintrc"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(TOP, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """By somebody else, elsewhere, with other habits."""
    clone = tmp_path_factory.mktemp("clone")
    run("git", "clone", "--quiet", TOP, clone / "here")
    out = tmp_path_factory.mktemp("again")
    before = os.umask(0o077)
    try:
        return build(clone / "here", out, TZ="Asia/Tokyo", LC_ALL="C.UTF-8",
                     HOME="/nonexistent", RPM_BUILD_NCPUS="3")
    finally:
        os.umask(before)


@pytest.fixture(scope="module")
def next_release(built, tmp_path_factory):
    """The same files in release 1.1, put there and not compiled: scriptlets are the spec's."""
    unpack = " ; ".join(f"rpm2archive - <{the(built, name)} | tar -xz -C %{{buildroot}}"
                        for name in ("flagman", "flagman-disc"))
    left_out = "%{buildroot}%{_datadir}/flagman %{buildroot}%{_pkgdocdir}/apparmor"
    return build(TOP, tmp_path_factory.mktemp("next"), "--define", "dist .1",
                 "--define", "cmake :", "--define", "cmake_build :", "--define",
                 f"cmake_install mkdir -p %{{buildroot}} ; {unpack} ; mkdir -p {left_out} ; "
                 "rm -r %{buildroot}/usr/lib/.build-id")


def test_two_builds_are_the_same(built, again):
    names = sorted(p.name for p in built.iterdir())
    assert len(names) == 4 and names == sorted(p.name for p in again.iterdir())
    for name in names:
        assert (built / name).read_bytes() == (again / name).read_bytes(), name


def test_nothing_tells_who_built_it(built):
    for package in built.iterdir():
        said = query(package, "--qf", "%{BUILDHOST} %{VENDOR} %{PACKAGER}")
        assert said == "localhost (none) (none)"


def test_the_version_is_the_project_s():
    project = re.search(r"project\(flagman VERSION (\S+)", (TOP / "CMakeLists.txt").read_text())
    assert re.search(r"^Version: +(\S+)", SPEC.read_text(), re.MULTILINE)[1] == project[1]


def kept(name, text):
    """Whether TEXT is what the golden says; FLAGMAN_UPDATE_GOLDENS writes it instead."""
    path = GOLDEN / name
    if os.environ.get("FLAGMAN_UPDATE_GOLDENS"):
        path.write_text(text, encoding="utf-8")
    return text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", [files, relations, scripts], ids=lambda f: f.__name__)
def test_what_is_kept(built, name, what):
    text = what(the(built, name))
    assert kept(f"{name}.{what.__name__}", text), text


def test_nothing_is_live(built):
    """Directories for the administrator, no file; and nobody enables the service but presets."""
    everything = "".join(files(the(built, name)) for name in NAMES)
    assert re.findall(r"^.*/etc/.*$", everything, re.MULTILINE) == [
        "drwxr-xr-x root root - /etc/flagman", "drwxr-xr-x root root - /etc/flagman/conf.d"]
    assert not re.search(r"\.preset$|\.wants/|\.requires/|/etc/pam|sudoers", everything,
                         re.MULTILINE)
    assert not re.search(r"^-..s|^-.....s", everything, re.MULTILINE), "set-id bits"


def test_every_file_has_one_owner(built):
    """But directories, which two may have."""
    paths = [line.split()[4] for name in NAMES for line in files(the(built, name)).splitlines()
             if line[0] != "d"]
    assert len(paths) > 30 and len(set(paths)) == len(paths)


def test_licences_that_do_not_go_together(built):
    """libinotifytools is GPL-2.0-only, libcdio GPL-3.0-or-later: never in one executable."""
    linked = {}
    for name in NAMES:
        for line in query(the(built, name), "--filerequire").splitlines():
            path, _, needs = line.partition("\t")
            if path.startswith("/usr/") and "build-id" not in path:
                linked[path] = set(re.findall(r"lib(inotifytools|cdio|iso9660)\.so", needs))
    assert linked["/usr/libexec/flagman/flagman-watcher"] == {"inotifytools"}
    assert linked["/usr/bin/flagman-disc"] == {"cdio", "iso9660"}
    assert [p for p, libraries in linked.items() if libraries] == [
        "/usr/libexec/flagman/flagman-watcher", "/usr/bin/flagman-disc"]


def test_licences_are_said(built):
    assert {name: query(the(built, name), "--qf", "%{LICENSE}") for name in NAMES} == {
        "flagman": "GPL-2.0-or-later", "flagman-disc": "GPL-3.0-or-later",
        "flagman-selinux": "GPL-2.0-or-later"}


def test_the_policy_module_labels_both_directories(built, tmp_path):
    """Fedora has merged /usr/sbin into /usr/bin, RHEL has not.  The module is for both."""
    module, _ = tmp_path / "flagman.pp", run(
        "sh", "-c", 'rpm2archive - <"$1" | tar -xz -C "$2" && bunzip2 -k "$2"/$3.bz2 && mv "$2"/$3 '
        '"$2"/flagman.pp', "sh", the(built, "flagman-selinux"), tmp_path,
        "usr/share/selinux/packages/targeted/flagman.pp")
    run("semodule_unpackage", module, tmp_path / "mod", tmp_path / "fc")
    labels = dict(re.findall(r"^(\S+)\s+--\s+\w+:\w+:(\w+)", (tmp_path / "fc").read_text(),
                             re.MULTILINE))
    assert labels["/usr/sbin/flagmand"] == labels["/usr/bin/flagmand"] == "flagman_exec_t"


# --- other distributions than the one that macros.fedora plays ---

def section(text, name):
    """Of a spec: up to the next."""
    following = r"^%(pre|post|preun|postun|posttrans|files|check|install|changelog)\b"
    return re.search(rf"^%{name}$\n(.*?)(?={following})", text, re.MULTILINE | re.DOTALL)[1]


def test_where_bin_and_sbin_are_one():
    merged = expanded("_sbindir /usr/bin")
    assert "-DCMAKE_INSTALL_SBINDIR=/usr/bin " in merged
    assert re.search(r"^/usr/bin/flagmand$", section(merged, "files"), re.MULTILINE)
    assert re.search(r"^/usr/sbin/flagmand$", section(expanded(), "files"), re.MULTILINE)
    assert "/usr/sbin" not in merged


def test_where_rpm_makes_users():
    """Since 4.19, which knows %add_sysuser: Fedora, and RHEL 10."""
    before, since = expanded(), expanded("add_sysuser() %{nil}")
    for name in ("pre", "pre disc"):
        assert "systemd-sysusers" in section(before, name)
        assert f"\n%{name}\n" not in since
    assert before.count("Requires(pre):") == 2 and "Requires(pre):" not in since


def test_unit_tests_are_run_unless_one_says_no():
    assert re.search(r"^ctest .* -R '\^\(unit\|", section(expanded(), "check"), re.MULTILINE)
    assert "-DFLAGMAN_TESTS=ON" in expanded()
    without = expanded("_without_tests 1")
    assert "ctest" not in without and "-DFLAGMAN_TESTS=OFF" in without


# --- rpmlint ---

def lint(built, *arguments):
    return run("rpmlint", *arguments, *sorted(built.iterdir()), SPEC, check=False)


def test_rpmlint(built):
    done = lint(built, "-r", RPMLINTRC)
    assert done.returncode == 0, done.stdout
    assert re.search(r" 4 packages and 1 specfiles checked; 0 errors, 0 warnings", done.stdout)


def test_each_filter_of_rpmlint_is_needed(built):
    """A filter for what is no more there would hide what comes."""
    said = lint(built).stdout.splitlines()
    filters = re.findall(r'^addFilter\(r"(.*)"\)$', RPMLINTRC.read_text(), re.MULTILINE)
    assert len(filters) > 10
    assert [f for f in filters if not any(re.search(f, line) for line in said)] == []


# --- a machine ---

@pytest.fixture
def machine(tmp_path):
    return Root(tmp_path)


PROGRAMS = ("/usr/bin/flagman", "/usr/sbin/flagmand", "/usr/libexec/flagman/flagman-agent",
            "/usr/libexec/flagman/flagman-names", "/usr/libexec/flagman/flagman-runner",
            "/usr/libexec/flagman/flagman-watcher")
# Fedora's last word on services that it does not list.
DISABLED = "disable *"
SNIPPET = """object: Apache
action-group:
  directory: {path: /srv/flagman, group: wwwadmins}
  command: {user: root}
  actions:
    - name: Restart
      restart-service: apache2
"""


def configure(machine):
    machine.inside("groupadd", "wwwadmins")
    snippet = machine.path("/etc/flagman/conf.d/apache.yaml")
    snippet.write_text(SNIPPET, encoding="ascii")
    return snippet


def they_start(machine, *programs):
    """Their libraries are found.  Who says its version is for people, the others are flagmand's."""
    for program in programs:
        done = machine.inside(program, "--version", check=False)
        said = re.fullmatch(r"flagman\S* [0-9.]+\n", done.stdout)
        assert said and done.returncode == 0 or "/libexec/" in program and done.returncode == 64


def install(machine, directory, *names):
    machine.rpm("-U", "--nodeps", *(the(directory, name) for name in names))
    return machine.called()


@pytest.mark.root
def test_install(machine, built):
    machine.presets(DISABLED)
    assert install(machine, built, "flagman") == [
        "systemctl --no-reload preset flagman.service"]
    assert machine.users() == {"flagman": ("flagman", "/", "/usr/sbin/nologin")}
    assert machine.rpm("-V", "--nodeps", "flagman", check=False).stdout == "", "as packaged"
    assert machine.inside("stat", "-c", "%U %G %a", "/var/lib/flagman/agent").stdout == (
        "flagman flagman 700\n")
    they_start(machine, *PROGRAMS)
    assert machine.inside("systemd-tmpfiles", "--create", "flagman.conf").stderr == ""
    assert machine.inside("stat", "-c", "%U %a", "/run/flagman").stdout == "root 755\n"


@pytest.mark.root
def test_a_snippet_there_is_taken(machine, built):
    install(machine, built, "flagman")
    snippet = configure(machine)
    machine.inside("/usr/bin/flagman", "check")
    snippet.write_text(SNIPPET.replace("user:", "usr:"), encoding="ascii")
    done = machine.inside("/usr/bin/flagman", "check", check=False)
    assert done.returncode == 78 and "apache.yaml:4:13: error: " in done.stdout


@pytest.mark.root
@pytest.mark.parametrize("line, enabled", [(DISABLED, "disabled"),
                                           ("enable flagman.service", "enabled")])
def test_presets_decide(machine, built, line, enabled):
    machine.presets(line)
    install(machine, built, "flagman")
    asked = machine.inside("systemctl", "is-enabled", "flagman.service", check=False)
    assert asked.stdout.strip() == enabled


@pytest.mark.root
def test_the_disc_tools_alone(machine, built):
    install(machine, built, "flagman-disc")
    assert machine.users() == {"flagman-disc": ("cdrom", "/", "/usr/sbin/nologin")}
    they_start(machine, "/usr/bin/flagman-disc")
    assert not machine.path("/usr/bin/flagman").exists()


# What is on a machine after a year, and no package's.
LEFT = {
    "/etc/flagman/flagman.yaml": "max-runs: 8\n",
    "/etc/flagman/conf.d/apache.yaml": SNIPPET,
    "/var/lib/flagman/runs/0123456789abcdef0123456789abcdef": "a claim",
    "/var/lib/flagman/agent/flagman.db": "history",
    "/run/flagman/alive": "a run that outlives the service",
}


def live_in(machine):
    for name, text in LEFT.items():
        machine.path(name).parent.mkdir(exist_ok=True)
        machine.path(name).write_text(text, encoding="utf-8")


def what_is_left(machine):
    directories = ("/etc/flagman", "/var/lib/flagman", "/run/flagman")
    return {f"/{p.relative_to(machine.root)}": p.read_text(encoding="utf-8")
            for directory in directories for p in machine.path(directory).rglob("*")
            if p.is_file()}


@pytest.mark.root
def test_an_upgrade(machine, built, next_release):
    """Nothing of the administrator's or of the runs' is touched, and the service is restarted only
    where it runs: its runs outlive that."""
    machine.presets(DISABLED)
    install(machine, built, *NAMES)
    live_in(machine)
    machine.inside("systemctl", "enable", "flagman.service")
    machine.called()
    assert install(machine, next_release, *NAMES) == [
        "semodule -n -s targeted -X 200 -i /usr/share/selinux/packages/targeted/flagman.pp.bz2",
        "systemctl try-restart flagman.service"]
    assert what_is_left(machine) == LEFT
    assert machine.inside("systemctl", "is-enabled", "flagman.service").stdout == "enabled\n"
    assert sorted(machine.rpm("-qa").stdout.split()) == sorted(
        the(next_release, name).name.removesuffix(".rpm") for name in NAMES)
    they_start(machine, *PROGRAMS, "/usr/bin/flagman-disc")


@pytest.mark.root
def test_erasing(machine, built):
    """Flags are taken out of the shares.  What else was not packaged stays, under its own name; the
    users stay, who own some of it."""
    machine.presets("enable flagman.service")
    install(machine, built, *NAMES)
    configure(machine)
    flag = machine.path("/srv/flagman/Apache/Restart.txt")
    with machine.served("/usr/sbin/flagmand"):
        wait_for(flag.exists, "there is a flag")
    assert flag.exists()
    machine.called()
    assert machine.rpm("-e", *NAMES).stderr.count("some flags stay") == 0
    called = machine.called()
    assert sorted(called) == ["semodule -n -s targeted -X 200 -r flagman",
                              "systemctl --no-reload disable --now flagman.service"]
    assert not machine.path("/srv/flagman").exists()
    assert machine.path("/etc/flagman/conf.d/apache.yaml").read_text() == SNIPPET
    assert (machine.path("/var/lib/flagman/agent/flagman.db")).exists(), "the history"
    assert set(machine.users()) == {"flagman", "flagman-disc"}
    assert not list(machine.path("/etc/systemd/system").rglob("flagman*"))
    ours = subprocess.run(["find", machine.layer, "-name", "*flagman*", "!", "-type", "c"],
                          capture_output=True, text=True, check=True).stdout
    assert ours == ""


@pytest.mark.root
def test_erasing_what_was_never_used(machine, built):
    install(machine, built, *NAMES)
    machine.rpm("-e", *NAMES)
    for name in ("/etc/flagman", "/var/lib/flagman", "/run/flagman"):
        assert not machine.path(name).exists(), name


@pytest.mark.root
def test_the_policy_module_is_loaded(machine, built):
    assert install(machine, built, "flagman-selinux") == [
        "semodule -n -s targeted -X 200 -i /usr/share/selinux/packages/targeted/flagman.pp.bz2"]


@pytest.mark.root
def test_another_policy_is_left_alone(machine, built):
    machine.path("/etc/selinux/config").write_text("SELINUXTYPE=mls\n", encoding="ascii")
    assert install(machine, built, "flagman-selinux") == []
    machine.rpm("-e", "flagman-selinux")
    assert machine.called() == []
