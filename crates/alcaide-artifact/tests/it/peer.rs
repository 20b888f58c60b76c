//! Python's own disassembler is the peer: over the same pickles it must give the same opcodes, places and arguments.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use alcaide_artifact::{Arg, ops};

/// Makes random objects, pickles them with every protocol, adds hand-made opcodes, and prints each pickle with what
/// `pickletools.genops` says of it.
const GENERATOR: &str = include_str!("genops.py");

#[test]
fn opcodes_are_those_of_pickletools() {
    let mut python = Command::new("python3")
        .args(["-I", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed to compare with its pickletools");
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(GENERATOR.as_bytes()).unwrap();
    drop(stdin);
    // Read while it writes: one of the two is enough to hold.
    let said = BufReader::new(python.stdout.take().unwrap());
    let mut pickles = 0;
    let mut seen = std::collections::BTreeSet::new();
    for line in said.lines() {
        let line = line.unwrap();
        let (bytes, want) = line.split_once('\t').unwrap();
        let bytes = unhex(bytes);
        let mut got = String::new();
        for op in ops(&bytes) {
            let op = op.unwrap_or_else(|why| panic!("{why}: {line}"));
            let _ = write!(got, "{} {} {};", op.offset, op.name, shown(&op.arg));
            seen.insert(op.name);
        }
        assert_eq!(got, want);
        pickles += 1;
    }
    assert!(python.wait().unwrap().success());
    assert!(pickles >= 10_000, "{pickles}");
    assert_eq!(seen.len(), 68, "opcodes that occurred: {seen:?}");
}

fn shown(arg: &Arg) -> String {
    match arg {
        Arg::None => "-".to_owned(),
        Arg::Flag(flag) => format!("i{}", u8::from(*flag)),
        Arg::Int(number) => format!("i{number}"),
        Arg::Decimal(text) => format!("i{text}"),
        Arg::Long { head, len } => {
            assert_eq!(head.len() as u64, *len);
            format!("l{}", hex(head))
        }
        Arg::Float(number) => format!("f{}", hex(&number.to_be_bytes())),
        Arg::Text { head, .. } => format!("t{}", hex(head.as_bytes())),
        Arg::Bytes { head, .. } => format!("b{}", hex(head)),
        Arg::Pair(module, name) => format!("t{}", hex(format!("{module} {name}").as_bytes())),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
