//! The hidden command as a program of its own, for the tests of this crate.

use std::io::{self, Read};
use std::process::ExitCode;

/// Stands in for SHA-256: the first 32 bytes, so that a test can tell one file from another without cryptography.
fn first_bytes(reader: &mut dyn Read) -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn main() -> ExitCode {
    eprintln!("sandbox-exec: {}", alcaide_sandbox::exec_in_place(first_bytes));
    ExitCode::from(126)
}
