//! Finding the end of a span that may be longer than the hold-back.
//!
//! Such a span is decided at its opening: from there on every byte is hidden as it comes, and one of these small
//! automata, fed a byte at a time, says where it ends. They keep a few counters and no text.

/// Bytes without a stretch of base64 after which a key block counts as broken off. A block whose end line never
/// comes hides this many bytes of what follows it, no more.
pub(crate) const PEM_QUIET_BYTES_MAX: u16 = 512;

/// Length of a stretch of base64 that shows that a key block goes on.
const PEM_STRETCH_BYTES: u16 = 24;

/// Longest label between `-----END` and the last dashes.
const PEM_LABEL_BYTES_MAX: u8 = 48;

/// An automaton that looks for the end of an open span.
#[derive(Clone, Copy)]
pub(crate) enum Close {
    /// The span goes on while bytes are of this class, which has to be of ASCII bytes only, or to hold every other.
    While(fn(u8) -> bool),
    /// As `While` with base64url and dots, with at most so many dots still to come.
    Parts(u8),
    /// A PEM block, up to the dashes that end its last line.
    Pem(Pem),
}

impl Close {
    /// Reads on; `Some(n)` says that the span ends before byte `n` of `bytes`.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::While(class) => bytes.iter().position(|byte| !class(*byte)),
            Self::Parts(dots) => bytes.iter().position(|byte| match (*byte, *dots) {
                (b'.', 0) => true,
                (b'.', left) => {
                    *dots = left.saturating_sub(1);
                    false
                }
                (other, _) => !crate::view::url64(other),
            }),
            Self::Pem(pem) => bytes.iter().enumerate().find_map(|(at, byte)| pem.step(at, *byte)),
        }
    }
}

/// Where the automaton stands within a PEM block.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pem {
    /// Dashes in a row.
    dashes: u8,
    /// Letters of `END` read after five dashes.
    word: u8,
    /// Bytes of the label read after `-----END`; 0 where no such line is open.
    label: u8,
    /// Base64 in a row, line ends not counted.
    stretch: u16,
    /// Bytes since the last stretch.
    quiet: u16,
}

impl Pem {
    fn step(&mut self, at: usize, byte: u8) -> Option<usize> {
        if self.quiet >= PEM_QUIET_BYTES_MAX && byte & 0xc0 != 0x80 {
            return Some(at);
        }
        if byte == b'-' {
            self.dashes = self.dashes.saturating_add(1);
            if self.label > 0 && self.dashes >= 5 {
                return Some(at + 1);
            }
        } else {
            self.word = match (self.word, byte) {
                (0, b'E') if self.dashes >= 5 => 1,
                (1, b'N') if self.dashes == 0 => 2,
                (2, b'D') if self.dashes == 0 => {
                    self.label = 1;
                    0
                }
                _ => 0,
            };
            self.dashes = 0;
        }
        if self.label > 0 {
            self.label = if self.label < PEM_LABEL_BYTES_MAX { self.label + 1 } else { 0 };
        }
        if crate::view::base64(byte) {
            self.stretch = self.stretch.saturating_add(1);
        } else if !matches!(byte, b'\n' | b'\r') {
            self.stretch = 0;
        }
        self.quiet = if self.stretch >= PEM_STRETCH_BYTES { 0 } else { self.quiet.saturating_add(1) };
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_with_its_end_line() {
        let body = format!("{}\n-----END EC PRIVATE KEY-----", "QUJD".repeat(16));
        let text = format!("{body} and more");
        assert_eq!(Close::Pem(Pem::default()).feed(text.as_bytes()), Some(body.len()));
    }

    #[test]
    fn dashes_alone_do_not_end_a_block() {
        let text = format!("{}\n-----BEGIN X-----\n{}", "QUJD".repeat(16), "QUJD".repeat(16));
        assert_eq!(Close::Pem(Pem::default()).feed(text.as_bytes()), None);
    }

    #[test]
    fn a_broken_block_ends_after_some_prose() {
        let key = "QUJD".repeat(16);
        let text = format!("{key}…{}", " some words é".repeat(100));
        let end = Close::Pem(Pem::default()).feed(text.as_bytes()).unwrap();
        assert!(end > key.len() && end <= key.len() + 4 + usize::from(PEM_QUIET_BYTES_MAX), "{end}");
        assert!(text.is_char_boundary(end));
    }
}
