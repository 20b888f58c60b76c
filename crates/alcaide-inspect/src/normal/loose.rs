//! The loose form: what a text may be taken for.
//!
//! Each character is taken apart (NFKD), dropped where a reader does not see it or takes it for dirt, and replaced by
//! what it looks like: the prototype of Unicode Technical Standard 39, section 4, but never one ASCII character by
//! another, so that numbers and addresses stay readable; then case is folded in full and the whole composed (NFKC).
//! Replacing goes on until nothing changes, so the form of a form is itself.

use caseless::Caseless;
use unicode_normalization::{UnicodeNormalization, is_nfkc};
use unicode_security::{MixedScript, skeleton};

use super::chars::{digit, is_diacritic, is_invisible, is_plain, is_space, tagged};
use super::exact::{squeeze, squeeze_ascii};
pub use super::signs::Signs;

/// A text in its loose form, and what was odd about it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Loose {
    /// The form, for comparison with other forms; not for people.
    pub text: String,
    /// What was odd.
    pub signs: Signs,
}

/// The form in which a text is searched for what it may hide.
///
/// Two texts that a reader, or a model, may take for one another have the same loose form as far as the tables know:
/// compatibility forms (NFKC), look-alikes of other scripts, diacritics, digits of other scripts, case and white space
/// are folded, invisible characters dropped, and tag characters turned into the ASCII that they hide. ASCII itself is
/// only folded in case; [`blurred`] goes further. Never compare it with what somebody *said*: that is [`exact`]'s
/// part. Search for the exact form as well: case of a script that looks like another may fold apart.
///
/// [`exact`]: super::exact
///
/// ```
/// use alcaide_inspect::normal::loose;
///
/// assert_eq!(loose("P\u{430}y\u{200b}ＰＡＬ").text, "paypal");
/// assert_eq!(loose("hi\u{e0070}\u{e0061}\u{e0079}").text, "hipay");
/// assert_eq!(loose("plain").signs.is_clean(), true);
/// assert_eq!(loose("p\u{430}ypal").signs.mixed, 1);
/// ```
#[must_use]
pub fn loose(text: &str) -> Loose {
    if is_plain(text) {
        return Loose { text: squeeze_ascii(text), signs: Signs::default() };
    }
    let signs = Signs::of(text);
    let folded = Folder::new(Case::Fold).fold(text);
    Loose { text: folded, signs }
}

/// A coarser form of a loose form, for comparing names and hosts: look-alikes within ASCII are one, too.
///
/// `0` is `o`; `1`, `|` and `i` are `l`; `5` is `s`; `rn` is `m`; `vv` is `w`. Numbers do not survive it.
///
/// ```
/// use alcaide_inspect::normal::{blurred, loose};
///
/// assert_eq!(blurred(&loose("PayPaI").text), blurred(&loose("paypa1").text));
/// ```
#[must_use]
pub fn blurred(loose: &str) -> String {
    let mut out = String::with_capacity(loose.len());
    for c in loose.chars() {
        match c {
            '0' => out.push('o'),
            '1' | '|' | 'i' | '!' => out.push('l'),
            '5' | '$' => out.push('s'),
            'n' if out.ends_with('r') => {
                out.pop();
                out.push('m');
            }
            'v' if out.ends_with('v') => {
                out.pop();
                out.push('w');
            }
            other => out.push(other),
        }
    }
    out
}

/// The text without what hides it, its case kept: what encodings are looked for in.
pub(super) fn unmasked(text: &str) -> String {
    Folder::new(Case::Keep).unfold(text)
}

/// Whether all of a word's letters look like ASCII ones.
pub(super) fn looks_ascii(word: &str, folder: &mut Folder) -> bool {
    word.chars().all(|c| c.is_ascii() || is_invisible(c) || folder.of(c).is_ascii())
}

