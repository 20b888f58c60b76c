//! The hidden command as a program of its own, for the tests of this crate.

use std::io::{self, Read};
use std::process::ExitCode;

use alcaide_seal::digest::Hasher;

fn sha256(reader: &mut dyn Read) -> io::Result<[u8; 32]> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish().into_bytes()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

fn main() -> ExitCode {
    eprintln!("tool-exec: {}", alcaide_sandbox::exec_in_place(sha256));
    ExitCode::from(126)
}
