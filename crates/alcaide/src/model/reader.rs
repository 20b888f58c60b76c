//! The reader: this program under another name, without a way to anything but the files that it is handed.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use alcaide_artifact::Report;
use alcaide_container::{Fuel, Limits};
use alcaide_sandbox::{ReaderLimits, channel, confine};
use alcaide_seal::digest::Sha256Digest;
use serde::{Deserialize, Serialize};

use super::file::FileInput;

/// The hidden command by which this program starts its reader: `alcaide model-reader`, and nothing else on the line.
pub(crate) const DOOR: &str = "model-reader";

/// What a reader is asked.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    /// What the file is said to be called.
    pub(crate) name: String,
    /// How long it was when it was opened.
    pub(crate) bytes: u64,
    /// Whether the file's digest is wanted.
    pub(crate) digest: bool,
}

/// What it answers.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Answer {
    /// SHA-256 of the file, where it was wanted and could be read.
    pub(crate) sha256: Option<Sha256Digest>,
    /// Why it could not.
    pub(crate) unreadable: Option<String>,
    /// The report as the JSON object that it is shown as.
    pub(crate) report: Report,
}

/// Serves orders on standard input until it is closed.
pub(crate) fn serve() -> ExitCode {
    match try_serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever does not listen any more needs not be told.
            let _ = writeln!(io::stderr(), "alcaide {DOOR}: {error}");
            ExitCode::from(126)
        }
    }
}

fn try_serve() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let walls = confine(ReaderLimits::DEFAULT, socket.as_fd())?;
    channel::send(&socket, &serde_json::to_vec(&walls)?, None)?;
    while let Some((bytes, descriptor)) = channel::receive(&socket)? {
        let order: Order = serde_json::from_slice(&bytes)?;
        let file = descriptor.ok_or_else(|| io::Error::other("an order came without a file"))?;
        let answer = read(&order, File::from(file));
        channel::send(&socket, &serde_json::to_vec(&answer)?, None)?;
    }
    Ok(())
}

fn read(order: &Order, file: File) -> Answer {
    let input = FileInput::new(file, order.bytes, order.digest);
    let fuel = Fuel::new(Limits::for_file(order.bytes));
    let report = alcaide_artifact::scan(&order.name, &input, &fuel);
    let (sha256, unreadable) = match input.finish() {
        Ok(digest) => (digest, None),
        Err(error) => (None, Some(error.to_string())),
    };
    Answer { sha256, unreadable, report }
}