/// Whether a word's letters are of scripts that no writing system has together (UTS 39, section 5.1), a Latin part of
/// an East Asian word excepted.
pub(super) fn is_mixed(word: &str) -> bool {
    if BLOCKS.iter().any(|block| word.chars().all(|c| block.contains(&c))) || word.is_single_script() {
        return false;
    }
    let rest: String = word.chars().filter(|c| !c.is_ascii()).collect();
    let scripts = rest.resolve_script_set();
    !(scripts.hanb || scripts.jpan || scripts.kore)
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Case {
    Fold,
    Keep,
}

/// Folds characters, and remembers the last ones: a text has few.
pub(super) struct Folder {
    case: Case,
    seen: Vec<Option<(char, Box<str>)>>,
}

impl Folder {
    pub(super) fn new(case: Case) -> Self {
        Self { case, seen: Vec::new() }
    }

    /// The whole form: folded, composed, white space squeezed.
    fn fold(&mut self, text: &str) -> String {
        let folded = self.replace(text);
        let folded = if is_nfkc(&folded) { folded } else { folded.nfkc().collect() };
        squeeze(folded.chars(), folded.len())
    }

    /// As [`Folder::fold`], but white space as it is: lines matter to what is looked for.
    fn unfold(&mut self, text: &str) -> String {
        self.replace(text)
    }

    fn replace(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_ascii() {
                if is_space(c) || !is_invisible(c) {
                    out.push(if self.case == Case::Fold { c.to_ascii_lowercase() } else { c });
                }
            } else {
                out.push_str(self.of(c));
            }
        }
        out
    }

    fn of(&mut self, c: char) -> &str {
        if self.seen.is_empty() {
            self.seen.resize(SEEN, None);
        }
        let at = usize::try_from(u32::from(c)).unwrap_or(0) % SEEN;
        let case = self.case;
        match self.seen.get_mut(at) {
            Some(slot) => {
                if slot.as_ref().is_none_or(|(known, _)| *known != c) {
                    let mut out = String::new();
                    expand(c, case, ROUNDS, &mut out);
                    *slot = Some((c, out.into()));
                }
                slot.as_ref().map_or("", |(_, folded)| folded)
            }
            // INVARIANT: `at` is below `SEEN`, the length of `seen`.
            None => "",
        }
    }
}

/// Writes what `c` is taken for.
fn expand(c: char, case: Case, rounds: u8, out: &mut String) {
    for part in std::iter::once(c).nfkd() {
        if is_space(part) {
            out.push(if part.is_ascii() { part } else { ' ' });
        } else if part.is_ascii() {
            out.push(if case == Case::Fold { part.to_ascii_lowercase() } else { part });
        } else if let Some(hidden) = tagged(part) {
            out.push(if case == Case::Fold { hidden.to_ascii_lowercase() } else { hidden });
        } else if !is_invisible(part) && !is_diacritic(part) {
            let mut alone = [0; 4];
            let alone = &*part.encode_utf8(&mut alone);
            let next = step(part, alone, case);
            if rounds == 0 || next == alone {
                out.push_str(alone);
            } else {
                next.chars().for_each(|c| expand(c, case, rounds - 1, out));
            }
        }
    }
}

/// One replacement of a character that is neither ASCII nor dropped.
fn step(c: char, alone: &str, case: Case) -> String {
    if let Some(known) = known(c) {
        return known.to_string();
    }
    if matches!(c, 'ß' | 'ẞ') {
        // The table takes it for a beta.
        return if case == Case::Fold { "ss".to_owned() } else { c.to_string() };
    }
    let prototype: String = skeleton(alone).collect();
    let prototype = match prototype.as_str() {
        // The table knows one prototype for `I`, `l` and `1`: of a capital, the capital is meant.
        "l" if c.is_uppercase() => "I".to_owned(),
        "''" => "\"".to_owned(),
        // The table takes `m` for `rn`; what looks like the one is meant for it.
        _ if prototype.starts_with("rn") => prototype.replacen("rn", "m", 1),
        _ => prototype,
    };
    match case {
        Case::Keep => prototype,
        Case::Fold => prototype.chars().default_case_fold().collect(),
    }
}

/// Replacements that the table of the standard does not make, or makes otherwise.
fn known(c: char) -> Option<char> {
    if let Some(digit) = digit(c) {
        return Some(digit);
    }
    let code = u32::from(c);
    Some(match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2e3a}' | '\u{2e3b}' | '\u{fe58}' => '-',
        '“' | '”' | '„' | '‟' | '«' | '»' => '"',
        '‹' | '›' => '\'',
        '。' => '.',
        '、' => ',',
        'β' | 'ꞵ' => 'b',
        'ᴀ' => 'a',
        'ʙ' => 'b',
        'ᴅ' => 'd',
        'ᴇ' => 'e',
        'ꜰ' => 'f',
        'ɢ' => 'g',
        'ʜ' => 'h',
        'ɪ' => 'i',
        'ᴊ' => 'j',
        'ᴋ' | 'ĸ' => 'k',
        'ʟ' => 'l',
        'ᴍ' => 'm',
        'ɴ' => 'n',
        'ᴘ' => 'p',
        'ʀ' => 'r',
        'ᴛ' => 't',
        'ᴜ' => 'u',
        'ʏ' => 'y',
        // Negative circled, negative squared and regional indicator letters.
        '\u{1f150}'..='\u{1f169}' => letter(code - 0x1f150)?,
        '\u{1f170}'..='\u{1f189}' => letter(code - 0x1f170)?,
        '\u{1f1e6}'..='\u{1f1ff}' => letter(code - 0x1f1e6)?,
        _ => return None,
    })
}

