# SPDX-License-Identifier: GPL-2.0-or-later
"""All of flagman where SELinux enforces: Debian's policy, and flagman's module in it.

Nothing is allowed here that a machine would not allow, and nothing is missing: the last test reads
the audit log.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from burner import Burner
from conftest import booted, make_iso
from discs import BURN_PATIENCE
from share import INCLUDE

SELINUX = Path(__file__).resolve().parent.parent.parent / "selinux"
SHARES = "/var/lib/flagman/samba.conf"
SHARE = "/srv/flagman"
PASSWORD = "secret"

UNIT = "[Service]\nExecStart=/usr/bin/sleep infinity\n"

# What a command without selinux-context: must not be able to do.
GREEDY = """#!/bin/sh
cat /proc/self/attr/current; echo
cat /etc/shadow && echo "it read passwords"
echo x >/etc/flagman-test && echo "it wrote to /etc"
head -c 1 /dev/sr0 && echo "it read a disc"
exit 0
"""

# A site's own command, with a domain of its own and one file to write.
SITE = """#!/bin/sh
cat /proc/self/attr/current; echo
echo deployed >/var/lib/site/file && echo "it wrote its file"
cat /etc/shadow && echo "it read passwords"
exit 0
"""
SITE_MODULE = """policy_module(site, 1.0.0)

type site_t;
type site_exec_t;
corecmd_executable_file(site_exec_t)
flagman_command_domain(site_t, site_exec_t)
corecmd_exec_bin(site_t)
corecmd_exec_shell(site_t)
miscfiles_read_localization(site_t)

type site_file_t;
files_type(site_file_t)
files_search_var_lib(site_t)
manage_files_pattern(site_t, site_file_t, site_file_t)
"""
SITE_LABELS = """/usr/local/bin/site-deploy -- gen_context(system_u:object_r:site_exec_t,s0)
/var/lib/site(/.*)? gen_context(system_u:object_r:site_file_t,s0)
"""

CONFIGURATION = """object: Web
action-group:
  directory: {{path: /srv/flagman, group: wwwadmins}}
  hold: 0
  result-delay: 1h
  cooldown: 100ms
  command: {{user: root}}
  actions:
    - name: Restart
      restart-service: probe
    - name: Greedy
      command: /usr/local/bin/greedy
    - name: Who
      command: /usr/bin/id
      user: alice
    - name: Named
      script: echo "asked by ${{FLAGMAN_USER:-nobody}}"
      hold: 1s
      start-limit-burst: 60
    - name: Script
      script: cat /proc/self/attr/current && exec sleep 5
    - name: Deploy
      command: /usr/local/bin/site-deploy
      selinux-context: system_u:system_r:site_t:s0
    - name: Forbidden
      command: /usr/bin/id
      selinux-context: system_u:system_r:sshd_t:s0
    - name: Sum
      script: sha256sum "$FLAGMAN_PAYLOAD"
      drop: {{folder: Inbox, accept: ["*.bin"], settle: 1s}}
---
object: DVD
action-group:
  directory: {{path: /srv/flagman, group: wwwadmins}}
  hold: 0
  result-delay: 1h
  cooldown: 100ms
  command: {{user: flagman-disc, group: cdrom}}
  actions:
    - name: Burn
      burn: {{device: {device}}}
      drop: {{folder: Burn, accept: ["*.iso"], settle: 1s}}
    - name: Verify
      verify: {{device: {device}}}
      user: root
    - name: Eject
      eject: {{device: /dev/sr0}}
