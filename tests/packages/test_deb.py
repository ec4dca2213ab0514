# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages: what is in them, and what they do to a machine and leave on it."""

import os
import re
from pathlib import Path

import pytest

import deb
from deb import Twin, listing, newer, output
from lib.waiting import wait_for

HERE = Path(__file__).resolve().parent
NAMES = ("flagman", "flagman-disc", "flagman-selinux")
SNIPPET = """\
object: Box
action-group:
  directory: {path: /srv/flagman, group: games}
  command: {user: nobody}
  hold: 0
  actions:
    - {name: Who, command: /usr/bin/id}
"""


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    return deb.build(tmp_path_factory.mktemp("first"))


root = pytest.mark.root  # Twin asks for it


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    it = Twin(tmp_path_factory.mktemp("twin"))
    yield it
    it.close()


# --- what is in them ---

def test_two_builds_are_the_same(debs, tmp_path):
    """Another directory, another zone, another language."""
    again = deb.build(tmp_path, TZ="Pacific/Apia", LC_ALL="C.UTF-8", HOME="/nowhere")
    assert set(again) == set(debs) and set(NAMES) <= set(debs)
    first = next(iter(debs.values())).parent
    for path in sorted(tmp_path.iterdir()):
        if path.suffix not in (".buildinfo", ".changes"):  # these say where and when
            assert path.read_bytes() == (first / path.name).read_bytes(), path.name


def test_lintian_has_nothing_to_say(debs):
    changes, = debs["flagman"].parent.glob("*.changes")
    text = output("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit",
                  "0", changes)
    assert not re.search(r"(?m)^[EW]: ", text), text


