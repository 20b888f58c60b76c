//! Classes of characters that the normal forms and the boundaries of values rest on.
//!
//! The tables are closed lists of code points with their origin; what a later version of Unicode adds belongs to no
//! class until it is written down here.

use unicode_normalization::char::is_combining_mark;

/// Whether a reader sees nothing of `c`, or nothing that it would take for a character: the property
/// `Default_Ignorable_Code_Point` of Unicode, the controls that are no white space, and the marks of annotation.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{e}'..='\u{1b}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a text is of ASCII that a reader sees, and white space.
pub(crate) fn is_plain(text: &str) -> bool {
    // Without a branch, so that many bytes are looked at at once.
    text.bytes().fold(true, |plain, b| plain & (b < 0x7f) & ((b >= 0x1c) | (b.wrapping_sub(9) < 5)))
}

/// White space: Unicode's `White_Space`, the separators of information (U+001C to U+001F) and the blank pattern of
/// Braille, which a reader takes for one.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}' | '\u{2800}')
}

/// Embeddings, overrides and isolates: they change the order in which a reader sees the text.
pub(crate) fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The ASCII character that a tag character hides (U+E0020 to U+E007E).
pub(crate) fn tagged(c: char) -> Option<char> {
    match u32::from(c) {
        code @ 0xe0020..=0xe007e => char::from_u32(code - 0xe0000),
        _ => None,
    }
}

/// Whether `c` is of the block of tag characters.
pub(crate) fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// Marks that a reader may take for dirt: combining diacritics of the scripts that can do without.
pub(crate) fn is_diacritic(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// The ASCII digit of a decimal digit of another script (`General_Category=Nd`).
pub(crate) fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let at = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    let value = code.checked_sub(*ZEROS.get(at)?)?;
    char::from_digit(value, 10)
}

/// Whether `c` is a part of a word: a letter, a digit, the low line, a mark that sits on one, or something that a
/// reader does not see, which therefore parts nothing.
pub(crate) fn is_glue(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_' || (c.is_ascii_control() && is_invisible(c));
    }
    c.is_alphanumeric() || is_invisible(c) || is_combining_mark(c) || is_styled(c)
}

/// Joints of names and addresses in another dress: full width, small and one-dot forms.
fn is_styled(c: char) -> bool {
    matches!(c, '．' | '＠' | '＿' | '－' | '＋' | '／' | '＼' | '﹒' | '﹣' | '﹫' | '\u{2024}')
}

/// The character that ends at byte `at`.
pub(crate) fn before(text: &str, at: usize) -> Option<char> {
    text.get(..at)?.chars().next_back()
}

/// The character that begins at byte `at`.
pub(crate) fn after(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}

/// The digits zero of all scripts but ASCII's own and those that NFKC turns into ASCII, in order; nine digits follow each.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730,
    0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50,
    0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950,
    0x1fbf0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_of_the_table_is_one_and_no_number_sign_is() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for value in 0..10 {
                let c = char::from_u32(zero + value).unwrap();
                assert_eq!(digit(c), char::from_digit(value, 10), "{c:?}");
            }
        }
        assert_eq!(digit('٣'), Some('3'));
        assert_eq!(digit('Ⅷ'), None);
        assert_eq!(digit('7'), None);
        assert_eq!(digit('²'), None);
    }

    #[test]
    fn white_space_is_seen_and_what_is_not_seen_is_glue() {
        for c in [' ', '\t', '\n', '\r', '\u{85}', '\u{a0}', '\u{2003}', '\u{3000}', '\u{2028}'] {
            assert!(is_space(c) && !is_invisible(c) && !is_glue(c), "{c:?}");
        }
        for c in ['\u{200b}', '\u{ad}', '\u{202e}', '\u{fe0f}', '\u{e0041}', '\u{0}', '\u{e0100}', '\u{3164}']
        {
            assert!(is_invisible(c) && !is_space(c) && is_glue(c), "{c:?}");
        }
        assert!(is_glue('é') && is_glue('\u{301}') && is_glue('．') && !is_glue('-') && !is_glue('✉'));
    }
}
