//! Text armour around keys and certificates.
//!
//! Lines outside blocks are passed over, as other readers do; inside a block there is base64 and nothing else: the headers of
//! the old encrypted form are refused by name. Source: RFC 7468, section 3 (lax form).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Most bytes of one text that are read.
pub const PEM_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a text is no armour.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// Too long to be read.
    #[error("the text has {bytes} bytes, {max} are read")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many are read.
        max: usize,
    },
    /// No block at all.
    #[error("no block `-----BEGIN …-----` was found")]
    Empty,
    /// A block that begins and does not end, or ends as something else.
    #[error("block `{label}` has no end of its own")]
    Open {
        /// What begins.
        label: String,
    },
    /// Not base64 inside.
    #[error("block `{label}` holds something else than base64")]
    Body {
        /// Of which block.
        label: String,
    },
    /// Encrypted in the way of before PKCS#8.
    #[error("block `{label}` is encrypted in the old form that derives its key by MD5")]
    OldEncryption {
        /// Of which block.
        label: String,
    },
}

/// One block: what it says it is, and its bytes, which wipe themselves.
pub struct Block {
    /// The words after `BEGIN`.
    pub label: String,
    /// What the base64 stands for.
    pub der: Zeroizing<Vec<u8>>,
}

/// All blocks of a text in their order.
///
/// # Errors
/// [`PemError`].
pub fn blocks(text: &[u8]) -> Result<Vec<Block>, PemError> {
    blocks_within(text, PEM_BYTES_MAX)
}

/// The same of a text of at most `max` bytes.
pub(crate) fn blocks_within(text: &[u8], max: usize) -> Result<Vec<Block>, PemError> {
    if text.len() > max {
        return Err(PemError::TooLong { bytes: text.len(), max });
    }
    let mut blocks = Vec::new();
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    while let Some(line) = lines.next() {
        let Some(label) = marked(line, b"-----BEGIN ") else { continue };
        let shown = || crate::cut(&String::from_utf8_lossy(label));
        let mut body = Zeroizing::new(Vec::new());
        loop {
            let line = lines.next().ok_or_else(|| PemError::Open { label: shown() })?;
            if let Some(end) = marked(line, b"-----END ") {
                if end == label {
                    break;
                }
                return Err(PemError::Open { label: shown() });
            }
            if line.starts_with(b"Proc-Type:") || line.starts_with(b"DEK-Info:") {
                return Err(PemError::OldEncryption { label: shown() });
            }
            body.extend_from_slice(line);
        }
        let der = STANDARD.decode(body.as_slice()).map_err(|_| PemError::Body { label: shown() })?;
        blocks.push(Block { label: shown(), der: Zeroizing::new(der) });
    }
    if blocks.is_empty() { Err(PemError::Empty) } else { Ok(blocks) }
}

/// A block, written with lines of 64 columns and a final newline.
#[must_use]
pub fn armour(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 40));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

const COLUMNS: usize = 64;

fn marked<'a>(line: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(mark)?.strip_suffix(b"-----")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_found_among_other_lines() {
        let text = b"subject=CN = x\r\n-----BEGIN A-----\r\nAQ\r\nID\r\n-----END A-----\r\n\nnoise\n-----BEGIN B C-----\n-----END B C-----";
        let found = blocks(text).unwrap();
        assert_eq!(found.iter().map(|one| one.label.as_str()).collect::<Vec<_>>(), ["A", "B C"]);
        assert_eq!(*found[0].der, [1, 2, 3]);
        assert!(found[1].der.is_empty());
    }

    #[test]
    fn what_is_no_block_is_refused_by_name() {
        let err = |text: &str| blocks(text.as_bytes()).err().unwrap().to_string();
        assert_eq!(err("hello"), "no block `-----BEGIN …-----` was found");
        assert_eq!(err("-----BEGIN A-----\nAQID"), "block `A` has no end of its own");
        assert_eq!(err("-----BEGIN A-----\nAQID\n-----END B-----"), "block `A` has no end of its own");
        assert_eq!(
            err("-----BEGIN A-----\nA?==\n-----END A-----"),
            "block `A` holds something else than base64"
        );
        assert!(
            err("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n-----END EC PRIVATE KEY-----")
                .contains("old form")
        );
        assert!(matches!(
            blocks(&vec![b' '; PEM_BYTES_MAX + 1]),
            Err(PemError::TooLong { bytes, .. }) if bytes == PEM_BYTES_MAX + 1
        ));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(der in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = armour("X", &der);
            prop_assert!(text.lines().all(|line| line.len() <= 64));
            let found = blocks(text.as_bytes()).unwrap();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&*found[0].der, &der);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(-----BEGIN A-----|-----END A-----|\n|[A-Za-z=]{0,4}|\\PC){0,12}") {
            let _ = blocks(text.as_bytes());
        }
    }
}
