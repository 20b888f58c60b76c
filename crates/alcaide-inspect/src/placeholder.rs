//! What stands in a text in the place of another: one form for every kind, told apart by a word.
//!
//! A placeholder is `alc-`, the word of its kind, `-` and 24 letters and digits of Base32 (RFC 4648, section 6, in small
//! letters): 15 bytes that whoever made it knows how to read. It is ASCII, has a fixed length whatever it stands for, and
//! none of its characters means anything to JSON, Markdown, HTML, URLs or shells, so a model that copies it copies it whole.
//! What stands behind it, and whether it is good, is not known here: there is no key in this crate.
//!
//! ```
//! use alcaide_inspect::placeholder::{self, Kind, Placeholder};
//!
//! let one = Placeholder::new(Kind::Handle, [7; 15]);
//! let text = format!("She wrote: *{one}*.");
//! let found: Vec<_> = placeholder::find(&text).collect();
//! assert_eq!((found[0].placeholder, found[0].span.clone()), (Some(one), 12..47));
//! assert_eq!(one.to_string().len(), 35);
//! ```

use std::fmt;
use std::ops::Range;

use memchr::memmem;

/// Bytes of an id.
pub const ID_BYTES: usize = 15;
/// Letters of an id.
const ID_LETTERS: usize = 24;
/// What each begins with.
const PREFIX: &str = "alc-";
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A text that a tool answered, which the agent may hand on and not read.
    Handle,
}

impl Kind {
    const ALL: [Self; 1] = [Self::Handle];

    /// The word in its text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handle => "handle",
        }
    }
}

/// Something that stands in the place of a text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Placeholder {
    kind: Kind,
    id: [u8; ID_BYTES],
}

impl Placeholder {
    /// A placeholder with this id.
    #[must_use]
    pub const fn new(kind: Kind, id: [u8; ID_BYTES]) -> Self {
        Self { kind, id }
    }

    /// What it stands for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &[u8; ID_BYTES] {
        &self.id
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{PREFIX}{}-", self.kind.as_str())?;
        for group in self.id.chunks(5) {
            let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for at in (0..8).rev() {
                let letter = usize::try_from(bits >> (at * 5) & 31).unwrap_or_default();
                let letter = ALPHABET.get(letter).copied().unwrap_or_default();
                write!(out, "{}", char::from(letter))?;
            }
        }
        Ok(())
    }
}

fn id_of(letters: &[u8]) -> Option<[u8; ID_BYTES]> {
    if letters.len() != ID_LETTERS {
        return None;
    }
    let mut id = [0; ID_BYTES];
    for (group, bytes) in letters.chunks(8).zip(id.chunks_mut(5)) {
        let mut bits = 0_u64;
        for letter in group {
            let value = ALPHABET.iter().position(|known| known == letter)?;
            bits = bits << 5 | u64::try_from(value).ok()?;
        }
        for byte in bytes.iter_mut().rev() {
            *byte = u8::try_from(bits & 0xff).ok()?;
            bits >>= 8;
        }
    }
    Some(id)
}

/// A place in a text that says that a placeholder stands there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// Its bytes: of what is broken, those that cannot be anything else.
    pub span: Range<usize>,
    /// The placeholder; nothing where it was cut, mistyped or run together with something.
    pub placeholder: Option<Placeholder>,
}

/// All places of a text that say that a placeholder stands there, in order; none overlaps another.
pub fn find(text: &str) -> impl Iterator<Item = Found> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.as_bytes().get(from..)?;
            let start = from.checked_add(memmem::find(rest, PREFIX.as_bytes())?)?;
            let word = start.saturating_add(PREFIX.len());
            let after = text.get(word..).unwrap_or_default();
            let kind = Kind::ALL.into_iter().find_map(|kind| {
                let letters = after.strip_prefix(kind.as_str())?.strip_prefix('-')?;
                Some((kind, after.len().saturating_sub(letters.len())))
            });
            let Some((kind, long)) = kind else {
                from = word;
                continue;
            };
            let letters = word.saturating_add(long);
            let run = text.as_bytes().get(letters..).unwrap_or_default();
            let run = run.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let end = letters.saturating_add(run);
            from = end;
            let id = text.as_bytes().get(letters..end).and_then(id_of);
            let before = start.checked_sub(1).and_then(|at| text.as_bytes().get(at));
            let joined = before.is_some_and(u8::is_ascii_alphanumeric);
            let placeholder = id.filter(|_| !joined).map(|id| Placeholder { kind, id });
            return Some(Found { span: start..end, placeholder });
        }
    })
}

