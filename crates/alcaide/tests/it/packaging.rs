//! What is shipped beside the program fits it.

use std::process::Command;

use crate::house::PROGRAM;

const UNIT: &str = include_str!("../../../../packaging/alcaide.service");

/// Values of a key of the unit, its lines joined.
fn values(key: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.flat_map(str::split_whitespace).collect()
}

/// Without any of these the program cannot put a wall around a tool server, and starts none.
#[test]
fn the_unit_leaves_tool_servers_their_walls_and_their_runtimes() {
    // `alcaide-sandbox`: `namespace.rs`, and what the crates for Landlock and seccomp call.
    assert_eq!(values("RestrictNamespaces"), ["user", "mnt", "ipc", "net"]);
    assert!(values("RestrictAddressFamilies").contains(&"AF_NETLINK"));
    let calls = values("SystemCallFilter");
    for call in [
        "@system-service",
        "mount",
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "seccomp",
    ] {
        assert!(calls.contains(&call), "{call}");
    }
    // Runtimes that compile while they run, and read how much memory there is.
    assert_eq!(values("MemoryDenyWriteExecute"), [""; 0]);
    assert_eq!(values("ProcSubset"), [""; 0]);
    // What stays shut.
    for key in ["NoNewPrivileges", "ProtectKernelTunables", "PrivateDevices", "RestrictSUIDSGID"] {
        assert_eq!(values(key), ["yes"], "{key}");
    }
    assert_eq!(values("CapabilityBoundingSet"), [""; 0]);
}

#[test]
fn systemd_understands_every_line_of_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alcaide.service");
    std::fs::write(&path, UNIT.replace("/usr/local/bin/alcaide", PROGRAM)).unwrap();
    let analyze = |args: &[&str]| Command::new("systemd-analyze").args(args).arg(&path).output();
    let Ok(said) = analyze(&["verify", "--man=no"]) else {
        println!("not judged: the unit, no systemd-analyze here");
        return;
    };
    let err = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.success() && !err.contains("alcaide.service"), "{err}");
}
