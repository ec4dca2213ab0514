# SPDX-License-Identifier: GPL-2.0-or-later
"""flagman doctor, SELinux and AppArmor: labels, modules, profiles.

The kernel of these tests need have neither: labels are attributes, which are set for real, and what
a module says of itself are files in /sys.  tests/vm has them enforced.
"""

import os
import re

import pytest

from snippets import TOP

pytestmark = pytest.mark.root


# --- SELinux ---

SYS = "mount -t tmpfs none /sys; mkdir -p /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce"
LOADED = f"{SYS}; >/sys/fs/selinux/context"
# The kernel's answer to an unknown type is EINVAL; so is that of this file to every text.
UNLOADED = f"{SYS}; >/sys/fs/selinux/context; " \
           "mount --bind /proc/self/oom_score_adj /sys/fs/selinux/context"


NAME, CONTEXT = "-n security.selinux -v", "system_u:object_r:%s:s0"


def label(path, kind):
    os.setxattr(path, "security.selinux", (CONTEXT % kind + "\0").encode(),
                follow_symlinks=False)


@pytest.fixture
def labelled(patient):
    """All is as restorecon -RF would have it."""
    drop = "    - {name: Go, command: /usr/bin/true, drop: {folder: In, accept: ['*']}}\n"
    patient.prepare(actions=drop).set(veto_files="/.flagman/")
    for name in ("Run", "In"):
        (patient.object / name).mkdir()
        label(patient.object / name, "flagman_drop_t")
    label(patient.object, "flagman_object_t")
    label(patient.share, "flagman_share_t")
    return patient


def test_labels_that_are_right(labelled):
    assert labelled.look(sick=LOADED) == ([], [])


def test_labels_without_selinux(labelled):
    label(labelled.share, "default_t")
    assert labelled.look() == ([], [])


@pytest.mark.parametrize("where,kind", [
    ("", "flagman_share_t"), ("Apache", "flagman_object_t"), ("Apache/Run", "flagman_drop_t"),
    ("Apache/In", "flagman_drop_t"), (".flagman", "flagman_spool_t")])
def test_label_that_is_wrong(labelled, where, kind):
    """After a restore, or where the policy does not know of the directory."""
    path = labelled.share / where
    path.mkdir(exist_ok=True)
    label(path, "default_t")
    share = labelled.share
    assert labelled.only(sick=LOADED) == (
        "selinux", f"{str(share / where)} has the type default_t, not {kind}",
        f"semanage fcontext -a -e /srv/flagman '{share}'; restorecon -RFv '{share}'")


def test_labels_that_are_wrong(labelled):
    label(labelled.share, "default_t")
    label(labelled.object, "default_t")
    os.removexattr(labelled.object / "Run", "security.selinux")
    assert labelled.only(sick=LOADED)[1].endswith(
        "has the type default_t, not flagman_share_t; and so have 2 others")
    label(labelled.share, "flagman_share_t")
    label(labelled.object, "flagman_object_t")
    assert "has the type unlabeled, not flagman_drop_t" in labelled.only(sick=LOADED)[1]


@pytest.mark.parametrize("path,kind", [
    ("/etc/flagman", "flagman_etc_t"), ("/var/lib/flagman", "flagman_var_lib_t"),
    ("/run/flagman", "flagman_runtime_t")])
def test_label_of_the_systems_places(labelled, path, kind):
    """Those of a tmpfs, which is gone with the namespace."""
    if path.startswith("/etc/"):
        made = labelled.etc("mkdir -p flagman", f"setfattr {NAME} {CONTEXT % '%s'} flagman")
    else:
        made = (f"mount -t tmpfs none {os.path.dirname(path)}; mkdir {path}\n"
                f"setfattr {NAME} {CONTEXT % '%s'} {path}")
    assert labelled.of("selinux", sick=f"{LOADED}\n{made}" % "var_t") == [
        (f"{path} has the type var_t, not {kind}", f"restorecon -RFv {path}")]
    assert labelled.of("selinux", sick=f"{LOADED}\n{made}" % kind) == []


