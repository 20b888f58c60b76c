//! Text of a stranger as a person may see it before deciding: what no screen shows is written out.
//!
//! A name or a description can hold characters that hide words, turn the direction of a line or move a cursor, so that
//! a person says yes to something else than a model or a server reads. Each such character is shown as its number,
//! `⟨U+202E⟩`. Console and command line show through here; what is sent, hashed and recorded is never changed.
//!
//! Left out: letters that look like others. Which of two is meant depends on the language, and both are seen.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A text with all that no screen shows written as `⟨U+202E⟩`; its line ends stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    written_out(text, |one| one != '\n' && unseen(one))
}

/// As [`visible`], on one line: line ends are written out too.
#[must_use]
pub fn visible_line(text: &str) -> Cow<'_, str> {
    written_out(text, unseen)
}

fn written_out(text: &str, wanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&wanted) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for one in text.chars() {
        if wanted(one) {
            // INVARIANT: writing into a String does not fail.
            let _ = write!(out, "⟨U+{:04X}⟩", u32::from(one));
        } else {
            out.push(one);
        }
    }
    Cow::Owned(out)
}

const fn unseen(one: char) -> bool {
    one.is_ascii_control() || matches!(one, '\u{80}'..='\u{9f}') || is_hidden(one)
}

/// Whether a character is there without being seen: soft hyphen, zero-width and joining characters, marks that turn the
/// direction of text, invisible operators, variation selectors, fillers, tags (Unicode 16, mostly category Cf).
#[must_use]
pub const fn is_hidden(one: char) -> bool {
    matches!(
        one,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_no_screen_shows_is_written_out() {
        assert_eq!(visible("a\u{1b}[2J\r\n\u{202e}\u{e0041}é"), "a⟨U+001B⟩[2J⟨U+000D⟩\n⟨U+202E⟩⟨U+E0041⟩é");
        assert_eq!(visible_line("a\nb\u{9b}\u{7f}"), "a⟨U+000A⟩b⟨U+009B⟩⟨U+007F⟩");
        assert!(matches!(visible("plain, é ✓\n"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_stays_hidden_and_nothing_else_changes(chars in proptest::collection::vec(any::<char>(), 0..80), bad in 0_u32..0xa0) {
            let bad = char::from_u32(bad).unwrap_or_default();
            let text: String = chars.into_iter().chain([bad]).collect();
            let line = visible_line(&text);
            prop_assert!(!line.chars().any(|one| one.is_control() || is_hidden(one)));
            let seen: String = text.chars().filter(|one| !one.is_control() && !is_hidden(*one)).collect();
            if seen == text {
                prop_assert_eq!(line.as_ref(), text.as_str());
            }
        }
    }
}
