//! The text of a checkpoint: origin, size, root.
//!
//! Source: C2SP tlog-checkpoint.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::CheckpointError;
use crate::hash::Hash;

/// A signed state of the tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// Entries that it covers: the indexes below this number.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The whole signed note, as it is published.
    pub note: String,
}

/// What a checkpoint says, before the signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Said {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// The text of a checkpoint, to be signed; it ends with a line feed.
///
/// Source: C2SP tlog-checkpoint, note text.
#[must_use]
pub fn text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", STANDARD.encode(root.as_bytes()))
}

/// Reads the text of a checkpoint of the log `origin`, or of any log; extension lines are passed over.
pub(crate) fn parse(text: &str, origin: Option<&str>) -> Result<(String, Said), CheckpointError> {
    let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
    let mut lines = body.split('\n');
    let (Some(found), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(CheckpointError::Lines);
    };
    if found.is_empty() || lines.any(str::is_empty) {
        return Err(CheckpointError::Lines);
    }
    if origin.is_some_and(|origin| origin != found) {
        return Err(CheckpointError::Origin { found: found.chars().take(80).collect() });
    }
    let decimal = size.bytes().all(|byte| byte.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
    let size = size.parse().ok().filter(|_| decimal).ok_or(CheckpointError::Size)?;
    let root = STANDARD.decode(root).ok().and_then(|root| <[u8; 32]>::try_from(root).ok());
    let root = Hash::from_bytes(root.ok_or(CheckpointError::Root)?);
    Ok((found.to_owned(), Said { size, root }))
}

/// Whether `origin` can stand in the first line of a checkpoint: 1 to 255 bytes, printable, no space or plus
/// sign.
pub(crate) fn origin_fits(origin: &str) -> bool {
    let printable = origin.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != '+');
    (1..=255).contains(&origin.len()) && printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back() {
        let root = crate::hash::empty_root();
        let body = text("gate.example/log", 17, &root);
        assert_eq!(body, "gate.example/log\n17\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
        assert_eq!(parse(&body, Some("gate.example/log")).unwrap().1, Said { size: 17, root });
        assert!(matches!(parse(&body, Some("other")), Err(CheckpointError::Origin { .. })));
    }

    #[test]
    fn each_broken_line_has_its_own_error() {
        let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(parse("o\n1\n", None), Err(CheckpointError::Lines));
        assert_eq!(parse(&format!("o\n1\n{root}"), None), Err(CheckpointError::Lines));
        assert_eq!(parse(&format!("o\n01\n{root}\n"), None), Err(CheckpointError::Size));
        assert_eq!(parse(&format!("o\n+1\n{root}\n"), None), Err(CheckpointError::Size));
        assert_eq!(parse("o\n1\nAAAA\n", None), Err(CheckpointError::Root));
        assert!(parse(&format!("o\n1\n{root}\nextension\n"), None).is_ok());
    }
}
