//! The scanner attacked by itself: bad files written in other ways that mean the same, and files of every format changed byte by byte.
//!
//! [`bypass`] makes variants and prints how many of them each kind of change gets past the scanner; [`bytes`] looks for what breaks it.
//! Both go by a seed, `ALCAIDE_SEED`, and make ten or a hundred times more with `ALCAIDE_TIER=hours`.

mod bypass;
pub(crate) mod bytes;
mod code;
pub(crate) mod graphs;
mod pickles;
pub(crate) mod random;
mod rewrite;
mod score;
pub(crate) mod seeds;
mod settings;
mod templates;
pub(crate) mod tensors;
mod variants;
pub(crate) mod wrap;

use std::time::Duration;

use alcaide_artifact::{Report, scan};
use alcaide_container::{Fuel, Limits};

/// Whether full trials are asked for.
pub(crate) fn hours() -> bool {
    std::env::var("ALCAIDE_TIER").is_ok_and(|tier| tier == "hours")
}

/// Where variants begin: `ALCAIDE_SEED` or what the test has always begun with.
pub(crate) fn seed(default: u64) -> u64 {
    std::env::var("ALCAIDE_SEED").map_or(default, |seed| seed.parse().expect("ALCAIDE_SEED is a number"))
}

/// The report on a file as the program makes it.
pub(crate) fn judge(name: &str, bytes: &[u8]) -> Report {
    scan(name, &bytes, &Fuel::new(Limits::for_file(bytes.len() as u64)))
}

/// What means something to one parser or another.
pub(crate) const fn words() -> &'static [&'static [u8]] {
    bytes::WORDS
}

/// What this thread has had of a processor: other programs on the machine take nothing from it.
pub(crate) fn busy() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(
        told.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default(),
    )
}

/// Puts a file where `ALCAIDE_KEEP` says, to be looked at by hand.
pub(crate) fn keep(name: &str, bytes: &[u8]) {
    let Ok(folder) = std::env::var("ALCAIDE_KEEP") else { return };
    let place = std::path::Path::new(&folder).join(format!("{:08x}", wrap::crc32(bytes)));
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join(name.rsplit('/').next().unwrap_or_default()), bytes).unwrap();
}
