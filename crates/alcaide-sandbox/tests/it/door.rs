//! The hidden command as a program of its own, for the tests of this crate; and a reader of what it was handed.

use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

/// Stands in for SHA-256: the first 32 bytes, so that a test can tell one file from another without cryptography.
fn first_bytes(reader: &mut dyn Read) -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Tries what a reader must not do, behind its walls or before them, and says what went through.
fn read(confined: bool) -> io::Result<()> {
    if confined {
        alcaide_sandbox::confine(alcaide_sandbox::ReaderLimits::DEFAULT, io::stdin().as_fd())?;
    }
    let mut handed = String::new();
    println!("ready");
    io::stdin().read_to_string(&mut handed)?;
    println!("handed {handed}");
    let here = std::env::current_exe();
    let limit = usize::try_from(alcaide_sandbox::ReaderLimits::DEFAULT.memory_bytes).unwrap_or(usize::MAX);
    let attempts: [(&str, bool); 9] = [
        ("look", here.is_ok()),
        ("open", std::fs::File::open("/etc/passwd").is_ok()),
        ("folder", std::fs::read_dir("/").is_ok()),
        ("socket", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("pair", std::os::unix::net::UnixStream::pair().is_ok()),
        ("program", std::process::Command::new("/bin/true").status().is_ok()),
        ("half its memory", Vec::<u8>::new().try_reserve_exact(limit / 2).is_ok()),
        ("more than its memory", Vec::<u8>::new().try_reserve_exact(limit + 1).is_ok()),
        ("thread", std::thread::Builder::new().spawn(|| ()).is_ok()),
    ];
    for (name, passed) in attempts {
        if passed {
            println!("passed {name}");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, how] = words.as_slice()
        && word == "read"
    {
        return match read(how == "confined") {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("read: {error}");
                ExitCode::from(126)
            }
        };
    }
    eprintln!("sandbox-exec: {}", alcaide_sandbox::exec_in_place(first_bytes));
    ExitCode::from(126)
}