/// Whether bytes may hold one, for those who would else have to unescape them first.
#[must_use]
pub fn may_hold(bytes: &[u8]) -> bool {
    memmem::find(bytes, PREFIX.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one() -> Placeholder {
        Placeholder::new(Kind::Handle, *b"\x00\x01\x02\x03\xff\xfe\xfd\xfc\xfb\xfa0123x")
    }

    #[test]
    fn the_form_is_base32_of_the_rfc() {
        // RFC 4648, section 10: "fooba" is MZXW6YTB.
        let told = Placeholder::new(Kind::Handle, *b"foobafoobafooba").to_string();
        assert_eq!(told, "alc-handle-mzxw6ytbmzxw6ytbmzxw6ytb");
    }

    #[test]
    fn what_is_cut_or_run_together_is_found_as_broken() {
        let whole = one().to_string();
        for broken in [
            whole.get(..whole.len() - 1).unwrap().to_owned(),
            format!("{whole}a"),
            format!("x{whole}"),
            whole.replace(|c: char| c.is_ascii_digit(), "1"),
            "alc-handle-".to_owned(),
        ] {
            let found: Vec<Found> = find(&broken).collect();
            assert!(matches!(&*found, [Found { placeholder: None, .. }]), "{broken} {found:?}");
        }
        for other in ["alc-", "alc-handles", "alchemy", "Alc-handle-", "alc-card-aaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(find(other).count(), 0, "{other}");
        }
    }

    #[test]
    fn what_stands_around_it_is_not_of_it() {
        let whole = one().to_string();
        for (before, after) in [
            ("", ""),
            ("**", "**"),
            ("\"", "\""),
            ("(", ")."),
            ("ü", "ü"),
            ("`", "`,"),
            ("-", "-"),
            ("<b>", "</b>"),
        ] {
            let text = format!("{before}{whole}{after}");
            let found: Vec<Found> = find(&text).collect();
            let [Found { span, placeholder }] = &*found else { panic!("{found:?}") };
            assert_eq!((text.get(span.clone()).unwrap(), *placeholder), (whole.as_str(), Some(one())));
        }
    }

    proptest! {
        #[test]
        fn each_is_read_as_it_was_written(id in any::<[u8; ID_BYTES]>()) {
            let one = Placeholder::new(Kind::Handle, id);
            let text = one.to_string();
            prop_assert_eq!(text.len(), PREFIX.len() + 7 + ID_LETTERS);
            let found: Vec<Found> = find(&text).collect();
            prop_assert_eq!(found, vec![Found { span: 0..text.len(), placeholder: Some(one) }]);
        }

        #[test]
        fn all_of_a_text_are_found_and_nothing_else(
            parts in prop::collection::vec(("[^a-zA-Z0-9]{1,8}", any::<[u8; ID_BYTES]>()), 0..6),
            end in "\\PC*",
        ) {
            prop_assume!(!may_hold(end.as_bytes()));
            let ids: Vec<_> = parts.iter().map(|(_, id)| Placeholder::new(Kind::Handle, *id)).collect();
            let mut text: String = parts.iter().zip(&ids).map(|((before, _), one)| format!("{before}{one}")).collect();
            text.push(' ');
            text.push_str(&end);
            let found: Vec<Found> = find(&text).collect();
            for one in &found {
                let placeholder = one.placeholder.unwrap();
                prop_assert_eq!(text.get(one.span.clone()).unwrap(), placeholder.to_string());
            }
            prop_assert_eq!(found.iter().map(|one| one.placeholder.unwrap()).collect::<Vec<_>>(), ids);
        }

        #[test]
        fn text_that_is_no_placeholder_holds_none(text in "(alc|-|handle|[a-z2-7]{1,30}|\\PC){0,40}") {
            for one in find(&text) {
                prop_assert!(text.get(one.span).unwrap().starts_with("alc-handle-"));
            }
        }
    }
}
