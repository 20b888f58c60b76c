//! How far something is, for whoever sits at a terminal. Nothing is written anywhere else.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// How far something is. Any thread tells.
#[derive(Debug)]
pub(crate) struct Progress {
    /// How much there is, where somebody is told.
    of: Option<u64>,
    unit: Unit,
    done: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Files,
    Bytes,
}

/// Fewer bytes than these are read before anybody could look.
const BYTES_TOLD_FROM: u64 = 256 << 20;
/// Times that bytes are told of.
const STEPS: u64 = 200;

impl Progress {
    /// Of so many files.
    pub(crate) fn files(count: usize, quiet: bool) -> Self {
        Self::begin(count as u64, Unit::Files, !quiet && count > 1)
    }

    /// Of so many bytes.
    pub(crate) fn bytes(count: u64) -> Self {
        Self::begin(count, Unit::Bytes, count >= BYTES_TOLD_FROM)
    }

    fn begin(count: u64, unit: Unit, wanted: bool) -> Self {
        let told = wanted && std::io::stderr().is_terminal();
        Self { of: told.then_some(count), unit, done: AtomicU64::new(0) }
    }

    /// So much more is done.
    pub(crate) fn add(&self, count: u64) {
        let Some(of) = self.of else { return };
        let before = self.done.fetch_add(count, Ordering::Relaxed);
        let now = before.saturating_add(count);
        let text = match self.unit {
            Unit::Files => format!("{now} of {of} files"),
            Unit::Bytes => {
                let step = (of / STEPS).max(1);
                if before / step == now / step {
                    return;
                }
                format!("{} of {}", bytes_told(now), bytes_told(of))
            }
        };
        let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{text}");
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if self.of.is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

/// A number of bytes as people read it.
pub(crate) fn bytes_told(bytes: u64) -> String {
    let mut whole = bytes;
    let mut rest = 0;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if whole < 1024 {
            break;
        }
        (rest, whole, unit) = (whole % 1024 * 10 / 1024, whole / 1024, next);
    }
    if unit == "bytes" { format!("{whole} {unit}") } else { format!("{whole}.{rest} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1 << 30, "1.0 GiB"),
            ((1 << 30) * 3 / 2, "1.5 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes_told(bytes), text);
        }
    }
}
