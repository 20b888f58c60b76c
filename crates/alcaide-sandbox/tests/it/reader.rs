//! A process that only reads: everything else is tried from inside.

use std::io::{Seek as _, Write as _};
use std::process::Command;

/// What a child that was handed a file says of its attempts.
fn tried(how: &str) -> String {
    let mut handed = tempfile::tempfile().unwrap();
    handed.write_all(b"numbers").unwrap();
    handed.rewind().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandbox-exec-for-tests"));
    let ended = child.args(["read", how]).stdin(handed).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn a_reader_reads_what_it_was_handed_and_does_nothing_else() {
    assert_eq!(tried("confined"), "handed numbers\n");
    // Without the walls the same attempts go through: they are what is tried.
    let free = tried("free");
    for name in ["look", "open", "folder", "socket", "pair", "program", "thread"] {
        assert!(free.contains(&format!("passed {name}\n")), "{name}: {free}");
    }
}