"""

# (domain, class, type, permission) that the tests provoke, and that therefore must be in the log
PROVOKED = {
    ("flagman_command_t", "file", "shadow_t", "read"),
    ("flagman_command_t", "dir", "etc_t", "write"),
    ("flagman_command_t", "blk_file", "removable_device_t", "read"),
    ("flagman_runner_t", "process2", "sshd_t", "nnp_transition"),
    ("site_t", "file", "shadow_t", "read"),
    ("smbd_t", "file", "flagman_object_t", "create"),
    ("smbd_t", "dir", "flagman_object_t", "create"),
    ("smbd_t", "dir", "flagman_drop_t", "create"),
    ("smbd_t", "dir", "flagman_drop_t", "rmdir"),
}


def compile_module(directory):
    """That of a site, which uses flagman's interface."""
    for file in SELINUX.glob("flagman.*"):
        shutil.copy(file, directory)
    (directory / "site.te").write_text(SITE_MODULE, encoding="ascii")
    (directory / "site.fc").write_text(SITE_LABELS, encoding="ascii")
    subprocess.run(["make", "-C", directory, "-f", "/usr/share/selinux/devel/Makefile",
                    "NAME=default", "site.pp"], check=True, timeout=300,
                   stdin=subprocess.DEVNULL, capture_output=True)


@pytest.fixture(scope="module")
def machine(the_machine, tmp_path_factory):
    """Enforcing, with the packages and a site's own module; flagman's share in Samba."""
    directory = tmp_path_factory.mktemp("module")
    compile_module(directory)
    m = booted(the_machine, "selinux")
    m.put(directory / "site.pp", "/root/site.pp")
    m.check("semodule -i /root/site.pp", timeout=400)
    m.write("/usr/local/bin/greedy", GREEDY, "0755")
    m.write("/usr/local/bin/site-deploy", SITE, "0755")
    m.write("/etc/systemd/system/probe.service", UNIT)
    m.check("groupadd -f wwwadmins && usermod -a -G wwwadmins alice && mkdir -p /var/lib/site && "
            "systemctl daemon-reload && systemctl start probe")
    m.check("restorecon -RF /usr/local/bin /etc/systemd /var/lib/site")
    burner = Burner(m).up()
    m.write("/etc/flagman/conf.d/all.yaml", CONFIGURATION.format(device=burner.device))
    m.write("/etc/flagman/flagman.yaml", "samba-audit: journal\n")
    m.write("/etc/samba/smb.conf", "[global]\nserver role = standalone server\n"
            f"disable spoolss = yes\nload printers = no\n{INCLUDE}\n")
    m.check(f"printf '{PASSWORD}\\n{PASSWORD}\\n' | smbpasswd -s -a alice && "
            "restorecon -RF /etc/samba /var/lib/samba /run/samba")
    m.check("systemctl is-active auditd")
    m.check("systemctl restart smbd flagman", timeout=200)
    m.wait_for(f"test -e {SHARE}/Web/Status.txt && test -e {SHARE}/DVD/Status.txt")
    yield m
    m.stop()


def flags(machine, board="Web"):
    return machine.check(f"ls -1 {SHARE}/{board}").splitlines()


def result(machine, action, board="Web", timeout=60):
    """The text of the flag once it says how that went."""
    end = re.compile(rf"{action} \[(Done|Failed).*\]\.txt")

    def ended():
        return any(end.fullmatch(name) for name in flags(machine, board))
    machine.wait_for(ended, f"{action} has ended: {flags(machine, board)}", timeout)
    name = next(name for name in flags(machine, board) if end.fullmatch(name))
    return name, machine.check(f"cat '{SHARE}/{board}/{name}'")


def press(machine, action, board="Web", timeout=60):
    """In a shell of a member of the group."""
    machine.check(f"rm {SHARE}/{board}/{action}*.txt", user="alice")
    return result(machine, action, board, timeout)


def smb(machine, commands):
    done = machine.run(["smbclient", "//127.0.0.1/flagman", "-U", f"alice%{PASSWORD}", "-c",
                        commands], timeout=60)
    return done.stdout + done.stderr


def last_run(machine):
    return json.loads(machine.check("flagman history --json"))[0]


def run_of(machine, unit):
    return machine.check(f"systemctl show -P InvocationID {unit}")


def types(machine, path, *options):
    """{name: type} of what is there."""
    lines = machine.check(["ls", "-1AZ", *options, path]).splitlines()
    return {line.split(None, 1)[1]: line.split(":")[2] for line in lines}


# ---

