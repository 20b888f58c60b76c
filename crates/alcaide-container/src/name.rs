//! What names of members would do to a folder that they are unpacked into.

use std::hash::{DefaultHasher, Hasher};

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum NameFlaw {
    /// There is none.
    Empty,
    /// It begins at the root.
    Absolute,
    /// A part of it is `..`.
    Parent,
    /// It begins with a drive, a share or a device of Windows.
    Drive,
    /// It holds a backslash, which some readers take for a slash.
    Backslash,
    /// It holds a NUL, where some readers stop.
    Nul,
    /// It holds control characters or marks that turn the direction of writing.
    Control,
    /// It is not UTF-8.
    NotUtf8,
    /// It is longer than file systems allow; only its beginning is kept.
    Long,
}

/// Bytes of a name that are kept: what Linux takes as a path.
pub(crate) const NAME_MAX: usize = 4096;

/// A name as it stands in an archive.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Name {
    bytes: Box<[u8]>,
    /// How long it is in the archive.
    len: usize,
    /// The digest of all of it, so that two that differ behind what is kept are not taken for one.
    hash: u64,
}

impl Name {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let kept = bytes.get(..NAME_MAX).unwrap_or(bytes);
        Self { bytes: kept.into(), len: bytes.len(), hash: hash(bytes) }
    }

    /// Its bytes: the first 4096.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// It as text; what is not UTF-8 is shown as the mark for that.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether it names a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.bytes.ends_with(b"/")
    }

    /// What is wrong with it.
    #[must_use]
    pub fn flaws(&self) -> Vec<NameFlaw> {
        let name = &*self.bytes;
        let text = String::from_utf8_lossy(name);
        let slash = |c: char| c == '/' || c == '\\';
        let mut letters = text.chars();
        let drive = letters.next().is_some_and(|c| c.is_ascii_alphabetic()) && letters.next() == Some(':');
        let device = text.split(slash).any(|part| {
            let stem = part.split(['.', ':', ' ']).next().unwrap_or_default().to_ascii_lowercase();
            matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        });
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        let checks = [
            (NameFlaw::Empty, name.is_empty()),
            (NameFlaw::Absolute, text.starts_with(slash)),
            (NameFlaw::Parent, text.split(slash).any(|part| part.trim_end_matches(' ') == "..")),
            (NameFlaw::Drive, drive || text.starts_with("\\\\") || text.starts_with("//") || device),
            (NameFlaw::Backslash, name.contains(&b'\\')),
            (NameFlaw::Nul, name.contains(&0)),
            (NameFlaw::Control, text.chars().any(|c| (c.is_control() && c != '\0') || turns(c))),
            (NameFlaw::NotUtf8, std::str::from_utf8(name).is_err()),
            (NameFlaw::Long, self.len > NAME_MAX),
        ];
        checks.into_iter().filter_map(|(flaw, is)| is.then_some(flaw)).collect()
    }

    /// What two names have in common that are one file where case does not count and slashes lean either way.
    pub(crate) fn folded(&self) -> u64 {
        let text = String::from_utf8_lossy(&self.bytes);
        let text = text.split('\0').next().unwrap_or_default();
        let mut folded = String::new();
        for part in text.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")) {
            folded.push('/');
            folded.extend(part.chars().flat_map(char::to_lowercase));
        }
        hash(folded.as_bytes())
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Bytes that are held for it.
    pub(crate) fn held(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// The same on every machine and in every run: it is compared, never a key that strangers could aim at.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// For each of `names` the place of the first that is the same: by bytes, then as a file system without case sees it.
pub(crate) fn duplicates<'n>(names: impl Iterator<Item = &'n Name>) -> Vec<(usize, usize, bool)> {
    let mut keys: Vec<(u64, usize, u64)> =
        names.enumerate().map(|(at, name)| (name.folded(), at, name.hash())).collect();
    keys.sort_unstable();
    let mut found = Vec::new();
    for group in keys.chunk_by(|a, b| a.0 == b.0) {
        let Some((&(_, first, hash), rest)) = group.split_first() else { continue };
        found.extend(rest.iter().map(|&(_, at, other)| (at, first, other == hash)));
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flaw_has_its_name() {
        let cases: [(&[u8], &[NameFlaw]); 14] = [
            (b"archive/data.pkl", &[]),
            ("mod\u{e8}le/..poids..".as_bytes(), &[]),
            (b"", &[NameFlaw::Empty]),
            (b"/etc/passwd", &[NameFlaw::Absolute]),
            (b"a/../b", &[NameFlaw::Parent]),
            (b"a\\..\\b", &[NameFlaw::Parent, NameFlaw::Backslash]),
            (b"C:/x", &[NameFlaw::Drive]),
            (b"//host/share", &[NameFlaw::Absolute, NameFlaw::Drive]),
            (b"a/NUL.txt", &[NameFlaw::Drive]),
            (b"a\0.txt", &[NameFlaw::Nul]),
            (b"a\x1b[2J", &[NameFlaw::Control]),
            ("a\u{202e}kp.b".as_bytes(), &[NameFlaw::Control]),
            (b"\xff", &[NameFlaw::NotUtf8]),
            (&[b'a'; 4097], &[NameFlaw::Long]),
        ];
        for (name, flaws) in cases {
            assert_eq!(Name::new(name).flaws(), flaws, "{}", String::from_utf8_lossy(name));
        }
        assert_eq!(Name::new(&[b'a'; 70_000]).bytes().len(), 4096);
    }

    #[test]
    fn duplicates_are_found_as_they_are_and_as_file_systems_see_them() {
        let names: Vec<_> = ["a/b", "c", "A/B", "a/b", "a\\.\\b", "d"]
            .iter()
            .map(|name| Name::new(name.as_bytes()))
            .collect();
        assert_eq!(duplicates(names.iter()), [(2, 0, false), (3, 0, true), (4, 0, false)]);
    }
}