@pytest.mark.parametrize("name", NAMES)
def test_everything_has_its_place(debs, name):
    golden = HERE / f"{name}.deb.list"
    text = "\n".join(listing(debs[name])) + "\n"
    if os.environ.get("FLAGMAN_UPDATE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_no_sample_is_live(debs, name):
    assert not re.search(r"/etc/flagman/.*[^/]$", "\n".join(listing(debs[name])), re.M)


def test_licences_never_meet(debs, tmp_path):
    """GPL-2.0-only and GPL-3.0-or-later can't be distributed as one program."""
    programs = {}
    for name in NAMES:
        output("dpkg-deb", "--extract", debs[name], tmp_path / name)
        for path in (tmp_path / name).rglob("*"):
            if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
                programs[path.name] = output("readelf", "--dynamic", path)
    assert set(programs) == {"flagman", "flagmand", "flagman-agent", "flagman-watcher",
                             "flagman-runner", "flagman-names", "flagman-disc"}
    for name, text in programs.items():
        assert ("libinotifytools" in text) == (name == "flagman-watcher")
        assert ("libcdio" in text) == (name == "flagman-disc")


def test_what_they_need(debs):
    def field(package, name):
        return output("dpkg-deb", "--field", debs[package], name)
    assert "libcdio" not in field("flagman", "Depends")
    assert "libinotifytools" not in field("flagman-disc", "Depends")
    assert "samba" in field("flagman", "Recommends")
    assert {"flagman-disc", "flagman-selinux"} <= set(
        re.findall(r"[\w-]+", field("flagman", "Suggests")))
    assert "selinux-policy-default" in field("flagman-selinux", "Depends")


# --- what they do: each test goes on where the one before has left ---

def install(twin, *packages):
    twin.check("dpkg --force-confold -i " + " ".join(twin.put(*packages)))


def serve(twin):
    """flagmand as the unit has it; there is no systemd in here."""
    twin.check("systemd-tmpfiles --create /usr/lib/tmpfiles.d/flagman.conf")
    process = twin.begin("/usr/sbin/flagmand", "/tmp/log")
    wait_for(lambda: "ready:" in twin.check("cat /tmp/log"), "flagmand is ready",
             dump=lambda: twin.check("cat /tmp/log"))
    return process


def stop(twin, process):
    twin.check("pkill -TERM -x flagmand")
    process.wait(20)


@root
def test_installing(twin, debs):
    install(twin, debs["flagman"], debs["flagman-disc"])
    assert re.fullmatch(r"flagman:x:\d+:\d+:flagman's agent:/:/usr/sbin/nologin",
                        twin.check("getent passwd flagman"))
    assert twin.check("id -gn flagman-disc") == "cdrom"
    assert twin.check("find /etc/flagman -printf '%M %u %g %p\\n' | sort -k 4").splitlines() == [
        "drwxr-xr-x root root /etc/flagman", "drwxr-xr-x root root /etc/flagman/conf.d"]
    assert twin.check("find /var/lib/flagman -printf '%M %u %g %P\\n' | sort -k 4").splitlines() \
        == ["drwxr-xr-x root root ", "drwx------ flagman flagman agent",
            "drwx------ root root runs"]
    assert twin.check("readlink /etc/systemd/system/multi-user.target.wants/flagman.service") == \
        "/lib/systemd/system/flagman.service"
    twin.check("flagman check && flagman-disc --version")


@root
def test_it_serves(twin):
    process = serve(twin)
    assert "ready: 0 actions" in twin.check("cat /tmp/log")
    twin.check(f"cat >/etc/flagman/conf.d/box.yaml <<'END'\n{SNIPPET}END")
    wait_for(lambda: twin.check("ls /srv/flagman/Box || :") == "Run\nStatus.txt\nWho.txt",
             "the button", dump=lambda: twin.check("cat /tmp/log"))
    twin.check("rm /srv/flagman/Box/Who.txt")
    wait_for(lambda: "(nobody)" in twin.check("cat /srv/flagman/Box/Who*.txt || :"),
             "it ran as nobody", dump=lambda: twin.check("cat /tmp/log"))
    stop(twin, process)


@root
def test_upgrading_keeps_everything(twin, debs, tmp_path):
    before = twin.check("find /etc/flagman /var/lib/flagman /srv -type f -printf '%p %i\\n' | sort")
    twin.check("echo '# ours' >>/etc/apparmor.d/tunables/flagman")
    install(twin, newer(debs["flagman"], tmp_path, "0.1.0-2"))
    assert twin.check("dpkg-query -W -f '${Version}' flagman") == "0.1.0-2"
    assert before == twin.check(
        "find /etc/flagman /var/lib/flagman /srv -type f -printf '%p %i\\n' | sort")
    assert twin.check("tail -n 1 /etc/apparmor.d/tunables/flagman") == "# ours"
    process = serve(twin)
    assert "1 run" in twin.check("flagman history Box/Who | tail -n +1 | wc -l | "
                                 "sed 's/^/lines: /'; flagman history --json | grep -c token | "
                                 "sed 's/$/ run/'")
    stop(twin, process)


@root
def test_removing_takes_the_buttons_away(twin):
    twin.check("echo mine >/srv/flagman/Box/mine.txt && dpkg --remove flagman")
    assert twin.check("find /srv -mindepth 1 | sort").splitlines() == [
        "/srv/flagman", "/srv/flagman/Box", "/srv/flagman/Box/mine.txt"]
    assert "name: Who" in twin.check("cat /etc/flagman/conf.d/box.yaml")
    twin.check("test -e /var/lib/flagman/agent/flagman.db && ! test -e /usr/sbin/flagmand")


@root
def test_purging_leaves_nothing(twin):
    twin.check("dpkg --purge flagman flagman-disc")
    assert twin.check("cat /srv/flagman/Box/mine.txt") == "mine"
    # dpkg's own, that of other packages' triggers, a directory that dh_apparmor removes where it is
    # empty, and the users (packaging/debian/flagman.postrm)
    others = re.compile(r"/(var/(lib/dpkg|cache|log|lib/systemd/catalog|lib/systemd/deb-systemd-"
                        r"helper-.*/flagman)|etc/(passwd|group|g?shadow|subuid|subgid)-?$|"
                        r"etc/\.pwd\.lock|etc/apparmor\.d/disable$)")
    left = [path for path in twin.changed() if not others.match(path)]
    assert not left
    assert twin.fails("test -e /etc/flagman || test -e /var/lib/flagman || "
                      "test -e /etc/systemd/system/multi-user.target.wants/flagman.service")


@root
def test_installing_it_again(twin, debs):
    install(twin, debs["flagman"])
    stop(twin, serve(twin))


@root
def test_purging_where_something_is_mounted(twin, debs):
    """The state may have a disk of its own, and somebody's else be mounted in it."""
    twin.check("mount -t tmpfs -o mode=755 state /var/lib/flagman && "
               "mkdir /var/lib/flagman/theirs && mount -t tmpfs theirs /var/lib/flagman/theirs && "
               "echo mine >/var/lib/flagman/theirs/mine.txt && dpkg --purge flagman")
    assert twin.check("cat /var/lib/flagman/theirs/mine.txt") == "mine"
    assert twin.check("ls /var/lib/flagman") == "theirs"
    assert twin.fails("dpkg-query -W flagman")
    twin.check("umount /var/lib/flagman/theirs /var/lib/flagman && rm -r /var/lib/flagman")


@root
def test_the_policy_comes_and_goes(twin, debs):
    install(twin, debs["flagman-selinux"])
    assert "flagman" in twin.check("semodule -s default -lfull").split()
    twin.check("dpkg --purge flagman-selinux")
    assert "flagman" not in twin.check("semodule -s default -lfull").split()
