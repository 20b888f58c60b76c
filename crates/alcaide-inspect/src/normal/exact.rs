//! The exact form: what two texts have in common where they mean the same characters.
//!
//! Canonical composition (Unicode Standard Annex 15, NFC), capitals to small letters, white space to one space.
//! Foldings of case that join characters which only look or sound alike are left out: `ſ` is no `s`, `ß` no `ss`, `ﬁ`
//! no `fi`, `µ` (micro) no `μ`. Only the final sigma is the other sigma: it is the same letter at another place.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::chars::is_space;

/// The form in which a value is bound to somebody's words.
///
/// Two texts with the same exact form are the same characters but for case, canonical equivalence (NFC) and the width
/// of white space; white space at both ends is gone. Look-alikes, compatibility forms and invisible characters stay
/// what they are, so they keep two texts apart. The form of a form is itself.
///
/// ```
/// use alcaide_inspect::normal::exact;
///
/// assert_eq!(exact("  Jose\u{301} \n DOE "), "josé doe");
/// assert_ne!(exact("p\u{430}ypal"), exact("paypal"));
/// assert_ne!(exact("pay\u{200b}pal"), exact("paypal"));
/// ```
#[must_use]
pub fn exact(text: &str) -> String {
    if text.is_ascii() {
        return squeeze_ascii(text);
    }
    let small = squeeze(text.nfc().flat_map(char::to_lowercase).map(one_sigma), text.len());
    if is_nfc(&small) { small } else { small.nfc().collect() }
}

fn one_sigma(c: char) -> char {
    if c == 'ς' { 'σ' } else { c }
}

/// As [`squeeze`], in small letters, for ASCII.
pub(crate) fn squeeze_ascii(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut gap = false;
    for b in text.bytes() {
        if is_space(char::from(b)) {
            gap = true;
            continue;
        }
        if gap && !out.is_empty() {
            out.push(b' ');
        }
        gap = false;
        out.push(b.to_ascii_lowercase());
    }
    // INVARIANT: ASCII is UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// The characters with each run of white space as one space, and none at the ends.
pub(crate) fn squeeze(chars: impl Iterator<Item = char>, capacity: usize) -> String {
    let mut out = String::with_capacity(capacity);
    let mut gap = false;
    for c in chars {
        if is_space(c) {
            gap = !out.is_empty();
            continue;
        }
        if gap {
            out.push(' ');
            gap = false;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_white_space_and_composition_are_one() {
        assert_eq!(exact("Straße"), "straße");
        assert_eq!(exact("A\u{30a}ngstro\u{308}m"), exact("Ångström"));
        assert_eq!(exact("ΣΊΣΥΦΟΣ"), exact("Σίσυφος"));
        assert_eq!(exact("a\u{a0}\u{2003}\r\n b"), "a b");
        assert_eq!(exact(" \t "), "");
        assert_eq!(exact("ПРИВЕТ"), "привет");
    }

    #[test]
    fn canonical_singletons_are_their_letters() {
        // Unicode Standard Annex 15, figure 3: the ohm and ångström signs are the letters.
        assert_eq!(exact("\u{2126}"), "ω");
        assert_eq!(exact("\u{212b}"), "å");
    }

    #[test]
    fn look_alikes_and_the_unseen_stay_apart() {
        for (a, b) in [
            ("ſecret", "secret"),
            ("straße", "strasse"),
            ("ﬁle", "file"),
            ("\u{b5}", "\u{3bc}"),
            ("аdmin", "admin"),
            ("ａdmin", "admin"),
            ("ad\u{ad}min", "admin"),
            ("ıstanbul", "istanbul"),
            ("İstanbul", "istanbul"),
            ("x\u{fe0f}", "x"),
        ] {
            assert_ne!(exact(a), exact(b), "{a} {b}");
        }
    }

    #[test]
    fn every_character_has_a_form_that_is_its_own() {
        for c in '\0'..=char::MAX {
            let once = exact(&c.to_string());
            assert_eq!(exact(&once), once, "{c:?}");
        }
    }
}