def test_it_enforces(machine):
    assert machine.check("getenforce") == "Enforcing"
    assert ":sshd_t:" in machine.check("ps -eo label,comm | grep ' sshd$' | head -n 1")
    assert machine.check("systemctl is-active flagman") == "active"


def test_each_process_is_in_its_domain(machine):
    machine.check(f"rm {SHARE}/Web/Script*.txt", user="alice")
    machine.wait_for("pgrep -x sleep -u root | xargs -I% cat /proc/%/attr/current | "
                     "grep -q flagman_command_t", "the script's domain")
    text = machine.check("ps -eo label,args").splitlines()
    domains = {}
    for line in text:
        label, _, program = line.strip().partition(" ")
        if program.strip() and label.count(":") >= 2:
            domains.setdefault(Path(program.split()[0]).name, set()).add(label.split(":")[2])
    assert domains["flagmand"] == {"flagman_t"}
    assert domains["flagman-agent"] == {"flagman_agent_t"}
    assert domains["flagman-watcher"] == {"flagman_watcher_t"}
    assert domains["flagman-runner"] == {"flagman_runner_t"}
    assert domains["journalctl"] == {"flagman_follower_t"}
    name, text = result(machine, "Script")
    assert "Done" in name and "system_u:system_r:flagman_command_t:s0" in text


def test_everything_is_labelled(machine):
    state = types(machine, "/var/lib/flagman")
    assert state["runs"] == "flagman_claim_t" and state["agent"] == "flagman_agent_var_lib_t"
    assert set(types(machine, "/var/lib/flagman/runs").values()) == {"flagman_claim_t"}
    assert set(types(machine, "/var/lib/flagman/agent").values()) == {"flagman_agent_var_lib_t"}
    assert set(types(machine, "/run/flagman").values()) == {"flagman_runtime_t"}
    assert types(machine, "/srv")["flagman"] == "flagman_share_t"
    objects = types(machine, SHARE)  # those of other tests too, which have left theirs
    assert objects.pop(".flagman") == "flagman_spool_t"
    assert {"Web", "DVD"} <= set(objects) and set(objects.values()) == {"flagman_object_t"}
    web = types(machine, f"{SHARE}/Web")
    assert web.pop("Run") == web.pop("Inbox") == "flagman_drop_t"
    assert len(web) > 5 and set(web.values()) == {"flagman_flag_t"}
    # and so the labels are not what restorecon would change
    assert machine.check(f"restorecon -Rnv {SHARE} /var/lib/flagman /run/flagman | "
                         "grep -v /.flagman/ || :") == ""


def test_a_press_by_deletion_restarts_a_service(machine):
    before = run_of(machine, "probe")
    name, _ = press(machine, "Restart")
    assert "Done" in name and run_of(machine, "probe") != before


def test_a_press_as_another_user(machine):
    name, text = press(machine, "Who")
    assert "Done" in name and "(alice)" in text


def test_what_smb_conf_includes(machine):
    """flagmand writes it, smbd reads it (or the next tests would find no share), and testparm."""
    machine.wait_for(f"test -e {SHARES}")
    assert ":flagman_samba_t:" in machine.check(f"ls -Z {SHARES}")
    machine.write("/etc/flagman/conf.d/more.yaml", "object: More\naction-group:\n"
                  "  directory: {path: /srv/flagman, group: users}\n"
                  "  command: {user: nobody}\n"
                  "  actions: [{name: Go, restart-service: probe}]\n")
    machine.wait_for(f"grep -q '@wwwadmins.*@users\\|@users.*@wwwadmins' {SHARES}")
    assert ":flagman_samba_t:" in machine.check(f"ls -Z {SHARES}")
    assert "@users" in machine.check("testparm -s 2>/dev/null")
    machine.check("rm /etc/flagman/conf.d/more.yaml")
    machine.wait_for(f"! grep -q @users {SHARES}")