def test_selinux_without_the_module(labelled):
    label(labelled.share, "default_t")
    area, message, advice = labelled.only(sick=UNLOADED)
    assert area == "selinux"
    assert message == "SELinux is on without flagman's module, so smbd may not reach the flags"
    assert "flagman-selinux" in advice
    assert labelled.only(sick=f"{UNLOADED}; echo 0 >/sys/fs/selinux/enforce")[1].endswith(
        "once it enforces")


def test_types_are_those_of_the_policy():
    contexts = (TOP / "selinux" / "flagman.fc").read_text(encoding="utf-8")
    known = set(re.findall(r"flagman_\w+_t", contexts))
    source = (TOP / "src" / "cli" / "doctor_label.c").read_text(encoding="utf-8")
    pairs = re.findall(r'{(?:FLAGMAN_(\w+DIR) )?"([^"]+)", "(flagman_\w+)"}', source)
    prefix = {"BINDIR": "/usr/bin", "LIBEXECDIR": "/usr/libexec/flagman", "": ""}
    assert len(pairs) == 12
    for where, path, kind in pairs:
        assert re.search(rf"^{re.escape(prefix[where] + path)}(\(/\.\*\)\?)?\s.*:{kind},", contexts,
                         re.MULTILINE), path
    assert set(re.findall(r"flagman_\w+_t\b", source)) <= known


# --- AppArmor ---

ALL = ("flagmand", "flagman-runner", "flagman-command", "flagman-disc")


def apparmor(patient, *profiles, mode="enforce", site="", local=(), tunable="/srv/flagman"):
    lines = "".join(f"{p} ({mode})\n" for p in profiles)
    etc = patient.tmp / "apparmor.d"
    for name in ("tunables/flagman.d", "local"):
        (etc / name).mkdir(parents=True, exist_ok=True)
    (etc / "flagman").touch()
    (etc / "tunables" / "flagman").write_text(
        f"@{{FLAGMAN_SHARES}}={tunable}\n@{{FLAGMAN_IMAGES}}=/srv /tmp\n", encoding="utf-8")
    (etc / "tunables" / "flagman.d" / "site").write_text(site, encoding="utf-8")
    for name, text in local:
        (etc / "local" / name).write_text(text, encoding="utf-8")
    (patient.tmp / "profiles").write_text(lines, encoding="utf-8")
    return f"""mount -t tmpfs none /sys
        mkdir -p /sys/module/apparmor/parameters /sys/kernel/security/apparmor
        echo Y >/sys/module/apparmor/parameters/enabled
        cp {patient.tmp}/profiles /sys/kernel/security/apparmor/profiles
        mount --bind {etc} /etc/apparmor.d"""


@pytest.mark.parametrize("value", [
    "{}", '"{}"', "{}/", "/srv/x   {}  # ours", "/tmp/flagman-*/share", "/tmp/*", "@{{HOME}}",
    "{}/{{a,b}}"])
def test_path_that_the_profiles_cover(patient, value):
    """What is not understood covers all."""
    site = "@{FLAGMAN_SHARES}+=" + value.format(patient.share) + "\n"
    assert patient.prepare().look(sick=apparmor(patient, *ALL, site=site)) == ([], [])
    tunable = value.format(patient.share)
    assert patient.look(sick=apparmor(patient, *ALL, tunable=tunable)) == ([], [])


@pytest.mark.parametrize("site", ["", "@{{FLAGMAN_SHARES}}+={}x\n", "# @{{FLAGMAN_SHARES}}+={}\n",
                                  "@{{OTHER}}+={}\n"])
