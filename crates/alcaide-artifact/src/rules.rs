//! The rules: what each finds, how much harm it means, and the words that explain it.

use alcaide_finding::{Rating, RuleId};

/// One rule of the scanner.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Stable id, part of the public vocabulary.
    pub id: RuleId,
    /// How much harm a true finding can do; [`Rating::None`] for doubts.
    pub rating: Rating,
    /// One sentence for people: what it finds and what makes it sure.
    pub description: &'static str,
    /// What to do about it.
    pub cure: &'static str,
}

impl Rule {
    /// Every rule, in the order of the listing.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        [ALL, formats::ALL].into_iter().flatten().copied()
    }
}

macro_rules! rules {
    ($($name:ident = $id:literal, $rating:ident, $text:literal, $cure:literal;)*) => {
        $(
            #[doc = $text]
            pub(crate) static $name: $crate::rules::Rule = $crate::rules::Rule {
                id: alcaide_finding::RuleId::fixed($id),
                rating: alcaide_finding::Rating::$rating,
                description: $text,
                cure: $cure,
            };
        )*

        /// The rules of this file, in the order of the listing.
        pub(crate) static ALL: &[&$crate::rules::Rule] = &[$(&$name),*];
    };
}

/// Of tensor files, chat templates and what lies beside them in a repository.
pub(crate) mod formats;

rules! {
    OPAQUE = "opaque-bytes", None, "bytes that no reader understood", "ask for a format that declares what it holds, or accept this digest by hand";
    OUT_OF_FUEL = "out-of-fuel", None, "the work that a file may cost was spent before its end", "ask why it takes so much work to read; a bomb does";
    UNREADABLE = "unreadable", None, "bytes that could not be had: a broken stream, an unknown packing, a failing source", "fetch the file again and compare its digest";
}