def test_presses_through_samba(machine):
    before = run_of(machine, "probe")
    flag = next(name for name in flags(machine) if name.startswith("Restart"))
    assert "NT_STATUS" not in smb(machine, f'cd Web; get "{flag}" /dev/null; del "{flag}"')
    machine.wait_for(lambda: run_of(machine, "probe") != before, "a deletion restarts it")
    before = run_of(machine, "probe")
    flag = result(machine, "Restart")[0]
    assert "NT_STATUS" not in smb(machine, f'cd Web; rename "{flag}" "Run\\{flag}"')
    machine.wait_for(lambda: run_of(machine, "probe") != before, "a move into Run restarts it")
    before = run_of(machine, "probe")
    flag = result(machine, "Restart")[0]
    assert "NT_STATUS" not in smb(
        machine, f'cd Web; get "{flag}" /tmp/copy; cd Run; put /tmp/copy "{flag}"')
    machine.wait_for(lambda: run_of(machine, "probe") != before, "a copy in Run restarts it")


def test_sambas_log_says_who_pressed(machine):
    """Followed from some moment after the start on: so until it knows, and the command is told."""
    def named():
        flag = next(name for name in flags(machine) if name.startswith("Named"))
        assert "NT_STATUS" not in smb(machine, f'cd Web; del "{flag}"')
        text = result(machine, "Named")[1]
        run = last_run(machine)
        return "asked by alice" in text and (run["user"], run["address"], run["user-certainty"]) \
            == ("alice", "127.0.0.1", "audit")
    machine.wait_for(named, "the press has her name and address", 60)


def test_a_payload_through_samba(machine):
    machine.check("head -c 100000 /dev/urandom >/tmp/a.bin")
    assert "NT_STATUS" not in smb(machine, r"cd Web\Inbox; put /tmp/a.bin a.bin")
    name, text = result(machine, "Sum")
    assert "Done" in name and machine.check("sha256sum </tmp/a.bin").split()[0] in text
    machine.wait_for(f"test -e {SHARE}/Web/Inbox/Returned/a.bin")
    assert "NT_STATUS" not in smb(machine, r"cd Web\Inbox\Returned; get a.bin /tmp/b.bin; "
                                  "del a.bin")
    machine.check("cmp /tmp/a.bin /tmp/b.bin")


def test_what_samba_may_not(machine):
    """Owners and modes would let her: all of these directories are her group's."""
    before = flags(machine)
    for command in ("put /tmp/a.bin new.txt", "mkdir new", "rmdir Run", r"mkdir Inbox\sub"):
        assert "NT_STATUS_ACCESS_DENIED" in smb(machine, f"cd Web; {command}"), command
    assert flags(machine) == before


def test_a_command_can_restart_services_and_no_more(machine):
    name, text = press(machine, "Greedy")
    assert "Done" in name and "system_u:system_r:flagman_command_t:s0" in text
    assert text.count("Permission denied") == 3 and "it read" not in text and "it wrote" not in text
    machine.check("! test -e /etc/flagman-test")


def test_a_command_in_a_domain_of_the_sites_own(machine):
    name, text = press(machine, "Deploy")
    assert "Done" in name and "system_u:system_r:site_t:s0" in text and "it wrote its file" in text
    assert "it read" not in text


def test_a_domain_that_the_policy_forbids(machine):
    name, text = press(machine, "Forbidden")
    assert "Failed" in name and "could not start" in text


def test_a_context_that_is_none_is_found_by_check(machine):
    machine.write("/tmp/check.yaml", CONFIGURATION.format(device="/dev/sr0")
                  .replace("site_t", "no_such_t"))
    done = machine.run("flagman check /tmp/check.yaml")
    assert done.returncode == 78 and "no_such_t" in done.stdout + done.stderr


def test_a_disc_is_burned_and_verified(machine, scratch):
    image = make_iso(scratch / "selinux.iso", 1_000_000, "SELINUX")
    machine.put(image, "/srv/selinux.iso")
    machine.check(f"cp /srv/selinux.iso {SHARE}/DVD/Burn/Disc.iso", user="alice")
    name, text = result(machine, "Burn", "DVD", BURN_PATIENCE)
    assert "Done" in name and "was burned" in text, text
    name, text = press(machine, "Verify", "DVD", BURN_PATIENCE)
    assert "Done" in name and "matches" in text, text


