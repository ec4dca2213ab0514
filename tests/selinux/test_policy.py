# SPDX-License-Identifier: GPL-2.0-or-later
"""What flagman's policy must never allow.  That each assertion can fail is a test as well."""

import dataclasses
import re
import subprocess

import pytest

AGENT, WATCHER, EXECUTOR, RUNNER = (
    "flagman_agent_t", "flagman_watcher_t", "flagman_t", "flagman_runner_t")
COMMAND, DISC, CLI, SMBD = "flagman_command_t", "flagman_disc_t", "flagman_cli_t", "smbd_t"
NAMES, FOLLOWER = "flagman_names_t", "flagman_follower_t"
DOMAINS = (EXECUTOR, AGENT, WATCHER, RUNNER, COMMAND, DISC, CLI, NAMES, FOLLOWER)

STATE = ("flagman_var_lib_t", "flagman_claim_t", "flagman_agent_var_lib_t")
SHARES = "flagman_samba_t"
READ_SMB_CONF = (SMBD, "nmbd_t", "winbind_t", "samba_net_t", "smbcontrol_t", CLI)
PROGRAMS = tuple(f"flagman_{part}exec_t"
                 for part in ("", "agent_", "watcher_", "names_", "runner_", "command_", "disc_",
                              "cli_"))
FILES = "file dir lnk_file fifo_file"
CHANGE = ("write append create unlink rename setattr link add_name remove_name rmdir reparent "
          "relabelfrom relabelto")
NETWORK = ("tcp_socket udp_socket rawip_socket packet_socket sctp_socket netlink_route_socket "
           "netlink_socket netlink_audit_socket netlink_kobject_uevent_socket vsock_socket "
           "alg_socket bluetooth_socket")
SOCKETS = NETWORK + " unix_stream_socket unix_dgram_socket"
DRIVES = ("removable_device_t", "fixed_disk_device_t", "scsi_generic_device_t")
DEVICE = "open read write append ioctl map"


@dataclasses.dataclass(frozen=True)
class Never:
    """No rule lets SOURCE have one of PERMISSIONS (on TARGET), but those that EXCEPT matches."""

    what: str
    source: str
    permissions: str
    target: str = None
    classes: str = None
    except_: str = r"(?!)"
    leak: str = None  # an allow rule that would break it

    def broken(self, policy):
        return {rule for rule in
                policy.allowed(self.source, self.permissions, self.target, self.classes)
                if not re.fullmatch(self.except_, rule)}

    def rule(self):
        if self.leak:
            return self.leak
        kind = self.classes.split()[0]
        return f"allow {self.source} {self.target}:{kind} {{ {self.permissions.split()[0]} }};"


