//! Hiding what was found: which classes, and what stands in their place.

use std::borrow::Cow;
use std::ops::Range;

use alcaide_finding::{Class, Finding};

use crate::card;

/// What stands in the place of a hidden value. Both are deterministic: the same text always gives the same.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Style {
    /// Words that tell what was there: `[card ending 4242]`, `[email address]`, `[secret: github-token]`.
    #[default]
    Placeholder,
    /// `[redacted]`, whatever was there.
    Blank,
}

/// Which findings are hidden, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mask {
    style: Style,
    /// One bit for a class that is left clear.
    spared: u8,
}

impl Mask {
    /// Hides every class behind [`Style::Placeholder`].
    pub const PLACEHOLDERS: Self = Self::all(Style::Placeholder);

    /// Hides every class.
    #[must_use]
    pub const fn all(style: Style) -> Self {
        Self { style, spared: 0 }
    }

    /// Leaves findings of `class` clear.
    #[must_use]
    pub const fn sparing(self, class: Class) -> Self {
        Self { spared: self.spared | bit(class), ..self }
    }

    /// Whether findings of `class` are hidden.
    #[must_use]
    pub const fn hides(self, class: Class) -> bool {
        self.spared & bit(class) == 0
    }

    /// What stands in the place of `value`, which a rule called `rule` of `class` found.
    ///
    /// Only a card shows anything of it: the last four digits.
    #[must_use]
    pub fn placeholder(self, rule: &str, class: Class, value: &str) -> Cow<'static, str> {
        if self.style == Style::Blank {
            return Cow::Borrowed("[redacted]");
        }
        match class {
            Class::Card => format!("[card ending {}]", card::last_four(value)).into(),
            Class::Personal if rule == crate::rules::EMAIL.id.as_str() => Cow::Borrowed("[email address]"),
            Class::Secret => format!("[secret: {rule}]").into(),
            other => format!("[{}: {rule}]", other.as_str()).into(),
        }
    }
}

impl Default for Mask {
    fn default() -> Self {
        Self::PLACEHOLDERS
    }
}

const fn bit(class: Class) -> u8 {
    match class {
        Class::Card => 1,
        Class::Personal => 2,
        Class::Secret => 4,
        Class::Uninspected => 8,
        Class::ToolPoisoning => 16,
        Class::Link => 32,
        Class::Canary => 64,
    }
}

/// A range of bytes and what replaces it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// Bytes of the text before any edit.
    pub span: Range<u64>,
    /// What stands there instead.
    pub text: Cow<'static, str>,
}

/// Hides in `text` what `findings` (of that same text, in order) cover.
///
/// Findings that `mask` spares, that overlap an earlier one or that do not lie on characters of `text` make no edit.
/// The text is borrowed where there is none. Equal, byte for byte, to what a [`crate::Redactor`] yields for the
/// same text in chunks.
#[must_use]
pub fn redact<'t>(text: &'t str, findings: &[Finding], mask: Mask) -> (Cow<'t, str>, Vec<Edit>) {
    let mut edits = Vec::new();
    let mut out = String::new();
    let mut done = 0;
    for finding in findings.iter().filter(|finding| mask.hides(finding.class)) {
        let (Ok(start), Ok(end)) = (usize::try_from(finding.span.start), usize::try_from(finding.span.end))
        else {
            continue;
        };
        let (Some(clear), Some(value)) = (text.get(done..start), text.get(start..end)) else { continue };
        let placeholder = mask.placeholder(finding.rule.as_str(), finding.class, value);
        out.push_str(clear);
        out.push_str(&placeholder);
        edits.push(Edit { span: finding.span.clone(), text: placeholder });
        done = end;
    }
    if edits.is_empty() {
        return (Cow::Borrowed(text), edits);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    (Cow::Owned(out), edits)
}