fn letter(index: u32) -> Option<char> {
    char::from_u32(u32::from('A') + index)
}

/// Blocks of one script each, which most words of the world are within.
const BLOCKS: [std::ops::RangeInclusive<char>; 6] = [
    '\u{400}'..='\u{52f}',
    '\u{370}'..='\u{3ff}',
    '\u{4e00}'..='\u{9fff}',
    '\u{ac00}'..='\u{d7a3}',
    '\u{621}'..='\u{64a}',
    '\u{905}'..='\u{94d}',
];

/// Characters remembered at a time.
const SEEN: usize = 512;

/// Replacements of one character in a row; no chain of the tables is longer.
const ROUNDS: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        loose(text).text
    }

    #[test]
    fn look_alikes_of_the_standard_are_one() {
        // Unicode Technical Standard 39, section 4: the examples of its text, and a host per script.
        assert_eq!(folded("ѕсоре"), "scope");
        assert_eq!(folded("ρ⍺у𝓅𝒂ן"), "paypal");
        assert_eq!(folded("ΡΑΥΡΑL"), "paypal");
        assert_eq!(folded("НТТР"), "http");
        assert_eq!(folded("аррӏе.com"), "apple.com");
        assert_eq!(folded("ɢoogle"), "google");
        assert_eq!(folded("ＡＢＣ ①②③ ⑩ ℌ"), "abc 123 10 h");
        assert_eq!(folded("🅿🅰🆈 🇵🇦🇾"), "pay pay");
        assert_eq!(folded("٣٤٥ ४५६"), "345 456");
    }

    #[test]
    fn marks_and_the_unseen_are_dropped() {
        assert_eq!(folded("pa\u{323}y\u{200d}p\u{ad}a\u{fe0f}l\u{202e}"), "paypal");
        assert_eq!(folded("José Ångström Łódź Søren Đorđe"), "jose angstrom lodz soren dorde");
        assert_eq!(folded("a\0b\u{7f}c"), "abc");
        assert_eq!(folded("a\u{2800}b\u{3000}\tc"), "a b c");
    }

    #[test]
    fn ascii_keeps_its_digits_and_letters() {
        let ascii = "I1l|0Om rn \"x\" `y` 100%";
        assert_eq!(folded(ascii), ascii.to_ascii_lowercase());
        assert_eq!(folded("І"), "i");
        assert_eq!(folded("straße"), folded("STRASSE"));
    }

    #[test]
    fn quotes_and_dashes_are_ascii() {
        assert_eq!(folded("“a” ‘b’ «c» — – − ‐ d…"), "\"a\" 'b' \"c\" - - - - d...");
        assert_eq!(folded("a．b。c"), "a.b.c");
    }

    #[test]
    fn every_character_has_a_form_that_is_its_own() {
        let mut fold = Folder::new(Case::Fold);
        let mut keep = Folder::new(Case::Keep);
        let assigned = ('\0'..='\u{323af}').chain('\u{e0000}'..='\u{e0fff}');
        for c in assigned
            .filter(|c| !('\u{3400}'..='\u{9fff}').contains(c) && !('\u{ac80}'..='\u{d7a3}').contains(c))
        {
            let once = fold.fold(&c.to_string());
            assert_eq!(fold.fold(&once), once, "{c:?} U+{:04X}", u32::from(c));
            let once = keep.unfold(&c.to_string());
            assert_eq!(keep.unfold(&once), once, "{c:?} U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn blur_joins_what_ascii_looks_like() {
        assert_eq!(blurred("g00gle"), blurred("google"));
        assert_eq!(blurred("rnicrosoft"), blurred("microsoft"));
        assert_eq!(blurred("vvallet"), blurred("wallet"));
        assert_ne!(blurred("bank"), blurred("tank"));
    }
}