NEVER = [
    # --- who reads what strangers write ---
    *(Never(f"{who} executes nothing in its own domain", who, "execute_no_trans", classes="file",
            leak=f"allow {who} bin_t:file {{ execute_no_trans }};") for who in (AGENT, WATCHER)),
    *(Never(f"{who} maps libraries and its own program", who, "execute", classes="file",
            except_=rf"\w+ (ld_so_t|lib_t|textrel_shlib_t|{who[:-2]}_exec_t):file execute",
            leak=f"allow {who} bin_t:file {{ execute }};") for who in (AGENT, WATCHER)),
    *(Never(f"{who} becomes nobody else", who, "transition dyntransition", classes="process",
            leak=f"allow {who} initrc_t:process {{ transition }};") for who in (AGENT, WATCHER)),
    *(Never(f"{who} makes no sockets", who, "create", classes=SOCKETS,
            except_=rf"{who} {who}:unix_stream_socket create",
            leak=f"allow {who} {who}:tcp_socket {{ create }};") for who in (AGENT, WATCHER)),
    *(Never(f"{who} connects to nobody", who, "connectto sendto name_connect", classes=SOCKETS,
            except_=r"domain setrans_t:unix_stream_socket connectto",
            leak=f"allow {who} init_t:unix_stream_socket {{ connectto }};")
      for who in (AGENT, WATCHER)),
    *(Never(f"{who} has no capability", who, "chown dac_override dac_read_search fowner fsetid "
            "kill setgid setuid setpcap sys_admin sys_ptrace sys_rawio lease linux_immutable",
            classes="capability", leak=f"allow {who} self:capability {{ chown }};")
      for who in (AGENT, WATCHER)),
    Never("the watcher opens no file in the share", WATCHER, "open read write", "flagman_flag_t",
          "file"),
    *(Never(f"{who} sees no configuration", who, "open read write", "flagman_etc_t", FILES)
      for who in (AGENT, WATCHER, COMMAND, DISC, RUNNER, NAMES, FOLLOWER)),
    *(Never(f"{who} reaches nothing of the share", who, "open read write create unlink rename",
            name, "file dir") for who in (NAMES, FOLLOWER)
      for name in ("flagman_flag_t",)),
    *(Never(f"{who} becomes nobody else", who, "transition dyntransition", classes="process",
            except_=r"nsswitch_domain \w+:process transition",
            leak=f"allow {who} initrc_t:process {{ transition }};") for who in (NAMES, FOLLOWER)),

    # --- who has privileges ---
    *(Never(f"{who} executes nothing in its own domain", who, "execute_no_trans", classes="file",
            leak=f"allow {who} bin_t:file {{ execute_no_trans }};") for who in (EXECUTOR, RUNNER)),
    Never("the executor starts its helpers only", EXECUTOR, "transition dyntransition",
          classes="process",
          except_=r"flagman_t flagman_(agent|watcher|runner|names|follower)_t:process transition",
          leak="allow flagman_t initrc_t:process { transition };"),
    Never("only a program that is not ours gets no-new-privileges before its domain", EXECUTOR,
          "nnp_transition nosuid_transition", classes="process2",
          except_="flagman_t flagman_follower_t:process2 nnp_transition",
          leak=f"allow flagman_t {AGENT}:process2 {{ nnp_transition }};"),
    # It opens payloads, for a lease.
    *(Never(f"the executor runs and makes no {name}", EXECUTOR, "execute create append unlink link",
            name, "file") for name in ("flagman_drop_t", "flagman_flag_t")),
    Never("a runner leads into a command's domain", RUNNER, "transition dyntransition",
          classes="process", except_=r"\w+ (flagman_commands|flagman_command_t|flagman_disc_t)"
          r":process transition", leak="allow flagman_runner_t initrc_t:process { transition };"),

    # --- claims: a press is served once ---
    *(Never(f"{who} makes and removes no claim", who, "create open unlink rename append setattr",
            "flagman_claim_t", "file") for who in DOMAINS if who != EXECUTOR),
    *(Never(f"{who} does not even write into one", who, "write", "flagman_claim_t", "file")
      for who in DOMAINS if who not in (EXECUTOR, RUNNER)),
    *(Never(f"{who} changes no directory of claims", who, CHANGE, "flagman_claim_t", "dir")
      for who in DOMAINS if who != EXECUTOR),

    # --- drives ---
    *(Never(f"{who} reaches no {drive}", who, DEVICE, drive, "blk_file chr_file",
            except_=r"\w+ \w+:(?:blk|chr)_file (?!.)") for who in DOMAINS for drive in DRIVES
      if who != DISC),
    Never("the disc tools reach no disk", DISC, DEVICE, "fixed_disk_device_t", "blk_file chr_file"),

    # --- the file server ---
    *(Never(f"smbd changes no {name}", SMBD, CHANGE, name, FILES)
      for name in ("flagman_etc_t", "flagman_runtime_t", "flagman_spool_t", "flagman_share_t",
                   "flagman_tmpfs_t", *STATE, *PROGRAMS)),
    *(Never(f"smbd opens no {name}", SMBD, "open read", name, "file dir")
      for name in ("flagman_etc_t", "flagman_spool_t", *STATE)),
    Never("smbd lists, reads, unlinks and renames flags", SMBD,
          "write append create setattr link execute map relabelfrom relabelto", "flagman_flag_t",
          "file"),
    Never("smbd makes nothing in an object's directory", SMBD,
          "create write append unlink rename setattr link", "flagman_object_t",
          "file lnk_file fifo_file sock_file"),
    *(Never(f"smbd makes and moves no directory: {name}", SMBD,
            "create rename rmdir reparent setattr relabelfrom relabelto", name, "dir")
      for name in ("flagman_share_t", "flagman_object_t", "flagman_drop_t")),

    *(Never(f"the agent removes and moves no directory: {name}", AGENT,
            "rename rmdir reparent relabelfrom relabelto", name, "dir")
      for name in ("flagman_share_t", "flagman_object_t", "flagman_drop_t", "flagman_spool_t")),

    # --- what smb.conf includes ---
    *(Never(f"{who} does not say what is shared", who, CHANGE, SHARES, "file")
      for who in (*DOMAINS, *READ_SMB_CONF[:-1]) if who != EXECUTOR),
    *(Never(f"{who} sees nothing beside that", who, "open read write add_name remove_name",
            "flagman_var_lib_t", "dir") for who in READ_SMB_CONF if who != CLI),

    # --- commands that say nothing of SELinux ---
    Never("a command reads no password", COMMAND, "open read", "shadow_t", "file"),
    *(Never(f"a command changes no {name}", COMMAND, CHANGE, name, FILES)
      for name in ("etc_t", "bin_t", "usr_t", "lib_t", "var_lib_t", "shadow_t", "flagman_etc_t",
                   "flagman_share_t", "flagman_object_t", "flagman_spool_t", "systemd_unit_t",
                   *STATE, *PROGRAMS)),
    Never("a command has no network", COMMAND, "create connect name_connect bind sendto",
          classes=NETWORK, leak=f"allow {COMMAND} {COMMAND}:tcp_socket {{ create }};"),
    Never("a command has no capability", COMMAND, "chown dac_override dac_read_search fowner "
          "kill setgid setuid sys_admin sys_ptrace sys_module sys_boot net_admin mknod",
          classes="capability", leak=f"allow {COMMAND} self:capability {{ dac_override }};"),
    Never("a command asks systemd for nothing but services", COMMAND,
          "reboot halt reload enable disable undefined", classes="system",
          leak=f"allow {COMMAND} init_t:system {{ reboot }};"),
    Never("a command enables no service", COMMAND, "enable disable", classes="service",
          leak=f"allow {COMMAND} flagman_unit_t:service {{ enable }};"),
    Never("a command becomes a disc tool at most", COMMAND, "transition dyntransition",
          classes="process", except_=r"\w+ flagman_disc_t:process transition",
          leak=f"allow {COMMAND} initrc_t:process {{ transition }};"),

    # --- flagman(1) ---
    *(Never(f"flagman(1) changes no {name}", CLI, CHANGE, name, FILES)
      for name in ("flagman_runtime_t", "flagman_spool_t", "flagman_share_t", "flagman_object_t",
                   "flagman_flag_t", "flagman_drop_t", *STATE, *PROGRAMS)),
    Never("flagman(1) reads no password", CLI, "open read", "shadow_t", "file"),
    # doctor says to whom they belong, and no more
    *(Never(f"flagman(1) reads no {name}", CLI, "open read", name, "file")
      for name in ("samba_secrets_t", "flagman_var_lib_t", "flagman_claim_t",
                   "flagman_agent_var_lib_t")),

    # --- everybody ---
    *(Never(f"{who} does not touch the policy", who,
            "load_policy setenforce setbool setsecparam setcheckreqprot", "security_t", "security")
      for who in DOMAINS),
    *(Never(f"{who} traces nobody", who, "ptrace", classes="process", leak=f"allow {who} "
            f"init_t:process {{ ptrace }};") for who in DOMAINS),
]
TITLES = [never.what for never in NEVER]