def test_a_tray_opens(machine):
    name, text = press(machine, "Eject", "DVD")
    assert "Done" in name and machine.cd_status().open, text
    machine.cd_close()


def test_a_member_uses_the_command_line(machine):
    assert "Restart" in machine.check("flagman status Web", user="alice")
    before = run_of(machine, "probe")
    machine.check("flagman run --wait Web/Restart", user="alice")
    assert run_of(machine, "probe") != before
    run = last_run(machine)  # that uid has a name, says flagman-names
    assert (run["user"], run["user-certainty"]) == ("alice", "peer")
    machine.check("echo mine >/tmp/mine.bin && flagman run --wait --payload /tmp/mine.bin Web/Sum",
                  user="alice")
    assert "Restart" in machine.check("flagman history | cat", user="alice")
    assert "Restart" in machine.check("flagman status --json Web >/tmp/json && cat /tmp/json",
                                      user="alice")


def test_an_administrator_uses_the_command_line(machine):
    assert "OK" in machine.check("flagman check")
    machine.check("flagman reload")
    machine.run("flagman doctor")
    machine.check("flagman new Mail --group wwwadmins --service probe --write")
    machine.wait_for(f"test -e {SHARE}/Mail/Run")


def labels_found(machine):
    """What doctor says of labels."""
    findings = json.loads(machine.run("flagman doctor --json").stdout)["findings"]
    return [f["message"] for f in findings if "_t" in f["message"]]


def test_doctor_finds_a_wrong_label(machine):
    assert labels_found(machine) == []
    machine.check(f"chcon -t samba_share_t {SHARE}/Web")
    (message,) = labels_found(machine)
    assert f"{SHARE}/Web" in message and "samba_share_t" in message \
        and "flagman_object_t" in message
    machine.check(f"restorecon -RFv {SHARE}/Web")
    assert labels_found(machine) == []


def test_a_log_file_is_followed(machine):
    """By tail, which ends with the agent that reads it."""
    log = "/var/log/samba/audit"
    machine.check(f"chmod 755 /var/log/samba && touch {log} && chmod 644 {log}")
    machine.write("/etc/flagman/flagman.yaml", f"samba-audit: {log}\n")
    machine.check("flagman reload")
    machine.wait_for("pgrep -x tail")
    first = machine.check("pgrep -x tail")
    assert machine.check(f"tr -d '\\0' </proc/{first}/attr/current").split(":")[2] == \
        "flagman_follower_t"
    machine.check(f"mv {log} {log}.1 && touch {log} && chmod 644 {log}")
    machine.wait_for(f"readlink /proc/{first}/fd/* | grep -qx {log}", "it follows the new one")
    machine.check("pkill -KILL -x flagman-agent")
    machine.wait_for(f"pgrep -x tail | grep -vx {first}", "another one follows it")


def test_runs_outlive_the_service(machine):
    machine.check(f"rm {SHARE}/Web/Script*.txt", user="alice")
    machine.wait_for("pgrep -x sleep -u root | xargs -I% cat /proc/%/attr/current | "
                     "grep -q flagman_command_t", "the script runs")
    machine.check("systemctl restart flagman")
    assert "Done" in result(machine, "Script")[0]


def denials(machine):
    """{(domain, class, type, permission)} of the denials that name something of flagman's."""
    found = {}
    text = machine.check("cat /var/log/audit/audit.log* | grep 'avc:  denied' || :")
    pattern = re.compile(r"denied  \{ (.*?) \} .*scontext=\w+:\w+:(\w+)\S* "
                         r"tcontext=\w+:\w+:(\w+)\S* tclass=(\w+)")
    for line in text.splitlines():
        permissions, domain, kind, of = pattern.search(line).groups()
        if re.search("flagman|site_t", line):
            for permission in permissions.split():
                found[domain, of, kind, permission] = line
    return found


def test_nothing_else_was_denied(machine):
    """Last of all.  That what was provoked is in the log shows that there is one."""
    found = denials(machine)
    others = {key: line for key, line in found.items() if key not in PROVOKED}
    assert not others, "\n".join(others.values())
    assert PROVOKED == set(found)
