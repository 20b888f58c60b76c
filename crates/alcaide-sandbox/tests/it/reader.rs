//! A process that only reads: everything else is tried from inside.

use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use std::process::{Command, Stdio};

use alcaide_sandbox::ReaderLimits;

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
    assert_eq!(tried("confined"), "ready\nhanded numbers\npassed half its memory\n");
    // Without the walls the same attempts go through: they are what is tried.
    let free = tried("free");
    for name in ["look", "open", "folder", "socket", "pair", "program", "more than its memory", "thread"] {
        assert!(free.contains(&format!("passed {name}\n")), "{name}: {free}");
    }
}

#[test]
fn a_reader_has_bounds_on_all_that_it_could_use_up() {
    let limits_of = |how: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sandbox-exec-for-tests"));
        let mut child =
            child.args(["read", how]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n");
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        limits
    };
    let at_most = |limits: &str, name: &str, bound: u64| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let found: Vec<Option<u64>> =
            line[name.len()..].split_whitespace().take(2).map(|word| word.parse().ok()).collect();
        assert_eq!(found.len(), 2, "{line}");
        found.iter().all(|one| one.is_some_and(|one| one <= bound))
    };
    let ReaderLimits { memory_bytes, address_bytes, stack_bytes, open_files } = ReaderLimits::DEFAULT;
    let bounds = [
        ("Max data size", memory_bytes),
        ("Max address space", address_bytes),
        ("Max stack size", stack_bytes),
        ("Max open files", open_files),
        ("Max file size", 0),
        ("Max core file size", 0),
    ];
    let (confined, free) = (limits_of("confined"), limits_of("free"));
    for (name, bound) in bounds {
        assert!(at_most(&confined, name, bound), "{name}: {confined}");
    }
    // Somebody may have bounded the test itself, but not all of these.
    assert!(bounds.iter().any(|(name, bound)| !at_most(&free, name, *bound)), "{free}");
}