def test_path_that_the_profiles_do_not_cover(patient, site):
    sick = apparmor(patient.prepare(), *ALL, site=site.format(patient.share))
    area, message, advice = patient.only(sick=sick)
    assert area == "apparmor"
    assert message == f"flagman's profiles do not cover {patient.share}, so no flag is made there"
    assert advice.startswith(f"echo '@{{FLAGMAN_SHARES}}+=\"{patient.share}\"' >>"
                             "/etc/apparmor.d/tunables/flagman.d/site; apparmor_parser -r")
    assert patient.look(sick=apparmor(patient, *ALL, mode="complain")) == ([], [])


def test_profiles_that_are_not_loaded(patient):
    assert patient.prepare().only(sick=apparmor(patient, "cupsd")) == (
        "apparmor", "/etc/apparmor.d/flagman is there, and not loaded: nothing confines flagman",
        "apparmor_parser -r /etc/apparmor.d/flagman; systemctl restart flagman")
    without = apparmor(patient) + "\nrm /etc/apparmor.d/flagman"
    assert patient.look(sick=without) == ([], [])


def test_without_apparmor(patient):
    off = apparmor(patient.prepare(), "cupsd") + "\necho N >/sys/module/apparmor/parameters/enabled"
    assert patient.look(sick=off) == ([], [])


def covered(patient, *profiles, **more):
    return apparmor(patient, *ALL, *profiles, tunable="/tmp/*", **more)


def test_profile_of_a_command_that_is_not_loaded(patient):
    patient.command("command: /usr/local/bin/x", "apparmor-profile: flagman-command-x")
    messages = patient.of("apparmor", sick=covered(patient))
    assert messages == [("Apache/Go: the profile flagman-command-x is not loaded",
                         "apparmor_parser -r /etc/apparmor.d/flagman-command-x (the file that "
                         "has it)")]
    assert patient.of("apparmor", sick=covered(patient, "flagman-command-x")) == []


def test_profile_that_runners_may_not_change_to(patient):
    patient.command("command: /bin/true", "apparmor-profile: deploy")
    message, advice = patient.of("apparmor", sick=covered(patient, "deploy"))[0]
    assert message == "Apache/Go: flagman-runner may not change to deploy"
    assert advice.startswith("echo 'change_profile -> deploy,' >>/etc/apparmor.d/local/")
    allowed = covered(patient, "deploy", local=[("flagman-runner", "change_profile -> deploy,\n")])
    assert patient.look(sick=allowed) == ([], [])


def test_command_that_the_default_profile_forbids(patient):
    """It works until AppArmor is on."""
    patient.command("command: /usr/bin/who")
    message, advice = patient.of("apparmor", sick=covered(patient))[0]
    assert message == "Apache/Go: without apparmor-profile it may not execute /usr/bin/who"
    assert "apparmor-profile: flagman-command-NAME" in advice
    local = [("flagman-command", "/usr/bin/who mrix,\n")]
    assert patient.look(sick=covered(patient, local=local)) == ([], [])
    (patient.tmp / "apparmor.d" / "local" / "flagman-command").unlink()
    patient.command("script: who")  # what it starts is not known
    assert patient.look(sick=covered(patient)) == ([], [])


def test_default_profile_as_it_is():
    """doctor's list of what it may execute is the profile's."""
    text = (TOP / "packaging" / "apparmor" / "flagman").read_text(encoding="utf-8")
    body = re.search(r"^profile flagman-command \{(.*?)^}", text, re.MULTILINE | re.DOTALL)[1]
    allowed = set()
    for path in re.findall(r"^  /\{usr/,\}(\S+) m?rix,", body, re.MULTILINE):
        folder, _, names = path.partition("/")
        allowed |= {f"/{folder}/{name}" for name in names.strip("{}").split(",")}
    source = (TOP / "src" / "cli" / "doctor_apparmor.c").read_text(encoding="utf-8")
    ours = set(re.findall(r'"(/s?bin/[\w-]+)"', source))
    assert ours - {"/bin/sh"} == allowed and "/bin/systemctl" in ours