@pytest.mark.parametrize("never", NEVER, ids=TITLES)
def test_never(policy, never):
    assert not never.broken(policy)


@pytest.fixture(scope="session")
def leaking(with_rules):
    store, status, text = with_rules(sorted({never.rule() for never in NEVER}), check=False)
    assert status == 0, text[-2000:]
    return store.policy


@pytest.mark.parametrize("never", NEVER, ids=TITLES)
def test_each_of_them_can_fail(leaking, never):
    assert never.broken(leaking)


def test_names_are_not_confused():
    assert len(set(TITLES)) == len(TITLES)


def test_nobody_is_let_off(policy):
    ours = {name for name in policy.types_of("domain") if name.startswith("flagman_")}
    assert ours == set(DOMAINS)
    assert not ours & policy.permissive
    for attribute in ("unconfined_domain_type", "files_unconfined_type", "can_load_policy",
                      "can_setenforce", "can_read_shadow_passwords"):
        assert not ours & policy.types_of(attribute), attribute


# What the module itself says with neverallow, and semodule looks at where expand-check is set.
def test_neverallow_rules_hold(linked):
    _, status, text = linked
    assert status == 0, text[-2000:]


def test_neverallow_rules_can_fail(with_rules):
    rules = {
        "allow flagman_agent_t bin_t:file { execute_no_trans };",
        "allow flagman_runner_t initrc_t:process { transition };",
        "allow flagman_command_t removable_device_t:blk_file { read };",
        "allow flagman_cli_t flagman_claim_t:file { unlink };",
    }
    _, status, text = with_rules(sorted(rules), check=True)
    assert status != 0
    assert set(re.findall(r"\(neverallow (\w+) ", text)) == {
        rule.split()[1] for rule in rules}, text[-2000:]


