//! Names of files in a model.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::scanner::shown;

/// A path within a model: parts with `/` between them, none of which leads out or hides what it is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TreePath(Box<str>);

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// Other bytes than UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// Nothing, or a part with nothing in it: a slash too many.
    #[error("it is empty or has an empty part")]
    EmptyPart,
    /// `.` or `..`.
    #[error("it has a part `.` or `..`")]
    Dots,
    /// It begins with a slash or a drive.
    #[error("it is absolute")]
    Absolute,
    /// A backslash, which other systems take for a slash.
    #[error("it has a backslash, which some systems read as a separator")]
    Backslash,
    /// A character that is not shown.
    #[error("it has a control character")]
    Control,
    /// A name that some systems cut short, or take for a device or a second stream of another file.
    #[error("some systems cut it short, or take it for a device or a stream of another file")]
    Reserved,
    /// A character that is not shown or turns the direction of what follows: two names that look the same.
    #[error("it has a character that is not shown")]
    Hidden,
    /// Longer than any file system takes.
    #[error("it is longer than file systems take")]
    TooLong,
}

impl TreePath {
    /// Most bytes of a path.
    pub const BYTES_MAX: usize = 4096;
    /// Most bytes of a part.
    pub const PART_BYTES_MAX: usize = 255;

    /// Checks a path as a file system gives it.
    ///
    /// # Errors
    /// [`PathFault`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathFault> {
        Self::new(std::str::from_utf8(bytes).map_err(|_| PathFault::NotUtf8)?)
    }

    /// Checks a path.
    ///
    /// # Errors
    /// [`PathFault`].
    pub fn new(text: &str) -> Result<Self, PathFault> {
        if text.starts_with('/') {
            return Err(PathFault::Absolute);
        }
        if text.len() > Self::BYTES_MAX {
            return Err(PathFault::TooLong);
        }
        if text.contains('\\') {
            return Err(PathFault::Backslash);
        }
        if text.chars().any(char::is_control) {
            return Err(PathFault::Control);
        }
        for part in text.split('/') {
            match part {
                "" => return Err(PathFault::EmptyPart),
                "." | ".." => return Err(PathFault::Dots),
                _ if part.len() > Self::PART_BYTES_MAX => return Err(PathFault::TooLong),
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first part.
    #[must_use]
    pub fn first_part(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// Whether it is `other` or something in it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.strip_prefix(&*other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The folders that it lies in, the outermost first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| self.0.get(..at).unwrap_or_default())
    }

    /// Why it is not the same name on every system, if it is not.
    ///
    /// Source: "Naming Files, Paths, and Namespaces" of the Win32 documentation; Unicode 16, general category Cf and
    /// `Default_Ignorable_Code_Point`.
    pub(crate) fn not_portable(&self) -> Option<PathFault> {
        if self.0.chars().any(is_hidden) {
            return Some(PathFault::Hidden);
        }
        let reserved = |part: &str| {
            let stem = part.split('.').next().unwrap_or_default().trim_end_matches(' ').to_uppercase();
            let numbered = |name: &str| {
                let mut rest = stem.strip_prefix(name).unwrap_or_default().chars();
                matches!((rest.next(), rest.next()), (Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None))
            };
            part.ends_with(['.', ' '])
                || part.contains(':')
                || DEVICES.contains(&stem.as_str())
                || numbered("COM")
                || numbered("LPT")
        };
        self.0.split('/').any(reserved).then_some(PathFault::Reserved)
    }

    /// What file systems that disregard case and composition take it for.
    pub(crate) fn folded(&self) -> String {
        caseless::default_case_fold_str(&self.0.nfd().collect::<String>()).nfc().collect()
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&shown(&self.0))
    }
}

/// Names of devices, whatever ending follows.
const DEVICES: [&str; 6] = ["AUX", "CON", "CONIN$", "CONOUT$", "NUL", "PRN"];

/// Characters without a shape of their own, by range.
fn is_hidden(one: char) -> bool {
    matches!(one,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_nowhere_but_in() {
        for good in ["a", "a/b", "...", "a/..b", ".git", "ünï.txt", "a b/c:1:2", "C:x", &"x".repeat(255)] {
            assert_eq!(TreePath::new(good).unwrap().as_str(), good);
        }
        let wrong = [
            ("", PathFault::EmptyPart),
            ("a//b", PathFault::EmptyPart),
            ("a/", PathFault::EmptyPart),
            ("/a", PathFault::Absolute),
            ("..", PathFault::Dots),
            ("a/../b", PathFault::Dots),
            ("./a", PathFault::Dots),
            ("a\\b", PathFault::Backslash),
            ("a\nb", PathFault::Control),
            ("a\0", PathFault::Control),
        ];
        for (text, fault) in wrong {
            assert_eq!(TreePath::new(text), Err(fault), "{text:?}");
        }
        assert_eq!(TreePath::new(&"x".repeat(256)), Err(PathFault::TooLong));
        assert_eq!(TreePath::new(&"x/".repeat(2048)), Err(PathFault::EmptyPart));
        assert_eq!(TreePath::new(&format!("{}x", "x/".repeat(2048))), Err(PathFault::TooLong));
        assert_eq!(TreePath::from_bytes(b"\xff"), Err(PathFault::NotUtf8));
    }

    #[test]
    fn what_lies_in_what() {
        let path = |text: &str| TreePath::new(text).unwrap();
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert!(!path("a").is_within(&path("a/b")));
        assert_eq!(path("a/b/c").folders().collect::<Vec<_>>(), ["a", "a/b"]);
    }

    #[test]
    fn names_that_are_others_elsewhere_are_told() {
        let fault = |text: &str| TreePath::new(text).unwrap().not_portable();
        for reserved in [
            "a.",
            "a ",
            "x./a",
            "CON",
            "sub/nul.bin",
            "com1",
            "Lpt9.tar.gz",
            "COM\u{b9}",
            "prn .txt",
            "w.bin:stream",
            "...",
        ] {
            assert_eq!(fault(reserved), Some(PathFault::Reserved), "{reserved}");
        }
        for hidden in ["a\u{200b}", "\u{202e}nib.w", "a\u{ad}b", "\u{feff}a", "a\u{e0041}", "x/\u{2066}y"] {
            assert_eq!(fault(hidden), Some(PathFault::Hidden), "{hidden:?}");
        }
        for good in [".hidden", "a b.c", "console", "com10", "lpt", "ünï/雪", "nul-", "com", "\u{1f600}"] {
            assert_eq!(fault(good), None, "{good}");
        }
    }

    #[test]
    fn case_and_composition_do_not_make_two_names() {
        let folded = |text: &str| TreePath::new(text).unwrap().folded();
        assert_eq!(folded("Readme.MD"), folded("readme.md"));
        assert_eq!(folded("Stra\u{df}e"), folded("STRASSE"));
        assert_eq!(folded("u\u{308}"), folded("\u{dc}"));
        assert_ne!(folded("a"), folded("b"));
    }
}