# --- doctor ---

@pytest.mark.parametrize("name, kind", [
    ("user_home_dir_t", "dir"), ("flagman_var_lib_t", "dir"), ("flagman_spool_t", "dir"),
    ("flagman_exec_t", "file"), ("systemd_unit_t", "file"), ("var_log_t", "file"),
    ("removable_device_t", "blk_file"), ("fixed_disk_device_t", "blk_file")])
def test_doctor_sees_owners_and_labels(policy, name, kind):
    assert policy.allowed(CLI, "getattr", name, kind)


@pytest.mark.parametrize("who", READ_SMB_CONF)
def test_who_reads_smb_conf_reads_what_it_includes(policy, who):
    found = {rule.split()[-1] for rule in policy.allowed(who, "open read getattr", SHARES, "file")}
    assert found == {"open", "read", "getattr"}
    assert policy.allowed(who, "search", "flagman_var_lib_t", "dir")
    assert policy.allowed(who, "search", "var_lib_t", "dir")


# --- labels ---

def test_the_shares_are_made_with_their_label(policy):
    assert policy.named_transitions[EXECUTOR, "flagman_var_lib_t", "file"] == {
        "samba.conf.new": SHARES}



@pytest.mark.parametrize("path, kind, expected", [
    ("/usr/sbin/flagmand", "--", "flagman_exec_t"),
    ("/usr/bin/flagmand", "--", "flagman_exec_t"),
    ("/usr/bin/flagman", "--", "flagman_cli_exec_t"),
    ("/usr/bin/flagman-disc", "--", "flagman_disc_exec_t"),
    ("/usr/libexec/flagman/flagman-agent", "--", "flagman_agent_exec_t"),
    ("/etc/flagman/conf.d/a.yaml", "--", "flagman_etc_t"),
    ("/var/lib/flagman", "-d", "flagman_var_lib_t"),
    ("/var/lib/flagman/samba.conf", "--", "flagman_samba_t"),
    ("/var/lib/flagman/samba.conf.new", "--", "flagman_samba_t"),
    ("/var/lib/flagman/last-good.yaml", "--", "flagman_var_lib_t"),
    ("/var/lib/flagman/runs/0123", "--", "flagman_claim_t"),
    ("/var/lib/flagman/agent/flagman.db", "--", "flagman_agent_var_lib_t"),
    ("/run/flagman/control", "-s", "flagman_runtime_t"),
    ("/srv/flagman", "-d", "flagman_share_t"),
    ("/srv/flagman/.flagman", "-d", "flagman_spool_t"),
    ("/srv/flagman/.flagman/0123", "--", "flagman_spool_t"),
    ("/srv/flagman/Apache", "-d", "flagman_object_t"),
    ("/srv/flagman/Apache/Restart.txt", "--", "flagman_flag_t"),
    ("/srv/flagman/Apache/Run", "-d", "flagman_drop_t"),
    ("/srv/flagman/DVD/Burn/Returned/a.iso", "--", "flagman_drop_t"),
])
def test_labels(policy, path, kind, expected):
    modes = {"--": "file", "-d": "dir", "-s": "socket"}
    done = subprocess.run(["matchpathcon", "-n", "-m", modes[kind], "-f", policy.contexts, path],
                          check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.stdout.split(":")[2] == expected
